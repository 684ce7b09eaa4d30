#pragma once

#include "runtime/async/database.hpp"
#include "runtime/catalog/catalog.hpp"
#include "runtime/execute/run_watch.hpp"
#include "runtime/handlers/child_plans.hpp"
#include "runtime/plan/plan_runs.hpp"

#include <boost/json/array.hpp>

namespace rowlock::runtime {

// What jobs do with plans while they run: a composite job has one as its work, and a node may add nodes to its own. They act for their job's
// tenant, under the name job:JOB_ID. Each function resumes the caller on its core.
class job_plans {
public:
    // A plan in a plan in a plan, and so on, has at most so many around it: a plan that has itself as a node would never end.
    static constexpr int most_around = 8;

    // All of them outlive it.
    job_plans(plan_runs& plans, catalog& jobs, database& db, run_watch& ends) : plans_(plans), jobs_(jobs), db_(db), ends_(ends) {}

    // For the attempts of composite jobs; it outlives them.
    child_plan_functions functions();

    // Adds nodes to the plan run that the attempt is a node of; those that are there, of the same job, are left as they are, so that an attempt may
    // add again what an earlier one did. Errors: invalid_request, dependency_cycle, job_disabled: refused; already_ended: the plan is being stopped;
    // those of the database.
    awaitable<result<void>> add_nodes(assignment work, boost::json::array nodes);

private:
    awaitable<result<child_plan>> begin(assignment work);
    awaitable<result<child_plan>> go_on(principal who, storage::child_plan_run last, execution_id run, std::string trace_parent);
    awaitable<result<bool>> wait(uuid plan_run, deadline until);
    awaitable<result<child_plan_end>> look(uuid plan_run);
    awaitable<result<void>> cancel(principal who, uuid plan_run, std::string reason);

    plan_runs& plans_;
    catalog& jobs_;
    database& db_;
    run_watch& ends_;
};

}
