#include "runtime/handlers/json_text.hpp"

#include <string_view>

namespace rowlock::runtime {

bool holds_nul(const boost::json::value& value)
{
    // The parser has bounded the depth.
    if (const auto* text = value.if_string()) return std::string_view(text->data(), text->size()).find('\0') != std::string_view::npos;
    if (const auto* array = value.if_array()) {
        for (const auto& item : *array) {
            if (holds_nul(item)) return true;
        }
    }
    if (const auto* object = value.if_object()) {
        for (const auto& [name, each] : *object) {
            if (std::string_view(name.data(), name.size()).find('\0') != std::string_view::npos || holds_nul(each)) return true;
        }
    }
    return false;
}

}
