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
    std::optional<std::int64_t> queued{};    // executions, where somebody asks
};
// `queued_in`: what is queued is counted, in at most so many extents; 0: it is not.
pressure_figures read_pressure_figures(session& s, std::int64_t queued_in);

struct pressure_error {
    std::string message;
    std::string details_json;            // ResourceExhaustionError, but for affected_jobs and queued_count
};
// Tells the others how this instance is; `pressure_json` empty: well. Records the errors, in execution_errors of each tenant whose work waits and of the tenant
// default. False: the instance has been declared dead, and nothing was told.
bool tell_pressure(session& s, instance_id self, const std::string& pressure_json, const std::vector<pressure_error>& errors);

}
