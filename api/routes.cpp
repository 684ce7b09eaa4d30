#include "api/routes.hpp"

namespace rowlock::api {

namespace {

// Anybody may send a report before it is known who it is from, so it may not take what the bodies of known callers may.
constexpr std::size_t most_callback_bytes = 1 << 20;
// An event's payload may have a MiB; the rest is what stands around it, and white space.
constexpr std::size_t most_event_bytes = 2 << 20;

// What is asked for most stands first: a route is looked for in this order.
constexpr route table[] = {
    {method::post, "/v1/executions", permission::operate, &submit_execution},
    {method::post, "/v1/executions/batch", permission::operate, &submit_batch},
    {method::get, "/v1/executions", permission::read, &list_executions},
    {method::get, "/v1/executions/{id}", permission::read, &get_execution},
    {method::get, "/v1/executions/{id}/wait", permission::read, &wait_for_execution},
    {method::get, "/v1/executions/{id}/log", permission::read, &get_log},
    {method::get, "/v1/executions/{id}/checkpoints", permission::read, &list_checkpoints},
    {method::get, "/v1/executions/{id}/checkpoints/{n}", permission::read, &get_checkpoint},
    {method::get, "/v1/executions/{id}/artifacts", permission::read, &list_artifacts},
    {method::get, "/v1/executions/{id}/transitions", permission::read, &list_transitions},
    {method::post, "/v1/executions/{id}/cancel", permission::operate, &cancel_execution},
    {method::post, "/v1/executions/{id}/retry", permission::operate, &retry_execution},
    {method::post, "/v1/executions/{id}/replay", permission::operate, &replay_execution},
    {method::get, "/v1/executions/{id}/explain", permission::read, &explain_execution},
    {method::post, "/v1/executions/{id}/complete", permission::none, &complete_execution, false, most_callback_bytes},
    {method::get, "/v1/runs/{run_id}", permission::read, &get_run},
    {method::get, "/v1/runs/{run_id}/artifacts", permission::read, &list_run_artifacts},
    {method::get, "/v1/stream", permission::read, &open_stream, true},

    {method::put, "/v1/jobs/{job_id}", permission::define, &put_job},
    {method::get, "/v1/jobs", permission::read, &list_jobs},
    {method::get, "/v1/jobs/{job_id}", permission::read, &get_job},
    {method::delete_, "/v1/jobs/{job_id}", permission::define, &delete_job},
    {method::get, "/v1/jobs/{job_id}/versions", permission::read, &list_job_versions},
    {method::get, "/v1/jobs/{job_id}/versions/{version}", permission::read, &get_job_version},
    {method::get, "/v1/jobs/{job_id}/diff", permission::read, &diff_job},
    {method::post, "/v1/jobs/apply", permission::define, &apply_jobs},
    {method::post, "/v1/jobs/{job_id}/rollback", permission::define, &rollback_job},
    {method::post, "/v1/jobs/{job_id}/enable", permission::define, &enable_job},
    {method::post, "/v1/jobs/{job_id}/disable", permission::define, &disable_job},

    {method::post, "/v1/schedules/preview", permission::read, &preview_schedule},
    {method::post, "/v1/jobs/{job_id}/backfill", permission::operate, &backfill_job},

    {method::get, "/v1/schedules", permission::read, &list_schedules},
    {method::get, "/v1/schedules/{schedule_id}", permission::read, &get_schedule},
    {method::get, "/v1/schedules/{schedule_id}/next", permission::read, &list_next_fire_times},
    {method::get, "/v1/schedules/{schedule_id}/ticks", permission::read, &list_schedule_ticks},
    {method::post, "/v1/schedules/{schedule_id}/pause", permission::define, &pause_schedule},
    {method::post, "/v1/schedules/{schedule_id}/resume", permission::define, &resume_schedule},
    {method::post, "/v1/schedules/{schedule_id}/run", permission::operate, &run_schedule},

    {method::post, "/v1/plans/apply", permission::define, &apply_plans},
    {method::put, "/v1/plans/{plan_id}", permission::define, &put_plan},
    {method::get, "/v1/plans", permission::read, &list_plans},
    {method::get, "/v1/plans/{plan_id}", permission::read, &get_plan},
    {method::get, "/v1/plans/{plan_id}/versions", permission::read, &list_plan_versions},
    {method::get, "/v1/plans/{plan_id}/versions/{version}", permission::read, &get_plan_version},
    {method::get, "/v1/plans/{plan_id}/graph", permission::read, &get_plan_graph},
    {method::post, "/v1/plan-runs", permission::operate, &start_plan_run},
    {method::get, "/v1/plan-runs", permission::read, &list_plan_runs},
    {method::get, "/v1/plan-runs/{id}", permission::read, &get_plan_run},
    {method::get, "/v1/plan-runs/{id}/wait", permission::read, &wait_for_plan_run},
    {method::get, "/v1/plan-runs/{id}/graph", permission::read, &get_plan_run_graph},
    {method::post, "/v1/plan-runs/{id}/cancel", permission::operate, &cancel_plan_run},
    {method::post, "/v1/plan-runs/{id}/rerun", permission::operate, &rerun_plan_run},
    {method::post, "/v1/plan-runs/{id}/nodes", permission::operate, &add_plan_nodes},
    {method::get, "/v1/graph", permission::read, &get_graph},

    {method::post, "/v1/events", permission::operate, &post_event, false, most_event_bytes},
    {method::get, "/v1/events", permission::read, &list_events},
    {method::get, "/v1/events/{id}", permission::read, &get_event},
    {method::post, "/v1/webhooks/{trigger_id}", permission::none, &call_webhook, false, most_callback_bytes},
    {method::get, "/v1/triggers", permission::read, &list_triggers},
    {method::get, "/v1/triggers/{trigger_id}", permission::read, &get_trigger},
    {method::get, "/v1/triggers/{trigger_id}/activations", permission::read, &list_activations},
    {method::post, "/v1/triggers/{trigger_id}/enable", permission::define, &enable_trigger},
    {method::post, "/v1/triggers/{trigger_id}/disable", permission::define, &disable_trigger},

    {method::get, "/v1/dead-letters", permission::read, &list_dead_letters},
    {method::delete_, "/v1/dead-letters", permission::operate, &purge_dead_letters},
    {method::post, "/v1/dead-letters/retry", permission::operate, &retry_dead_letters},
    {method::get, "/v1/dead-letters/{id}", permission::read, &get_dead_letter},
    {method::delete_, "/v1/dead-letters/{id}", permission::operate, &delete_dead_letter},
    {method::post, "/v1/dead-letters/{id}/retry", permission::operate, &retry_dead_letter},
    {method::get, "/v1/errors", permission::read, &list_errors},
    {method::delete_, "/v1/errors", permission::operate, &purge_errors},
    {method::get, "/v1/errors/{id}", permission::read, &get_error},
    {method::delete_, "/v1/errors/{id}", permission::operate, &delete_error},
    {method::post, "/v1/errors/{id}/retry", permission::operate, &retry_error},
    {method::get, "/v1/breakers", permission::read, &list_breakers},
    {method::get, "/v1/breakers/{key}", permission::read, &get_breaker},
    {method::post, "/v1/breakers/{key}/reset", permission::operate, &reset_breaker},

    {method::get, "/v1/limits", permission::read, &list_limits},
    {method::get, "/v1/limits/{kind}/{key}", permission::read, &get_limit},
    {method::put, "/v1/limits/{kind}/{key}", permission::define, &put_limit},
    {method::delete_, "/v1/limits/{kind}/{key}", permission::define, &delete_limit},

    {method::get, "/v1/explain", permission::read, &explain_scope},
    {method::get, "/v1/policies", permission::read, &list_policies},
    {method::get, "/v1/policies/{policy_id}", permission::read, &get_policy},
    {method::put, "/v1/policies/{policy_id}", permission::define, &put_policy},
    {method::delete_, "/v1/policies/{policy_id}", permission::define, &delete_policy},
    {method::get, "/v1/policy-violations", permission::read, &list_policy_violations},

    {method::get, "/v1/instances", permission::read, &list_instances},
    {method::get, "/v1/instances/{instance_id}", permission::read, &get_instance},
    {method::post, "/v1/instances/{instance_id}/drain", permission::operate, &drain_instance},
    {method::post, "/v1/instances/{instance_id}/resume", permission::operate, &resume_instance},
    {method::get, "/v1/tenants", permission::administer, &list_tenants},
    {method::get, "/v1/tenants/{tenant_id}", permission::administer, &get_tenant},
    {method::put, "/v1/tenants/{tenant_id}", permission::administer, &put_tenant},
    {method::get, "/v1/tokens", permission::administer, &list_tokens},
    {method::post, "/v1/tokens", permission::administer, &create_token},
    {method::delete_, "/v1/tokens/{token_id}", permission::administer, &revoke_token},

    {method::get, "/healthz", permission::none, &alive},
    {method::get, "/readyz", permission::none, &ready},
    {method::get, "/v1/health", permission::read, &health},
    {method::get, "/metrics", permission::read, &metrics},
    {method::get, "/v1/openapi.json", permission::none, &get_openapi},
    {method::get, "/", permission::none, &front_page},
};
static_assert(std::size(table) < http_figures::most_routes);

}

std::span<const route> all_routes()
{
    return table;
}

}
