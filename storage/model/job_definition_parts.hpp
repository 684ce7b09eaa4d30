#pragma once

#include "storage/model/job.hpp"
#include "storage/model/json_fields.hpp"

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>

// The rooms of parse_job_definition: each reads one part of a definition and notes what is wrong with it.
namespace rowlock::definition {

inline constexpr milliseconds longest_duration = std::chrono::hours{24 * 366};
// PostgreSQL's statement_timeout is a number of milliseconds in 32 bits.
inline constexpr milliseconds longest_statement = std::chrono::hours{24 * 24};
inline constexpr std::int64_t most_output_bytes = std::int64_t{1} << 30;

// None where it is missing or refused.
std::optional<handler_spec> read_handler(json_fields& definition, const definition_defaults& defaults);
http_handler read_http(json_fields& handler);
sql_handler read_sql(json_fields& handler);
// `defaults` are for the jobs of nodes that have handlers.
composite_handler read_composite(json_fields& handler, const definition_defaults& defaults);
// Hooks before and after the work (spec S5).
void read_hooks(json_fields& definition, job_definition& made);

// What is to be done where an attempt fails or does not end: retries, timeouts, heartbeats, checkpoints, the circuit breaker, dead letters.
void read_failure_handling(json_fields& definition, job_definition& made, const definition_defaults& defaults);
// What of it cannot be had with the handler, where that was read.
void refuse_for_handler(json_fields& definition, const job_definition& made);
void read_retention(json_fields& definition, job_definition& made);

// The jobs that it depends on; made.job_id is read already.
void read_dependencies(json_fields& definition, job_definition& made);
// The events that make executions of it; made.job_id is read already.
void read_triggers(json_fields& definition, job_definition& made);
// In what order its executions run, and what is cancelled with one of them (rule 16).
void read_ordering(json_fields& definition, job_definition& made);
void read_cancelling(json_fields& definition, job_definition& made);
// Limits on what runs and on what starts; made.limits.pool and the ordering key are read already.
void read_limits(json_fields& definition, job_definition& made);
// Which instances may run it; see labels_wanted (placement.hpp).
void read_placement(json_fields& definition);

// The way to a value in the parameters, as in customer.id.
struct parameter_path {
    std::vector<std::string> names;
    std::string text;                    // without the $. that may stand before it
};
// Nullopt where it is missing or refused.
std::optional<parameter_path> read_parameter_path(json_fields& fields, std::string_view name);

// When it runs (spec J2) and when it may start (rule 17). Whether there are the zones that they name is not asked; made.job_id is read already.
void read_schedule(json_fields& definition, job_definition& made, const definition_defaults& defaults);
void read_windows(json_fields& definition, job_definition& made);

// The policy in force: what the definition leaves out comes from `defaults`.
retry_policy read_retry_policy(json_fields& definition, const retry_policy& defaults);

// Refuses the members of the contract whose behaviour this version does not have, see later_parts.cpp. `place` is the object's name there.
void refuse_later_fields(json_fields& fields, std::string_view place);

// A choice some of whose values this version does not have yet.
std::optional<std::string> read_choice(json_fields& fields, std::string_view place, std::string_view name, std::span<const std::string_view> choices);

// The rules' flat names for members of `resources`, `retry_policy`, `heartbeat`, ..., see lifted_fields.cpp. Errors name what was given.
boost::json::object with_lifted_fields(const boost::json::object& body, field_errors& errors);
bool has_lifted_fields(const boost::json::object& body);

}
