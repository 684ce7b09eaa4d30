#include "storage/model/limit.hpp"

#include <algorithm>
#include <cmath>

namespace rowlock {

std::optional<limit_kind> limit_kind_of(std::string_view name)
{
    const auto at = std::find(limit_kind_names.begin(), limit_kind_names.end(), name);
    if (at == limit_kind_names.end()) return std::nullopt;
    return static_cast<limit_kind>(at - limit_kind_names.begin());
}

bool resource_amounts::any() const
{
    return std::any_of(amounts.begin(), amounts.end(), [](const auto& each) { return each.has_value(); });
}

resource_amounts read_resource_amounts(json_fields& fields)
{
    resource_amounts read;
    // A thousandth of a core is the least that counts.
    if (const auto cores = fields.number(resource_amounts::names[0], 0, resource_amounts::most_cores)) {
        read.amounts[0] = static_cast<std::int32_t>(std::ceil(*cores * 1000 - 1e-6));
    }
    for (std::size_t i = 1; i < read.amounts.size(); ++i) {
        if (const auto n = fields.integer(resource_amounts::names[i], 0, resource_amounts::most)) read.amounts[i] = static_cast<std::int32_t>(*n);
    }
    return read;
}

std::optional<start_rate> read_start_rate(json_fields& fields)
{
    std::optional<start_rate> rate;
    fields.object("rate_limit", [&rate](json_fields& members) {
        if (!members.has("starts")) members.require("starts");
        if (!members.has("per_seconds")) members.require("per_seconds");
        const auto starts = members.integer("starts", 1, most_starts);
        const auto per = members.seconds("per_seconds", shortest_rate_period, longest_rate_period);
        if (starts && per) rate = start_rate{static_cast<int>(*starts), *per};
    });
    return rate;
}

bool read_rejects(json_fields& fields, std::string_view name)
{
    return fields.choice(name, on_limit_names) == "REJECT";
}

result<limit_to_put> parse_limit(const boost::json::object& body, limit_kind kind)
{
    field_errors errors;
    boost::json::object accepted;
    json_fields fields(body, "", errors, accepted);
    limit_to_put read;
    if (const auto n = fields.integer("max_running", 0, most_running)) read.max_running = static_cast<int>(*n);
    const auto on_limit = fields.find("on_limit");
    read.rejects = read_rejects(fields, "on_limit");
    read.rate = read_start_rate(fields);
    if (const auto given = fields.find("resources"); given && kind != limit_kind::pool) {
        fields.refuse(given, "can be given for a pool alone");
    } else {
        fields.object("resources", [&read](json_fields& members) { read.resources = read_resource_amounts(members); });
    }
    if (read.rejects && !fields.has("max_running")) fields.refuse(on_limit, "says what happens when max_running is reached, which is not given; give max_running, or leave on_limit out");
    const bool has_something = fields.has("max_running") || fields.has("rate_limit") || fields.has("resources");
    if (!has_something) errors.add_missing("max_running");
    fields.refuse_rest();
    if (errors.empty() && !read.max_running && !read.rate && !read.resources.any()) errors.add_missing("max_running");
    if (errors.empty()) return read;
    return std::move(errors).take("The limit");
}

}
