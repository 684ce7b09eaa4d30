#include "storage/model/http_address.hpp"
#include "storage/model/job_definition_parts.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <fmt/format.h>

namespace rowlock::definition {

namespace {

constexpr std::array<std::string_view, 3> timeout_actions{"TERMINATE", "WARN", "EXTEND"};
constexpr std::array<std::string_view, 2> breaker_scopes{"JOB", "TARGET"};
constexpr std::int64_t most_days = 36'500;
constexpr std::int64_t most_dead_letter_hours = 87'600;
constexpr std::int64_t most_failures = 1'000'000;
constexpr std::int64_t most_probes = 10'000;
constexpr std::int64_t largest_checkpoint = std::int64_t{64} << 20;

static_assert(static_cast<int>(timeout_action::terminate) == 0 && static_cast<int>(timeout_action::warn) == 1 && static_cast<int>(timeout_action::extend) == 2);

// Rule 12. WARN and EXTEND are about a timeout: without one nothing would ever come of them.
void read_timeout(json_fields& fields, job_definition& made)
{
    made.timeout = fields.seconds("timeout_seconds", milliseconds{1}, longest_duration);
    if (const auto action = fields.choice("timeout_action", timeout_actions)) {
        made.timeout_action = static_cast<timeout_action>(std::find(timeout_actions.begin(), timeout_actions.end(), *action) - timeout_actions.begin());
        const bool needs_time = made.timeout_action != timeout_action::terminate;
        if (needs_time && !fields.has("timeout_seconds")) {
            fields.refuse(fields.find("timeout_action"), fmt::format("{} needs timeout_seconds; give it, or leave timeout_action out", *action));
        }
    }
    if (const auto most = fields.integer("max_extensions", 0, 1000)) made.max_extensions = static_cast<int>(*most);
    made.queue_timeout = fields.seconds("queue_timeout_seconds", milliseconds{1}, longest_duration);
}

// Rule 13.
void read_heartbeat(json_fields& fields, job_definition& made, const heartbeat_policy& defaults)
{
    heartbeat_policy policy = defaults;
    const bool given = fields.object("heartbeat", [&policy](json_fields& members) {
        if (const auto interval = members.seconds("interval_seconds", milliseconds{1000}, longest_duration)) policy.interval = *interval;
        if (const auto limit = members.integer("missed_limit", 1, 1000)) policy.missed_limit = static_cast<int>(*limit);
    });
    if (given) made.heartbeat = policy;
}

// Rule 14.
void read_checkpoint(json_fields& fields, job_definition& made)
{
    fields.object("checkpoint", [&made](json_fields& members) {
        made.checkpoint.interval = members.seconds("interval_seconds", milliseconds{0}, longest_duration);
        made.checkpoint.on_stage = members.boolean("on_stage").value_or(false);
        if (const auto bytes = members.integer("max_bytes", 1, largest_checkpoint)) made.checkpoint.max_bytes = *bytes;
    });
}

void read_failure_rate(json_fields& fields, breaker_policy& policy)
{
    const auto rate = fields.number("failure_rate", 0, 1);
    if (!rate) return;
    if (*rate > 0) policy.failure_rate = rate;
    else fields.refuse(fields.find("failure_rate"), "must be above 0, or the breaker would open without a failure; leave it out to count failures in a row");
}

// Spec F5.
void read_breaker(json_fields& fields, job_definition& made)
{
    breaker_policy policy;
    const bool given = fields.object("circuit_breaker", [&policy](json_fields& members) {
        if (const auto n = members.integer("failure_threshold", 1, most_failures)) policy.failure_threshold = static_cast<int>(*n);
        read_failure_rate(members, policy);
        if (const auto window = members.seconds("window_seconds", milliseconds{1}, longest_duration)) policy.window = *window;
        if (const auto open = members.seconds("open_seconds", milliseconds{1}, longest_duration)) policy.open = *open;
        if (const auto n = members.integer("half_open_max", 1, most_probes)) policy.half_open_max = static_cast<int>(*n);
        policy.per_target = members.choice("scope", breaker_scopes) == breaker_scopes[1];
    });
    if (given) made.breaker = policy;
}

// Rule 15.
void read_dead_letter(json_fields& fields, job_definition& made)
{
    fields.object("dead_letter", [&made](json_fields& members) {
        if (const auto enabled = members.boolean("enabled")) made.dead_letter.enabled = *enabled;
        if (const auto hours = members.integer("retention_hours", 1, most_dead_letter_hours)) made.dead_letter.retention = std::chrono::hours{*hours};
    });
}

}

void read_failure_handling(json_fields& fields, job_definition& made, const definition_defaults& defaults)
{
    made.retry = read_retry_policy(fields, defaults.retry);
    read_timeout(fields, made);
    read_heartbeat(fields, made, defaults.heartbeat);
    read_checkpoint(fields, made);
    read_breaker(fields, made);
    read_dead_letter(fields, made);
}

void refuse_for_handler(json_fields& fields, const job_definition& made)
{
    const auto* http = std::get_if<http_handler>(&made.handler);
    // Who waits for one reply hears nothing until it is there: such a job would fail however well it is.
    if (made.heartbeat && http && http->completion == http_completion::reply) {
        fields.refuse(fields.find("heartbeat"), "cannot be asked of an http job that waits for one reply: nothing comes before it; set handler.completion to poll or webhook, "
                                                "or use timeout_seconds");
    }
    if (made.heartbeat && std::holds_alternative<sql_handler>(made.handler)) {
        fields.refuse(fields.find("heartbeat"), "cannot be asked of a sql job: nothing comes before the statement's end; use timeout_seconds");
    }
    // What is shared by target needs a target that is known before any execution is.
    if (made.breaker && made.breaker->per_target && !(http && written_target(http->url))) {
        const auto given = fields.find("circuit_breaker");
        fields.errors().add(path_of(fields.path_of_member(given.name), "scope"), &given.value->get_object().at("scope"),
                            "TARGET needs an http handler whose url names its host and port without templates; use JOB, or leave it out");
    }
}

void read_retention(json_fields& fields, job_definition& made)
{
    fields.object("retention", [&made](json_fields& members) {
        if (const auto days = members.integer("history_days", 0, most_days)) made.history_retention = std::chrono::hours{24 * *days};
    });
}

}
