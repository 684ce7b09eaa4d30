#pragma once

#include "storage/job_store.hpp"
#include "storage/model/execution.hpp"
#include "storage/session.hpp"

#include <optional>
#include <string>
#include <vector>

namespace rowlock::storage {

// Reads of executions and what belongs to them, as the JSON text that the API shows. A tenant sees its own alone.

// The whole execution (J5, with `result`).
std::optional<std::string> find_execution_json(session& s, tenant_key tenant, execution_id id);

struct execution_filter {
    std::string job_id;
    std::vector<execution_status> statuses;          // empty: all
    std::optional<execution_id> run_id;
    std::string correlation_id;
    std::optional<rowlock::trigger_type> trigger;
    std::optional<timestamp> since;                  // submitted at or after
    std::optional<timestamp> until;                  // submitted before
    std::vector<std::pair<std::string, std::string>> tags;   // all must match
};
// Newest first. The cursor is opaque; nullopt: it is malformed.
std::optional<page> list_executions_json(session& s, tenant_key tenant, const execution_filter& filter, int limit, const std::string& cursor);

// {"run_id","status","attempts":[...]}, attempts oldest first. nullopt: no such run.
std::optional<std::string> find_run_json(session& s, tenant_key tenant, execution_id run);

// The last attempt of the run that an execution belongs to, whole.
std::optional<std::string> last_attempt_json(session& s, tenant_key tenant, execution_id any_of_the_run);

// Oldest first. nullopt: no such execution.
std::optional<std::vector<std::string>> list_transitions_json(session& s, tenant_key tenant, execution_id id);
std::optional<std::vector<std::string>> list_checkpoints_json(session& s, tenant_key tenant, execution_id id);
// The bytes of checkpoint n.
std::optional<std::string> read_checkpoint(session& s, tenant_key tenant, execution_id id, int number);

struct log_part {
    std::string text;            // bytes as the job wrote them, made valid UTF-8
    std::int64_t next = 0;       // where to go on
    bool ended = false;          // the execution has ended and this is all
};
// The log from position `after` (0 = the beginning), at most about max_bytes. nullopt: no such execution.
std::optional<log_part> read_log(session& s, tenant_key tenant, execution_id id, std::int64_t after, std::int64_t max_bytes);

}
