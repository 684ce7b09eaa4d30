#include "storage/model/job_definition_parts.hpp"
#include "storage/model/json_text.hpp"

#include <boost/json/string.hpp>
#include <fmt/format.h>

namespace rowlock::definition {

namespace json = boost::json;

namespace {

// The rules of schedules, priority, pools, retries, heartbeats, checkpoints and dead letters name their members flat; the definition keeps them in the
// object they belong to.
struct lifted_field {
    std::string_view name;
    std::string_view into;
    std::string_view as = name;          // its name there
    bool makes_object = true;            // false: without the object it says nothing, and is refused where it asks for something
};

constexpr lifted_field lifted_fields[] = {
    {"cron_expression", "schedule"},
    {"interval_seconds", "schedule"},
    {"timezone", "schedule", "timezone", false},
    {"tolerance_seconds", "schedule", "tolerance_seconds", false},
    {"skip_if_running", "schedule", "skip_if_running", false},
    {"queue_if_running", "schedule", "queue_if_running", false},
    {"catchup_enabled", "schedule", "catchup_enabled", false},
    {"max_catchup_runs", "schedule", "max_catchup_runs", false},
    {"priority", "resources"},
    {"resource_pool", "resources"},
    {"region", "placement"},
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
    for (const auto& [name, into, as, makes_object] : lifted_fields) {
        const auto* v = body.if_contains(name);
        if (!v) continue;
        lifted.erase(name);
        if (v->is_null()) continue;
        if (!makes_object && !is_given(lifted, into)) {
            const bool asks_for_nothing = *v == json::value(false) || *v == json::value(0);
            if (!asks_for_nothing) errors.add(std::string(name), v, fmt::format("is for a {}, and the definition has none; give it one, or leave this out", into), errc::schedule_conflict);
            continue;
        }
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
