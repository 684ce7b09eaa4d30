#include "ops/cli/json_read.hpp"

#include "storage/model/json_text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>

namespace rowlock::ops {

namespace json = boost::json;

const json::value* member_at(const json::value& value, std::string_view path)
{
    const json::value* at = &value;
    while (at && !path.empty()) {
        const std::size_t dot = path.find('.');
        const json::object* members = at->if_object();
        at = members ? members->if_contains(path.substr(0, dot)) : nullptr;
        path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
    }
    return at;
}

const json::array* array_at(const json::value& value, std::string_view path)
{
    const json::value* found = member_at(value, path);
    return found ? found->if_array() : nullptr;
}

std::string text_at(const json::value& value, std::string_view path)
{
    const json::value* found = member_at(value, path);
    if (!found || found->is_null()) return {};
    if (const json::string* text = found->if_string()) return std::string{*text};
    return to_text(*found);
}

std::optional<double> number_at(const json::value& value, std::string_view path)
{
    const json::value* found = member_at(value, path);
    if (!found || !found->is_number()) return std::nullopt;
    return found->to_number<double>();
}

bool flag_at(const json::value& value, std::string_view path)
{
    const json::value* found = member_at(value, path);
    return found && found->is_bool() && found->get_bool();
}

}
