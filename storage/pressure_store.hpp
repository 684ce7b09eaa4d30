#pragma once

#include "storage/model/ids.hpp"
#include "storage/session.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rowlock::storage {

// What an instance asks of the database, to know whether that is short of anything.
struct pressure_figures {
    std::int64_t connections = 0;        // of clients, to the whole server
    std::int64_t max_connections = 0;    // that are not kept for superusers
    std::optional<std::int64_t> queued{};    // executions; counted in at most 1,000,000 extents
};
struct queue_question {
    bool asked = false;                  // how many are queued
    std::int64_t capacity = 0;           // EXECUTOR_QUEUE_CAPACITY. What submissions have taken of it since it was last counted does as an answer, which is no less than the truth,
    std::int64_t counted_from = 0;       // below this; from here on they are counted
};
pressure_figures read_pressure_figures(session& s, const queue_question& ask);

struct pressure_error {
    std::string message;
    std::string details_json;            // ResourceExhaustionError, but for affected_jobs and queued_count
};
// Tells the others how this instance is; `pressure_json` empty: well. Records the errors, in execution_errors of each tenant whose work waits and of the tenant
// default. False: the instance has been declared dead, and nothing was told.
bool tell_pressure(session& s, instance_id self, const std::string& pressure_json, const std::vector<pressure_error>& errors);

}
