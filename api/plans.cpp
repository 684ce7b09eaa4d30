#include "api/job_body.hpp"
#include "api/read_answers.hpp"
#include "api/routes.hpp"
#include "runtime/plan/plan_runs.hpp"
#include "storage/plan_store.hpp"

#include <boost/json/string.hpp>
#include <charconv>
#include <fmt/format.h>

namespace rowlock::api {

namespace json = boost::json;

namespace {

using found_plan = result<std::optional<storage::plan_document>>;

error no_plan(std::string_view plan_id)
{
    return not_found(fmt::format("There is no plan {}.", plan_id));
}

result<std::string> only_plan_id(const request_context& rq)
{
    query_reader query(rq.rq.query());
    if (auto refused = query.finish(); !refused) return std::move(refused).error();
    return rq.slug_of("plan_id");
}

// A number from 1, as a path has it.
std::optional<int> version_in(std::string_view text)
{
    int version = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), version);
    if (ec != std::errc() || end != text.data() + text.size() || version < 1) return std::nullopt;
    return version;
}

response show_plan(request_context& rq, const storage::plan_document& plan)
{
    const auto known = rq.rq.header("If-None-Match");
    auto answer = rq.reply(known && (*known == "*" || known->find(plan.etag) != std::string_view::npos) ? 304 : 200);
    answer.add_header("ETag", plan.etag);
    if (answer.status == 200) answer.body.append(plan.json);
    return answer;
}

// What a refused body says of it is told by whoever reads the whole of it.
std::string reason_in(const json::object& body)
{
    const auto* given = body.if_contains("reason");
    const auto* text = given ? given->if_string() : nullptr;
    return text ? std::string(text->data(), text->size()) : std::string();
}

// `before`: the current version's document; "": there is none.
response rehearsed(request_context& rq, const storage::put_plan_answer& would, std::string_view before, std::string_view after)
{
    auto answer = rq.reply(200);
    fmt::format_to(std::back_inserter(answer.body), R"({{"dry_run":true,"created":{},"changed":{},"version":{},"diff":)", would.created, would.changed, would.version);
    append_diff(answer.body, before, after);
    answer.body.append(",\"plan\":").append(would.plan_json).push_back('}');
    return answer;
}

}

// PUT /v1/plans/{plan_id}: 201 where the plan is new, 200, 400, 404, 412, 422. ?dry_run=true: 200 with what would change.
runtime::awaitable<response> put_plan(request_context& rq)
{
    query_reader query(rq.rq.query());
    const bool dry_run = query.flag("dry_run");
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto plan_id = rq.slug_of("plan_id");
    if (!plan_id) co_return rq.refuse(plan_id.error());
    const auto body = rq.body();
    if (!body) co_return rq.refuse(body.error());

    std::string before;
    std::string after;
    if (dry_run) {
        const auto parsed = parse_plan(**body, *plan_id, rq.app.instance.jobs().defaults());
        if (parsed) append_text(after, parsed->document);
        const auto tenant = rq.caller.tenant;
        const auto current = co_await rq.app.instance.db().read([tenant, plan_id = *plan_id](storage::session& s) -> result<std::optional<storage::stored_plan>> {
            return storage::find_plan(s, tenant, plan_id, 0);
        });
        if (!current) co_return rq.refuse(current.error());
        if (*current) before = (*current)->definition;
    }
    json::object copy(**body, json::storage_ptr());
    std::string if_match(rq.rq.header("If-Match").value_or(""));
    const auto stored = co_await rq.app.instance.plans().put(rq.caller, *plan_id, std::move(copy), reason_in(**body), std::move(if_match), dry_run);
    if (!stored) co_return rq.refuse(stored.error());
    if (dry_run) co_return rehearsed(rq, *stored, before, after);
    auto answer = rq.reply(stored->created ? 201 : 200);
    answer.add_header("ETag", stored->etag);
    if (stored->created) answer.add_header("Location", "/v1/plans/" + *plan_id);
    answer.body.append(stored->plan_json);
    co_return answer;
}

// GET /v1/plans: 200, 422. By plan_id.
runtime::awaitable<response> list_plans(request_context& rq)
{
    query_reader query(rq.rq.query());
    const int limit = query.limit();
    const std::string cursor = query.name_cursor();
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, limit, cursor](storage::session& s) -> result<storage::page> {
        return storage::list_plans_json(s, tenant, limit, cursor);
    });
    co_return show(rq, found);
}

// GET /v1/plans/{plan_id}: 200 with ETag, 304, 404.
runtime::awaitable<response> get_plan(request_context& rq)
{
    const auto plan_id = only_plan_id(rq);
    if (!plan_id) co_return rq.refuse(plan_id.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, plan_id = *plan_id](storage::session& s) -> found_plan { return storage::find_plan_json(s, tenant, plan_id); });
    if (!found) co_return rq.refuse(found.error());
    if (!*found) co_return rq.refuse(no_plan(*plan_id));
    co_return show_plan(rq, **found);
}

// GET /v1/plans/{plan_id}/versions: 200, 404, 422. Newest first.
runtime::awaitable<response> list_plan_versions(request_context& rq)
{
    query_reader query(rq.rq.query());
    const int limit = query.limit();
    const std::string cursor = query.version_cursor();
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto plan_id = rq.slug_of("plan_id");
    if (!plan_id) co_return rq.refuse(plan_id.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, plan_id = *plan_id, limit, cursor](storage::session& s) -> result<storage::page> {
        return storage::list_plan_versions_json(s, tenant, plan_id, limit, cursor);
    });
    co_return show_versions(rq, found, cursor, no_plan(*plan_id));
}

// GET /v1/plans/{plan_id}/versions/{version}: 200 with ETag, 304, 404. A version never changes.
runtime::awaitable<response> get_plan_version(request_context& rq)
{
    const auto plan_id = only_plan_id(rq);
    if (!plan_id) co_return rq.refuse(plan_id.error());
    const error missing = not_found(fmt::format("The plan {} has no version {}.", *plan_id, rq.path["version"]));
    const auto version = version_in(rq.path["version"]);
    if (!version) co_return rq.refuse(missing);
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, plan_id = *plan_id, version = *version](storage::session& s) -> found_text {
        return storage::find_plan_version_json(s, tenant, plan_id, version);
    });
    if (!found) co_return rq.refuse(found.error());
    if (!*found) co_return rq.refuse(missing);
    co_return show_plan(rq, {**found, fmt::format("\"{}\"", *version)});
}

}
