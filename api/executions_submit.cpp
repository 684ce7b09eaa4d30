#include "api/idempotency_key.hpp"
#include "api/routes.hpp"
#include "api/submissions.hpp"
#include "storage/execution_store.hpp"

namespace rowlock::api {

namespace {

using runtime::submitted;

constexpr std::chrono::milliseconds longest_wait{300'000};

void append_location(response& answer, execution_id id)
{
    char text[36];
    id.value.write(text);
    answer.headers.append("Location: /v1/executions/").append(text, sizeof text).append("\r\n");
}

// ?wait_seconds=: the answer is the whole execution. What was committed stays committed: where it cannot be read now, the ordinary answer
// is given.
runtime::awaitable<std::optional<std::string>> wait_and_read(request_context& rq, execution_id id, std::chrono::milliseconds wait)
{
    if (wait.count() > 0) {
        const auto waited = co_await rq.wait_for_run(id, runtime::steady_clock::now() + wait);
        if (!waited) co_return std::nullopt;
    }
    const auto tenant = rq.caller.tenant;
    auto found = co_await rq.app.instance.db().read([tenant, id](storage::session& s) -> result<std::optional<std::string>> {
        return storage::last_attempt_json(s, tenant, id);
    });
    if (!found) co_return std::nullopt;
    co_return std::move(*found);
}

runtime::awaitable<response> answer_one(request_context& rq, submitted one, std::optional<std::chrono::milliseconds> wait)
{
    auto answer = rq.reply(one.replayed ? 200 : 201);
    append_location(answer, one.id);
    if (wait) {
        if (const auto whole = co_await wait_and_read(rq, one.id, *wait)) {
            answer.body.append(*whole);
            co_return answer;
        }
    }
    append_submitted(answer.body, one);
    co_return answer;
}

response answer_batch(request_context& rq, const std::vector<submitted>& all)
{
    bool all_replayed = true;
    for (const auto& one : all) all_replayed = all_replayed && one.replayed;
    auto answer = rq.reply(all_replayed ? 200 : 201);
    answer.body.push_back('{');
    append_submitted(answer.body, all);
    answer.body.push_back('}');
    return answer;
}

submission_scope scope_of(const request_context& rq)
{
    return {rq.app.instance, rq.caller, rq.trace_parent};
}

}

// POST /v1/executions: 201, 200, 400, 409, 422, 429, 503.
runtime::awaitable<response> submit_execution(request_context& rq)
{
    std::optional<std::chrono::milliseconds> wait;
    if (!rq.rq.query().empty()) {
        query_reader query(rq.rq.query());
        wait = query.seconds("wait_seconds", longest_wait);
        if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    }
    const auto body = rq.body();
    if (!body) co_return rq.refuse(body.error());
    field_errors errors;
    submission_body given;
    read_submission(**body, "", errors, given);
    refuse_nul(**body, rq.rq.body(), errors);
    const auto key = agreed_key(rq.rq, given.idempotency_key, errors);

    // The hot way asks nobody: the definition is in memory.
    bool is_disabled = false;
    job_version_ptr job = given.job_version == 0 ? rq.app.instance.jobs().cached(rq.caller.tenant, given.job_id) : nullptr;
    if (!job && is_slug(given.job_id)) {
        auto found = co_await find_job(scope_of(rq), std::string(given.job_id), given.job_version);
        if (!found) {
            auto why = refused_job(std::move(found).error(), given, "");
            is_disabled = why.code == errc::job_disabled;
            if (!is_disabled && (errors.empty() || why.fields.empty())) co_return rq.refuse(why);
            if (!is_disabled) errors.add(why.fields[0].field, (*body)->if_contains(why.fields[0].field), why.fields[0].message);
        } else {
            job = std::move(*found);
        }
    }
    if (!errors.empty()) co_return rq.refuse(std::move(errors).take("The submission"));
    if (is_disabled || (given.job_version == 0 && !job->enabled)) {
        auto before = co_await replay_of(scope_of(rq), key, key_request_of(given));
        if (before.empty()) co_return rq.refuse(refused_job(disabled_job(given.job_id), given, ""));
        co_return co_await answer_one(rq, before.front(), wait);
    }

    runtime::submit_request request;
    request.tenant = rq.caller.tenant;
    request.submitter = rq.caller.name;
    fill(request.items.emplace_back(), given, std::move(job), key, rq.trace_parent);
    const auto answers = co_await rq.app.instance.submit(std::move(request));
    if (!answers) co_return rq.refuse(answers.error());

    co_return co_await answer_one(rq, answers->front(), wait);
}

// POST /v1/executions/batch: 201, 200, 400, 409, 422, 429, 503. All or none.
runtime::awaitable<response> submit_batch(request_context& rq)
{
    query_reader query(rq.rq.query());
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto body = rq.body();
    if (!body) co_return rq.refuse(body.error());
    batch given;
    read_batch(**body, given.errors, given.items);
    refuse_nul(**body, rq.rq.body(), given.errors);
    given.key = header_key(rq.rq, given.errors);

    auto request = prepare_at_once(scope_of(rq), given);
    if (!request) {
        auto prepared = co_await prepare(scope_of(rq), given);
        if (!prepared) co_return rq.refuse(prepared.error());
        if (!prepared->replayed.empty()) co_return answer_batch(rq, prepared->replayed);
        request = std::move(prepared->request);
    }
    const auto answers = co_await rq.app.instance.submit(std::move(*request));
    if (!answers) co_return rq.refuse(as_error_of_batch(answers.error(), !given.key.empty()));
    co_return answer_batch(rq, *answers);
}

}
