#include "storage/model/placement.hpp"

#include "storage/model/job_definition_parts.hpp"

#include <algorithm>
#include <boost/json/string.hpp>
#include <fmt/format.h>
#include <map>

namespace rowlock {

namespace json = boost::json;

namespace {

constexpr std::size_t longest_name = 63;
constexpr std::size_t longest_value = 128;

bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_name(std::string_view name)
{
    static constexpr std::string_view others = "._-/";
    return !name.empty() && name.size() <= longest_name && is_alphanumeric(name.front()) &&
           std::all_of(name.begin(), name.end(), [](char c) { return is_alphanumeric(c) || others.find(c) != std::string_view::npos; });
}

// A comma stands between the labels of the setting.
bool is_value(std::string_view value)
{
    return !value.empty() && value.size() <= longest_value && std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c <= '~' && c != ','; });
}

}

std::string refusal_of_label(std::string_view name, std::string_view value)
{
    if (!is_name(name)) return fmt::format("has a name that must be 1 to {} of a-z, 0-9, '.', '_', '-', '/', beginning with a letter or digit", longest_name);
    if (!is_value(value)) return fmt::format("must have a value of 1 to {} visible ASCII characters, without a comma", longest_value);
    return {};
}

json::object labels_wanted(const json::object& definition)
{
    json::object wanted;
    const auto* placement = definition.if_contains("placement");
    const auto* members = placement ? placement->if_object() : nullptr;
    if (!members) return wanted;
    if (const auto* labels = members->if_contains("labels"); labels && labels->is_object()) wanted = labels->get_object();
    if (const auto* region = members->if_contains("region")) wanted["region"] = *region;
    return wanted;
}

std::string label_text(const json::object& labels)
{
    std::map<std::string_view, std::string_view> sorted;
    for (const auto& label : labels) {
        if (const auto* value = label.value().if_string()) sorted.emplace(std::string_view{label.key().data(), label.key().size()}, std::string_view{value->data(), value->size()});
    }
    std::string text;
    for (const auto& [name, value] : sorted) text += fmt::format("{}{}={}", text.empty() ? "" : ", ", name, value);
    return text;
}

namespace definition {

void read_placement(json_fields& definition)
{
    definition.object("placement", [](json_fields& fields) {
        const auto given = fields.find("region");
        const auto region = fields.text("region", {1, longest_value});
        if (region) {
            if (auto why = refusal_of_label("region", *region); !why.empty()) fields.refuse(given, std::move(why));
        }
        const auto labels = fields.text_map("labels", most_labels, {1, longest_value}, refusal_of_label);
        const auto same = labels.find("region");
        if (region && same != labels.end() && same->second != *region) fields.refuse(given, "is given as labels.region too, and says otherwise; give one of them");
    });
}

}

}
