#include "storage/model/job_definition_parts.hpp"

#include "storage/model/json_text.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace rowlock::definition {

namespace json = boost::json;

namespace {

// What the contract names and this version cannot do. Taking such a member and ignoring it would break a promise silently, so it is refused;
// the change that brings the behaviour takes the line out. `harmless` is the JSON text of the one value that asks for nothing;
// where it is empty, false and [] do (null always does).
struct later_part {
    std::string_view place;
    std::string_view name;
    std::string_view harmless = {};
};

constexpr later_part later_parts[] = {
    {"definition", "on_lease_doubt", "\"continue\""},
    {"definition", "priority_boost_on_age", "true"},
    {"handler.type", "worker"},
    {"handler.type", "native"},
};

constexpr std::string_view not_supported = "is not supported by this version of Rowlock; leave it out";

bool asks_for_nothing(const json::value& v, std::string_view harmless)
{
    if (!harmless.empty()) return to_text(v) == harmless;
    if (const auto* b = v.if_bool()) return !*b;
    const auto* a = v.if_array();
    return a && a->empty();
}

}

void refuse_later_fields(json_fields& fields, std::string_view place)
{
    for (const auto& part : later_parts) {
        if (part.place != place) continue;
        const auto f = fields.find(part.name);
        if (f && !asks_for_nothing(*f.value, part.harmless)) fields.refuse(f, std::string(not_supported));
    }
}

std::optional<std::string> read_choice(json_fields& fields, std::string_view place, std::string_view name, std::span<const std::string_view> choices)
{
    const auto f = fields.find(name);
    const auto* s = f ? f.value->if_string() : nullptr;
    if (s) {
        const std::string where = path_of(place, name);
        const std::string_view value(s->data(), s->size());
        const bool later = std::any_of(std::begin(later_parts), std::end(later_parts),
                                       [&](const later_part& part) { return part.place == where && part.name == value; });
        if (later) {
            fields.refuse(f, fmt::format("{} is {}, or use {}", value, not_supported.substr(3), fmt::join(choices, ", ")));
            return std::nullopt;
        }
    }
    return fields.choice(name, choices);
}

}
