#pragma once

#include "runtime/handlers/attempt.hpp"
#include "runtime/handlers/handlers.hpp"

namespace rowlock::runtime {

// What an attempt of a composite job has come to once its plan run has ended. Pure.
outcome outcome_of(uuid plan_run, const child_plan_end& end);

// Runs a plan as the work of an attempt (spec W5), and ends as the plan does. The plan run outlives the attempt: one that is handed back or lost is
// waited for by the next. On the attempt's core; the parameters outlive the coroutine.
awaitable<outcome> run_plan(attempt& a, const composite_options& options);

}
