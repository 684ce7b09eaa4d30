#pragma once

#include "runtime/async/types.hpp"
#include "storage/model/execution.hpp"
#include "storage/model/ids.hpp"

#include <boost/json/array.hpp>
#include <functional>
#include <string>
#include <vector>

namespace rowlock::runtime {

// The plan run that does the work of a composite job's run.
struct child_plan {
    uuid id;
    std::string status;                              // RUNNING, COMPLETED, FAILED or CANCELLED
};

// How a plan run has ended.
struct child_plan_end {
    std::string status;                              // as above: RUNNING while it has not
    int nodes = 0;
    int failed = 0;                                  // those that no fallback stood in for
    std::vector<std::string> first_failed{};         // some of them: "load (EXIT_1)"
};

// How attempts come by the runs of plans. Each resumes the caller on its core; where the database is away or has no time, the error is
// database_unavailable or overloaded, and the function may be called again.
struct child_plan_functions {
    // The plan run of this attempt: that of the job's run which is under way or has completed, else a new one. Where an earlier one has not
    // completed, the new one keeps what did. Errors: invalid_request, dependency_cycle, job_disabled, not_found: it cannot be run as it is.
    std::function<awaitable<result<child_plan>>(const assignment& work)> begin{};
    // True: it has ended; false: not by then.
    std::function<awaitable<result<bool>>(uuid plan_run, deadline until)> wait{};
    std::function<awaitable<result<child_plan_end>>(uuid plan_run)> look{};
    // Errors: not_found, already_ended.
    std::function<awaitable<result<void>>(const assignment& work, uuid plan_run, std::string reason)> cancel{};
};

}
