#pragma once

#include "storage/model/execution.hpp"
#include "storage/model/job.hpp"
#include "storage/model/principal.hpp"

#include <optional>
#include <string>
#include <vector>

namespace rowlock::runtime {

// One execution that is to be.
struct submission {
    job_version_ptr job;
    std::string parameters;                          // JSON text, defaults merged in (merge_parameters)
    int priority = 0;
    std::optional<timestamp> scheduled_time{};
    std::string correlation_id{};
    std::string tags{};                              // JSON object text; empty: none
    std::string trace_parent{};
    std::optional<execution_id> replay_of{};
    bool ignore_dependencies = false;                // it starts without waiting for the jobs that its job depends on
    // Where there is a key: the request as JSON text after its own defaults, which is what repeats are compared with (I1).
    std::string idempotency_key{};
    std::string key_request{};
};

// What one client asked for at once: all of it is committed, or none.
struct submit_request {
    tenant_key tenant = default_tenant;
    std::string submitter;                           // principal::name
    trigger_type trigger = trigger_type::manual;
    std::vector<submission> items;
    // A key for the whole batch (then the items have none).
    std::string batch_key{};
    std::string batch_key_request{};
};

struct submitted {
    execution_id id;
    execution_id run_id;
    std::string job_id;
    int job_version = 0;
    execution_status status = execution_status::queued;
    bool replayed = false;
};

// In the order of the items. Errors: idempotency_key_reused (`fields` names each as executions[i].idempotency_key), job_not_found or
// job_disabled where that changed meanwhile, overloaded, database_unavailable, stopping.
using submit_answer = result<std::vector<submitted>>;

}
