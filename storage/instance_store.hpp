#pragma once

#include "storage/model/ids.hpp"
#include "storage/session.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rowlock::storage {

// As the API shows them, newest first, those that are gone left out after a day.
std::vector<std::string> list_instances_json(session& s);
std::optional<std::string> find_instance_json(session& s, instance_id id);

// Asks an instance to take no more work, or to take it again. From the moment on at which await_statements_of() (queue_store.hpp) returns after that, nothing
// starts there until it is asked otherwise.
enum class drain_answer : std::uint8_t { done, no_such_instance, not_alive };
drain_answer drain(session& s, instance_id id, bool drains, const std::string& author, const std::string& reason);

// 004's OrchestrationHealthStatus, but for what only the instance knows.
struct health_figures {
    std::int64_t active_executions = 0;
    std::int64_t queued_jobs = 0;            // QUEUED; an estimate of large backlogs is not made: it counts extents
    std::int64_t pending_jobs = 0;
    double error_rate_1h = 0;                // failed / ended, of those that ended in the last hour
    double success_rate_24h = 1;
};
health_figures read_health(session& s);

}
