#pragma once

#include "storage/model/ids.hpp"
#include "storage/session.hpp"

#include <optional>
#include <string>
#include <vector>

namespace rowlock::storage {

// Runs of plans and the executions that they belong to, either way: a node belongs to a plan run, a composite job's plan run to the job's run.

// The plan run that this execution is a node of.
std::optional<uuid> plan_run_of(session& s, const execution_id& id);

// How many runs of plans this execution lies within: the one that it is a node of, the one whose node has that one as its work, and so on; counts
// up to `most`.
int plans_around(session& s, const execution_id& id, int most);

struct plan_run_end {
    std::string status;
    int nodes = 0;
    int failed = 0;
    std::vector<std::string> first_failed{};         // "load (EXIT_1)": some of those that failed, in the order of the plan
};
std::optional<plan_run_end> find_plan_run_end(session& s, const uuid& id);

// Plan runs that are under way although the run of the composite job whose work they are has ended: nobody waits for them any more. At most so
// many: those that are left are found once these are cancelled.
struct orphaned_plan_run {
    uuid id;
    tenant_key tenant;
};
std::vector<orphaned_plan_run> orphaned_plan_runs(session& s, int most);

}
