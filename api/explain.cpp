#include "api/read_answers.hpp"
#include "api/routes.hpp"
#include "runtime/execute/retry.hpp"
#include "storage/explain_store.hpp"
#include "storage/failure_store.hpp"
#include "storage/token_store.hpp"

#include <fmt/format.h>

namespace rowlock::api {

namespace {

namespace json = boost::json;

std::string text_member(const json::object& from, std::string_view name)
{
    const auto* found = from.if_contains(name);
    const auto* text = found ? found->if_string() : nullptr;
    return text ? std::string(text->data(), text->size()) : std::string();
}

std::optional<int> integer_member(const json::object& from, std::string_view name)
{
    const auto* found = from.if_contains(name);
    const auto* number = found ? found->if_int64() : nullptr;
    if (!number) return std::nullopt;
    return static_cast<int>(*number);
}

// The end of an attempt that failed, and that the rules of its job decided about. What waited too long was never tried.
std::optional<outcome> failure_in(const json::object& told)
{
    const auto* why = told.if_contains("why");
    const auto* end = why ? why->if_object() : nullptr;
    if (!end) return std::nullopt;
    outcome ended;
    const auto status = text_member(told, "status");
    if (status == "FAILED") ended.status = execution_status::failed;
    else if (status == "TIMEOUT") ended.status = execution_status::timeout;
    else return std::nullopt;
    const auto* next = end->if_contains("next_execution_id");
    ended.error_code = text_member(*end, "error_code");
    if ((next && next->is_string()) || ended.error_code == "EXPIRED") return std::nullopt;
    ended.error_message = text_member(*end, "error_message");
    ended.exit_code = integer_member(*end, "exit_code");
    return ended;
}

// Says in `why` which rule of the retry policy ended the run: the decision that was made then, made again from what was kept of it.
void add_retry_rule(json::object& why, const job_definition& definition, const outcome& ended)
{
    const auto attempt = integer_member(why, "attempt_number").value_or(1);
    const auto decision = runtime::decide_retry(definition.retry, attempt, integer_member(why, "lost_attempts").value_or(0), definition.idempotent, ended, 0);
    if (!decision.again) why["not_retried_because"] = std::string(decision.why);
}

runtime::awaitable<result<std::string>> with_retry_rule(request_context& rq, execution_id id, std::string told)
{
    auto parsed = parse_json(told);
    auto* object = parsed ? parsed->if_object() : nullptr;
    const auto ended = object ? failure_in(*object) : std::nullopt;
    if (!ended) co_return told;
    const auto tenant = rq.caller.tenant;
    const auto job = co_await rq.app.instance.db().read([tenant, id](storage::session& s) -> result<std::optional<storage::job_of_execution>> {
        return storage::find_job_of(s, tenant, id);
    });
    if (!job) co_return job.error();
    if (!*job) co_return told;
    const auto version = co_await rq.app.instance.jobs().load((*job)->job, (*job)->version);
    if (!version) co_return version.error();
    add_retry_rule(object->at("why").as_object(), (*version)->definition, *ended);
    std::string text;
    append_text(text, *object);
    co_return text;
}

}

// GET /v1/executions/{id}/explain: 200, 404, 422.
runtime::awaitable<response> explain_execution(request_context& rq)
{
    const auto id = rq.bare_id("id");
    if (!id) co_return rq.refuse(id.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, id = *id](storage::session& s) -> found_text { return storage::explain_json(s, tenant, id); });
    if (!found) co_return rq.refuse(found.error());
    if (!*found) co_return rq.refuse(not_found(fmt::format("There is no execution {}.", id->str())));
    const auto told = co_await with_retry_rule(rq, *id, **found);
    if (!told) co_return rq.refuse(told.error());
    auto answer = rq.reply(200);
    answer.body.append(*told);
    co_return answer;
}

// GET /v1/explain: of a job, of a tenant, or of all that the caller may see; 200, 404, 422.
runtime::awaitable<response> explain_scope(request_context& rq)
{
    query_reader query(rq.rq.query());
    const auto job_id = query.text("job_id", 128);
    const auto tenant_id = query.text("tenant_id", 128);
    if (job_id && !is_slug(*job_id)) query.refuse("job_id", *job_id, "is not the id of a job: 1 to 128 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit");
    if (tenant_id && !is_slug(*tenant_id)) query.refuse("tenant_id", *tenant_id, "is not the id of a tenant: 1 to 128 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit");
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const error missing = not_found(job_id ? fmt::format("There is no job {}.", *job_id) : fmt::format("There is no tenant {}.", tenant_id.value_or(rq.caller.tenant_id)));
    // Another tenant is not there for a caller who is bound to one.
    const bool names_own = !tenant_id || *tenant_id == rq.caller.tenant_id;
    if (!names_own && !rq.caller.all_tenants) co_return rq.refuse(not_found(fmt::format("There is no tenant {}.", *tenant_id)));
    const bool of_all = rq.caller.all_tenants && !job_id && !tenant_id;
    const auto found = co_await rq.app.instance.db().read([own = rq.caller.tenant, other = names_own ? "" : *tenant_id, of_all, job = job_id.value_or("")](storage::session& s) -> found_text {
        std::optional<tenant_key> tenant;
        if (!of_all) {
            tenant = other.empty() ? own : storage::find_tenant(s, other);
            if (!tenant) return std::nullopt;
        }
        return storage::explain_scope_json(s, tenant, job);
    });
    co_return show(rq, found, missing);
}

}
