#include "storage/model/job_definition_parts.hpp"
#include "storage/model/json_text.hpp"

#include <boost/json/string.hpp>
#include <fmt/format.h>

namespace rowlock::definition {

namespace json = boost::json;

namespace {

// The rules of priority, pools, retries, heartbeats, checkpoints and dead letters name their members flat; the definition keeps them in the
// object they belong to.
struct lifted_field {
    std::string_view name;
    std::string_view into;
    std::string_view as = name;          // its name there
};

constexpr lifted_field lifted_fields[] = {
    {"priority", "resources"},
    {"resource_pool", "resources"},
    {"max_attempts", "retry_policy"},
    {"include_initial", "retry_policy"},
    {"max_retries", "retry_policy"},
    {"initial_delay", "retry_policy"},
    {"multiplier", "retry_policy"},
    {"max_delay", "retry_policy"},
    {"jitter_factor", "retry_policy"},
    {"jitter_mode", "retry_policy"},
    {"retryable_codes", "retry_policy"},
    {"non_retryable_codes", "retry_policy"},
    {"heartbeat_interval_seconds", "heartbeat", "interval_seconds"},
    {"missed_heartbeat_limit", "heartbeat", "missed_limit"},
    {"checkpoint_interval_seconds", "checkpoint", "interval_seconds"},
    {"checkpoint_on_stage", "checkpoint", "on_stage"},
    {"dead_letter_enabled", "dead_letter", "enabled"},
    {"retention_hours", "dead_letter"},
};

bool is_given(const json::object& o, std::string_view name)
{
    const auto* v = o.if_contains(name);
    return v && !v->is_null();
}

}

bool has_lifted_fields(const json::object& body)
{
    for (const auto& field : lifted_fields) {
        if (body.contains(field.name)) return true;
    }
    return false;
}

json::object with_lifted_fields(const json::object& body, field_errors& errors)
{
    json::object lifted(body, json::storage_ptr());
    for (const auto& [name, into, as] : lifted_fields) {
        const auto* v = body.if_contains(name);
        if (!v) continue;
        lifted.erase(name);
        if (v->is_null()) continue;
        auto& home = lifted[into];
        if (home.is_null()) home.emplace_object();
        if (!home.is_object()) continue;      // refused as such by its reader
        if (is_given(home.get_object(), as) && home.get_object().at(as) != *v) {
            errors.add(std::string(name), v, fmt::format("is given as {} too, and says otherwise; give one of them", path_of(into, as)));
        } else {
            home.get_object()[as] = *v;
            errors.was_given_as(path_of(into, as), std::string(name));
        }
    }
    return lifted;
}

}
