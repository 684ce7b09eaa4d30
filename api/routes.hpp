#pragma once

#include "api/context.hpp"

namespace rowlock::api {

// The handlers of all routes; each is beside its kin, in the file named in the comment.

// executions_submit.cpp
runtime::awaitable<response> submit_execution(request_context& rq);
runtime::awaitable<response> submit_batch(request_context& rq);
// executions_read.cpp
runtime::awaitable<response> list_executions(request_context& rq);
runtime::awaitable<response> get_execution(request_context& rq);
runtime::awaitable<response> wait_for_execution(request_context& rq);
runtime::awaitable<response> list_transitions(request_context& rq);
runtime::awaitable<response> list_checkpoints(request_context& rq);
runtime::awaitable<response> get_checkpoint(request_context& rq);
runtime::awaitable<response> list_artifacts(request_context& rq);
runtime::awaitable<response> list_run_artifacts(request_context& rq);
runtime::awaitable<response> get_run(request_context& rq);
// executions_log.cpp
runtime::awaitable<response> get_log(request_context& rq);
// executions_control.cpp
runtime::awaitable<response> cancel_execution(request_context& rq);
runtime::awaitable<response> retry_execution(request_context& rq);
runtime::awaitable<response> replay_execution(request_context& rq);
// explain.cpp
runtime::awaitable<response> explain_execution(request_context& rq);
runtime::awaitable<response> explain_scope(request_context& rq);
// callbacks.cpp
runtime::awaitable<response> complete_execution(request_context& rq);
// stream_socket.cpp
runtime::awaitable<response> open_stream(request_context& rq);
// jobs.cpp
runtime::awaitable<response> list_jobs(request_context& rq);
runtime::awaitable<response> get_job(request_context& rq);
runtime::awaitable<response> list_job_versions(request_context& rq);
runtime::awaitable<response> get_job_version(request_context& rq);
runtime::awaitable<response> diff_job(request_context& rq);
// jobs_change.cpp
runtime::awaitable<response> put_job(request_context& rq);
runtime::awaitable<response> apply_jobs(request_context& rq);
runtime::awaitable<response> rollback_job(request_context& rq);
runtime::awaitable<response> enable_job(request_context& rq);
runtime::awaitable<response> disable_job(request_context& rq);
runtime::awaitable<response> delete_job(request_context& rq);
// schedules_preview.cpp
runtime::awaitable<response> preview_schedule(request_context& rq);
// schedules.cpp
runtime::awaitable<response> list_schedules(request_context& rq);
runtime::awaitable<response> get_schedule(request_context& rq);
runtime::awaitable<response> list_next_fire_times(request_context& rq);
runtime::awaitable<response> list_schedule_ticks(request_context& rq);
runtime::awaitable<response> pause_schedule(request_context& rq);
runtime::awaitable<response> resume_schedule(request_context& rq);
runtime::awaitable<response> run_schedule(request_context& rq);
// backfill.cpp
runtime::awaitable<response> backfill_job(request_context& rq);
// plans.cpp
runtime::awaitable<response> put_plan(request_context& rq);
runtime::awaitable<response> apply_plans(request_context& rq);
runtime::awaitable<response> list_plans(request_context& rq);
runtime::awaitable<response> get_plan(request_context& rq);
runtime::awaitable<response> list_plan_versions(request_context& rq);
runtime::awaitable<response> get_plan_version(request_context& rq);
// plan_runs.cpp
runtime::awaitable<response> start_plan_run(request_context& rq);
runtime::awaitable<response> list_plan_runs(request_context& rq);
runtime::awaitable<response> get_plan_run(request_context& rq);
runtime::awaitable<response> wait_for_plan_run(request_context& rq);
runtime::awaitable<response> cancel_plan_run(request_context& rq);
runtime::awaitable<response> rerun_plan_run(request_context& rq);
runtime::awaitable<response> add_plan_nodes(request_context& rq);
// graphs.cpp
runtime::awaitable<response> get_plan_graph(request_context& rq);
runtime::awaitable<response> get_plan_run_graph(request_context& rq);
runtime::awaitable<response> get_graph(request_context& rq);
// events.cpp
runtime::awaitable<response> post_event(request_context& rq);
runtime::awaitable<response> list_events(request_context& rq);
runtime::awaitable<response> get_event(request_context& rq);
// webhooks.cpp
runtime::awaitable<response> call_webhook(request_context& rq);
// triggers.cpp
runtime::awaitable<response> list_triggers(request_context& rq);
runtime::awaitable<response> get_trigger(request_context& rq);
runtime::awaitable<response> list_activations(request_context& rq);
runtime::awaitable<response> enable_trigger(request_context& rq);
runtime::awaitable<response> disable_trigger(request_context& rq);
// dead_letters.cpp
runtime::awaitable<response> list_dead_letters(request_context& rq);
runtime::awaitable<response> get_dead_letter(request_context& rq);
runtime::awaitable<response> retry_dead_letter(request_context& rq);
runtime::awaitable<response> retry_dead_letters(request_context& rq);
runtime::awaitable<response> delete_dead_letter(request_context& rq);
runtime::awaitable<response> purge_dead_letters(request_context& rq);
// errors.cpp
runtime::awaitable<response> list_errors(request_context& rq);
runtime::awaitable<response> get_error(request_context& rq);
runtime::awaitable<response> retry_error(request_context& rq);
runtime::awaitable<response> delete_error(request_context& rq);
runtime::awaitable<response> purge_errors(request_context& rq);
// breakers.cpp
runtime::awaitable<response> list_breakers(request_context& rq);
runtime::awaitable<response> get_breaker(request_context& rq);
runtime::awaitable<response> reset_breaker(request_context& rq);
// limits.cpp
runtime::awaitable<response> list_limits(request_context& rq);
runtime::awaitable<response> get_limit(request_context& rq);
runtime::awaitable<response> put_limit(request_context& rq);
runtime::awaitable<response> delete_limit(request_context& rq);
// policies.cpp
runtime::awaitable<response> list_policies(request_context& rq);
runtime::awaitable<response> get_policy(request_context& rq);
runtime::awaitable<response> put_policy(request_context& rq);
runtime::awaitable<response> delete_policy(request_context& rq);
runtime::awaitable<response> list_policy_violations(request_context& rq);
// instances.cpp
runtime::awaitable<response> list_instances(request_context& rq);
runtime::awaitable<response> get_instance(request_context& rq);
runtime::awaitable<response> drain_instance(request_context& rq);
runtime::awaitable<response> resume_instance(request_context& rq);
// tokens.cpp
runtime::awaitable<response> list_tenants(request_context& rq);
runtime::awaitable<response> get_tenant(request_context& rq);
runtime::awaitable<response> put_tenant(request_context& rq);
runtime::awaitable<response> list_tokens(request_context& rq);
runtime::awaitable<response> create_token(request_context& rq);
runtime::awaitable<response> revoke_token(request_context& rq);
// health.cpp
runtime::awaitable<response> alive(request_context& rq);
runtime::awaitable<response> ready(request_context& rq);
runtime::awaitable<response> health(request_context& rq);
// metrics.cpp
runtime::awaitable<response> metrics(request_context& rq);
// openapi.cpp
runtime::awaitable<response> get_openapi(request_context& rq);
runtime::awaitable<response> front_page(request_context& rq);

}
