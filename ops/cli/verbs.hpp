#pragma once

#include "ops/cli/context.hpp"

namespace CLI {
class App;
}

namespace rowlock::ops {

// Each adds one verb with its options, help and examples to `app`; what it does is left in `c.chosen` when it stands on the command line.
// `c` outlives the application.
void add_job(CLI::App& app, context& c);
void add_plan(CLI::App& app, context& c);
void add_submit(CLI::App& app, context& c);
void add_run(CLI::App& app, context& c);
void add_execution(CLI::App& app, context& c);
void add_event(CLI::App& app, context& c);
void add_trigger(CLI::App& app, context& c);
void add_dlq(CLI::App& app, context& c);
void add_errors(CLI::App& app, context& c);
void add_breaker(CLI::App& app, context& c);
void add_schedule(CLI::App& app, context& c);
void add_backfill(CLI::App& app, context& c);
void add_limit(CLI::App& app, context& c);
void add_explain(CLI::App& app, context& c);
void add_policy(CLI::App& app, context& c);
void add_instance(CLI::App& app, context& c);
void add_tenant(CLI::App& app, context& c);
void add_token(CLI::App& app, context& c);
void add_doctor(CLI::App& app, context& c);
void add_bench(CLI::App& app, context& c);
void add_version(CLI::App& app, context& c);

// Verbs that are added to one of these: `job apply` and `job diff` to `job`.
void add_job_apply(CLI::App& job, context& c);
void add_job_diff(CLI::App& job, context& c);
// `plan apply`, and `plan run`, `rerun` and `cancel`, added to `plan`.
void add_plan_apply(CLI::App& plan, context& c);
void add_plan_run(CLI::App& plan, context& c);
// `execution watch`, added to `execution`.
void add_execution_watch(CLI::App& execution, context& c);
// `schedule list`, `show`, `ticks`, `pause`, `resume` and `run`, added to `schedule`.
void add_schedule_control(CLI::App& schedule, context& c);
// `execution retry` and `replay`.
void add_execution_again(CLI::App& execution, context& c);
// `execution explain`.
void add_execution_explain(CLI::App& execution, context& c);

}
