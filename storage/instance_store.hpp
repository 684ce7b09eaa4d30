#pragma once

#include "storage/session.hpp"

#include <string>
#include <vector>

namespace rowlock::storage {

// {instance_id, state, hostname, pid, version, address, started_at, lease_until, labels, running}, newest first, those that are gone
// left out after a day.
std::vector<std::string> list_instances_json(session& s);

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
