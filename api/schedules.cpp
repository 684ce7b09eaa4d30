#include "api/read_answers.hpp"
#include "api/routes.hpp"
#include "api/submission_body.hpp"
#include "api/submissions.hpp"
#include "runtime/schedule/evaluate.hpp"
#include "runtime/schedule/scheduler.hpp"
#include "storage/schedule_store.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace rowlock::api {

namespace {

constexpr int usual_fire_times = 10;
constexpr int most_fire_times = 1000;
constexpr text_bounds reason_bounds{0, 1000};

using found_schedule = result<std::optional<storage::stored_schedule>>;

error no_schedule(std::string_view id)
{
    return not_found(fmt::format("There is no schedule {}: a schedule has the id that its job's definition gives it, or else the job_id.", id));
}

runtime::awaitable<response> answer_schedule(request_context& rq, std::string id)
{
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, id](storage::session& s) -> found_text { return storage::find_schedule_json(s, tenant, id); });
    co_return show(rq, found, no_schedule(id));
}

runtime::awaitable<found_schedule> find(request_context& rq, std::string id)
{
    const auto tenant = rq.caller.tenant;
    co_return co_await rq.app.instance.db().read([tenant, id = std::move(id)](storage::session& s) -> found_schedule { return storage::find_schedule(s, tenant, id); });
}

runtime::awaitable<response> switch_schedule(request_context& rq, bool paused)
{
    const auto id = rq.bare_slug("schedule_id");
    if (!id) co_return rq.refuse(id.error());
    const auto body = rq.body(true);
    if (!body) co_return rq.refuse(body.error());
    field_errors errors;
    boost::json::object accepted;
    json_fields fields(**body, "", errors, accepted);
    std::string reason = fields.text("reason", reason_bounds).value_or("");
    fields.refuse_rest();
    refuse_nul(**body, rq.rq.body(), errors);
    if (!errors.empty()) co_return rq.refuse(std::move(errors).take("The action"));
    const auto changed = co_await rq.app.instance.db().write([who = rq.caller, id = *id, paused, reason = std::move(reason)](storage::session& s) -> result<bool> {
        return storage::set_paused(s, who, id, paused, reason);
    });
    if (!changed) co_return rq.refuse(changed.error());
    if (!*changed) co_return rq.refuse(no_schedule(*id));
    if (!paused) {
        const auto known = co_await find(rq, *id);
        if (known && *known) co_await rq.app.instance.schedules().look_at(rq.caller.tenant, (*known)->job_id);
    }
    co_return co_await answer_schedule(rq, *id);
}

}

// GET /v1/schedules: 200, 422. By schedule_id.
runtime::awaitable<response> list_schedules(request_context& rq)
{
    co_return co_await show_by_name(rq, &storage::list_schedules_json);
}

// GET /v1/schedules/{schedule_id}: 200, 404, 422.
runtime::awaitable<response> get_schedule(request_context& rq)
{
    const auto id = rq.bare_slug("schedule_id");
    if (!id) co_return rq.refuse(id.error());
    co_return co_await answer_schedule(rq, *id);
}

// GET /v1/schedules/{schedule_id}/next: 200 with the next times, 404, 422. ?count=, ?after= (now).
runtime::awaitable<response> list_next_fire_times(request_context& rq)
{
    query_reader query(rq.rq.query());
    const auto count = static_cast<std::size_t>(query.integer("count", 1, most_fire_times).value_or(usual_fire_times));
    const auto after = query.time("after");
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto id = rq.slug_of("schedule_id");
    if (!id) co_return rq.refuse(id.error());
    const auto known = co_await find(rq, *id);
    if (!known) co_return rq.refuse(known.error());
    if (!*known) co_return rq.refuse(no_schedule(*id));
    const auto& stored = **known;
    const auto compiled = runtime::compile_stored(stored.spec, rq.app.instance.zones(), stored.registered_at);
    if (!compiled) co_return rq.refuse(compiled.error());
    const auto ticks = runtime::ticks_between(*compiled, after.value_or(std::max(stored.now, stored.decided_to)), timestamp::max(), count);
    auto answer = rq.reply(200);
    answer.body = fmt::format(R"({{"schedule_id":"{}","fire_times":[)", *id);
    for (std::size_t i = 0; i < ticks.size(); ++i) answer.body += fmt::format("{}\"{}\"", i > 0 ? "," : "", to_rfc3339(ticks[i]));
    answer.body += "]}";
    co_return answer;
}

// GET /v1/schedules/{schedule_id}/ticks: 200 with what became of its times, the latest first; 404, 422.
runtime::awaitable<response> list_schedule_ticks(request_context& rq)
{
    query_reader query(rq.rq.query());
    const int limit = query.limit();
    const std::string cursor = query.cursor();
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto id = rq.slug_of("schedule_id");
    if (!id) co_return rq.refuse(id.error());
    const auto known = co_await find(rq, *id);
    if (!known) co_return rq.refuse(known.error());
    if (!*known) co_return rq.refuse(no_schedule(*id));
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, id = *id, limit, cursor](storage::session& s) -> found_page {
        return storage::list_schedule_ticks_json(s, tenant, id, limit, cursor);
    });
    co_return show(rq, query, cursor, found);
}

// POST /v1/schedules/{schedule_id}/pause and /resume: 200 with the schedule, 404, 422.
runtime::awaitable<response> pause_schedule(request_context& rq)
{
    co_return co_await switch_schedule(rq, true);
}

runtime::awaitable<response> resume_schedule(request_context& rq)
{
    co_return co_await switch_schedule(rq, false);
}

// POST /v1/schedules/{schedule_id}/run: 201 with an execution of its job, now and beside its times; 404, 409, 422, 503.
runtime::awaitable<response> run_schedule(request_context& rq)
{
    const auto id = rq.bare_slug("schedule_id");
    if (!id) co_return rq.refuse(id.error());
    const auto body = rq.body(true);
    if (!body) co_return rq.refuse(body.error());
    field_errors errors;
    boost::json::object accepted;
    json_fields fields(**body, "", errors, accepted);
    const std::string reason = fields.text("reason", reason_bounds).value_or("");
    const auto parameters = fields.free_object("parameters");
    fields.refuse_rest();
    refuse_nul(**body, rq.rq.body(), errors);
    if (!errors.empty()) co_return rq.refuse(std::move(errors).take("The run"));
    const auto known = co_await find(rq, *id);
    if (!known) co_return rq.refuse(known.error());
    if (!*known) co_return rq.refuse(no_schedule(*id));
    const std::string job_id = (*known)->job_id;
    auto job = co_await find_job({rq.app.instance, rq.caller, rq.trace_parent}, job_id, 0);
    if (!job) co_return rq.refuse(job.error());

    submission_body given;
    given.job_id = job_id;
    if (parameters) given.parameters = &*parameters;
    runtime::submit_request request;
    request.tenant = rq.caller.tenant;
    request.submitter = rq.caller.name;
    fill(request.items.emplace_back(), given, std::move(*job), "", rq.trace_parent);
    const auto made = co_await rq.app.instance.submit(std::move(request));
    if (!made) co_return rq.refuse(made.error());
    const auto noted = co_await rq.app.instance.db().write([who = rq.caller, job_id, why = made->front().id.str() + (reason.empty() ? "" : ": " + reason)](storage::session& s) -> result<void> {
        storage::note_schedule_action(s, who, job_id, "RUN", why);
        return {};
    });
    if (!noted) spdlog::warn("the run of schedule {} by {} could not be noted: {}", *id, rq.caller.name, noted.error().detail);
    auto answer = rq.reply(201);
    answer.add_header("Location", "/v1/executions/" + made->front().id.str());
    append_submitted(answer.body, made->front());
    co_return answer;
}

}
