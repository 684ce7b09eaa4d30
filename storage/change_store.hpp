#pragma once

#include "storage/array.hpp"
#include "storage/model/execution.hpp"
#include "storage/session.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace rowlock::storage {

// What those who follow executions are told from. Each function is one statement for everybody who follows something on an instance.

// By what a change of an execution is known: another status, another owner, other progress.
struct execution_state {
    execution_status status{};
    int fence = 0;
    std::string progress{};                          // as text; "": none
    bool operator==(const execution_state&) const = default;
};

struct state_of_execution {
    execution_id id;
    execution_state state;
};
// Cheap: no more than what tells whether something has changed.
std::vector<state_of_execution> read_states(session& s, array& ids);

// The whole execution, as GET /v1/executions/{id} shows it.
struct shown_execution {
    execution_id id;
    execution_state state;
    std::optional<execution_id> next;                // the next attempt of its run
    std::string json;
};
std::vector<shown_execution> read_shown(session& s, array& ids);

// Those of these executions that are the tenant's.
std::vector<execution_id> executions_of(session& s, tenant_key tenant, array& ids);

struct last_of_run {
    execution_id run;
    execution_id last;
};
// The last attempt of each of these runs that is the tenant's.
std::vector<last_of_run> last_attempts(session& s, tenant_key tenant, array& runs);

struct job_of_tenant {
    std::string job_id;
    job_key job;
};
std::vector<job_of_tenant> find_jobs(session& s, tenant_key tenant, array& job_ids);

timestamp database_clock(session& s);

struct new_execution {
    execution_id id;
    job_key job;
    timestamp submitted_at;
};
// Executions of jobs[i] that were submitted at since[i] or later; each job's oldest `most`.
std::vector<new_execution> executions_since(session& s, array& jobs, array& since, int most);

}
