#include "api/execution_answer.hpp"
#include "api/idempotency_key.hpp"
#include "api/routes.hpp"
#include "api/submissions.hpp"
#include "storage/failure_store.hpp"
#include "storage/model/json_fields.hpp"

#include <fmt/format.h>

namespace rowlock::api {

namespace {

error no_execution(execution_id id)
{
    return not_found(fmt::format("There is no execution {}.", id.str()));
}

// How far a cancel goes that does not say so itself: as the definition that the execution runs by has it.
runtime::awaitable<result<cancel_cascade>> default_cascade(request_context& rq, execution_id id)
{
    const auto tenant = rq.caller.tenant;
    const auto job = co_await rq.app.instance.db().read([tenant, id](storage::session& s) -> result<std::optional<storage::job_of_execution>> {
        return storage::find_job_of(s, tenant, id);
    });
    if (!job) co_return job.error();
    if (!*job) co_return cancel_cascade::none;       // there is nothing to cancel either, as the cancel says
    const auto version = co_await rq.app.instance.jobs().load((*job)->job, (*job)->version);
    if (!version) co_return version.error();
    co_return (*version)->definition.on_cancel;
}

// The original's parameters with those that were given over them, at the top level. Error invalid_request: the original's cannot be read, which
// SQL may have written with larger numbers than a body can have.
result<std::string> merged(const std::string& original, const boost::json::object* own)
{
    if (!own || own->empty()) return original;
    auto parsed = parse_json(original);
    auto* all = parsed ? parsed->if_object() : nullptr;
    if (!all) {
        field_errors errors;
        errors.add("parameters", nullptr, "cannot be merged over those of the original, which have numbers that JSON bodies cannot carry; replay it without parameters");
        return std::move(errors).take("The replay");
    }
    for (const auto& each : *own) (*all)[each.key()] = each.value();
    std::string text;
    append_text(text, *all);
    return text;
}

std::string key_request_of_replay(execution_id original, const boost::json::object* own)
{
    std::string request = "{\"replay_of\":\"" + original.str() + '"';
    if (own && !own->empty()) {
        request += ",\"parameters\":";
        append_text(request, *own);
    }
    return request + '}';
}

}

// POST /v1/executions/{id}/cancel: 202 with the execution, 400, 404, 409, 422.
runtime::awaitable<response> cancel_execution(request_context& rq)
{
    query_reader query(rq.rq.query());
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto id = rq.id_of("id");
    if (!id) co_return rq.refuse(id.error());
    const auto body = rq.body(true);
    if (!body) co_return rq.refuse(body.error());
    field_errors errors;
    boost::json::object accepted;
    json_fields fields(**body, "", errors, accepted);
    const auto cascade = fields.choice("cascade", cancel_cascade_names);
    std::string reason = fields.text("reason", {0, 1000}).value_or("");
    fields.refuse_rest();
    refuse_nul(**body, rq.rq.body(), errors);
    if (!errors.empty()) co_return rq.refuse(std::move(errors).take("The cancellation"));

    result<cancel_cascade> reach = cancel_cascade_of(cascade.value_or("NONE"));
    if (!cascade) reach = co_await default_cascade(rq, *id);
    if (!reach) co_return rq.refuse(reach.error());
    const auto outcome = co_await rq.app.instance.cancel(rq.caller, *id, std::move(reason), *reach);
    if (!outcome) co_return rq.refuse(outcome.error());
    co_return co_await answer_execution(rq, 202, *id);
}

// POST /v1/executions/{id}/retry: 201 with the next attempt, 404, 409, 422.
runtime::awaitable<response> retry_execution(request_context& rq)
{
    const auto id = rq.bare_id("id");
    if (!id) co_return rq.refuse(id.error());
    const auto next = co_await rq.app.instance.retry(rq.caller, *id);
    if (!next) co_return rq.refuse(next.error());
    co_return co_await answer_execution(rq, 201, *next);
}

// POST /v1/executions/{id}/replay: 201 with the first execution of a new run, 200 if a key has answered with it, 400, 404, 409, 422, 503.
runtime::awaitable<response> replay_execution(request_context& rq)
{
    query_reader query(rq.rq.query());
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto id = rq.id_of("id");
    if (!id) co_return rq.refuse(id.error());
    const auto body = rq.body(true);
    if (!body) co_return rq.refuse(body.error());
    field_errors errors;
    boost::json::object accepted;
    json_fields fields(**body, "", errors, accepted);
    fields.free_object("parameters");
    fields.refuse_rest();
    refuse_nul(**body, rq.rq.body(), errors);
    const std::string key(header_key(rq.rq, errors));
    if (!errors.empty()) co_return rq.refuse(std::move(errors).take("The replay"));
    const auto* given = (*body)->if_contains("parameters");
    const auto* own = given ? given->if_object() : nullptr;

    const auto tenant = rq.caller.tenant;
    const auto original = co_await rq.app.instance.db().read([tenant, id = *id](storage::session& s) -> result<std::optional<storage::original_execution>> {
        return storage::find_original(s, tenant, id);
    });
    if (!original) co_return rq.refuse(original.error());
    if (!*original) co_return rq.refuse(no_execution(*id));
    auto parameters = merged((*original)->parameters, own);
    if (!parameters) co_return rq.refuse(parameters.error());
    std::string key_request = key.empty() ? std::string() : key_request_of_replay(*id, own);

    const submission_scope scope{rq.app.instance, rq.caller, rq.trace_parent};
    auto job = co_await find_job(scope, (*original)->job_id, (*original)->job_version);
    if (!job) {
        if (job.error().code != errc::job_disabled) co_return rq.refuse(job.error());
        // What was answered before the job was disabled is answered again.
        const auto before = co_await replay_of(scope, key, key_request);
        if (before.empty()) co_return rq.refuse(job.error());
        co_return co_await answer_execution(rq, 200, before.front().id);
    }

    runtime::submit_request request;
    request.tenant = tenant;
    request.submitter = rq.caller.name;
    request.trigger = trigger_type::replay;
    auto& item = request.items.emplace_back();
    item.job = std::move(*job);
    item.parameters = std::move(*parameters);
    item.priority = (*original)->priority;
    item.correlation_id = (*original)->correlation_id;
    item.tags = (*original)->tags;
    item.trace_parent = rq.trace_parent;
    item.replay_of = *id;
    item.idempotency_key = key;
    item.key_request = std::move(key_request);
    const auto answers = co_await rq.app.instance.submit(std::move(request));
    if (!answers) co_return rq.refuse(answers.error());
    co_return co_await answer_execution(rq, answers->front().replayed ? 200 : 201, answers->front().id);
}

}
