#include "api/apply_body.hpp"

#include <boost/json/string.hpp>
#include <fmt/format.h>

namespace rowlock::api {

namespace json = boost::json;

namespace {

constexpr text_bounds reason_bounds{0, 10'000};
constexpr std::size_t most_items = 10'000;

}

apply_body read_apply(const json::object& body, std::string_view list, field_errors& errors)
{
    json::object accepted;
    json_fields fields(body, "", errors, accepted);
    apply_body out;
    out.dry_run = fields.boolean("dry_run").value_or(false);
    out.reason = fields.text("reason", reason_bounds).value_or("");
    if (out.reason.find('\0') != std::string::npos) errors.add("reason", nullptr, "must not contain U+0000: the database cannot keep it");
    const auto given = fields.find(list);
    const auto* items = given ? given.value->if_array() : nullptr;
    if (!given) fields.require(list);
    else if (!items || items->empty() || items->size() > most_items) fields.refuse(given, fmt::format("must be an array of 1 to {} definitions", most_items));
    else out.items = items;
    fields.refuse_rest();
    return out;
}

void ids_given::add(std::size_t item, const std::string& id)
{
    const auto [twin, is_first] = first_.emplace(id, item);
    if (is_first) return;
    const json::value value = json::string(id);
    errors_.add(path_of(path_of(list_, item), member_), &value, fmt::format("is that of {} already; give each once", path_of(list_, twin->second)));
}

std::string_view applied_outcome(bool created, bool changed)
{
    if (created) return "created";
    return changed ? "updated" : "unchanged";
}

}
