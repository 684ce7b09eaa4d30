#include "api/apply_body.hpp"
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

// What is no text is refused by whoever reads the whole of it.
std::string reason_in(const json::object& body)
{
    const auto* given = body.if_contains("reason");
    const auto* text = given ? given->if_string() : nullptr;
    return text ? std::string(text->data(), text->size()) : std::string();
}

result<runtime::plan_to_store> read_plan(const json::object& body, std::string_view path_id, const definition_defaults& defaults)
{
    auto plan = parse_plan(body, path_id, defaults);
    if (!plan) return std::move(plan).error();
    return runtime::plan_to_store{std::move(*plan), reason_in(body), {}};
}

response rehearsed(request_context& rq, const storage::put_plan_answer& would)
{
    auto answer = rq.reply(200);
    fmt::format_to(std::back_inserter(answer.body), R"({{"dry_run":true,"created":{},"changed":{},"version":{},"diff":)", would.created, would.changed, would.version);
    append_diff(answer.body, would.before, would.after);
    answer.body.append(",\"plan\":").append(would.plan_json).push_back('}');
    return answer;
}

// ---- apply

struct plans_to_apply {
    std::vector<runtime::plan_to_store> plans;
    bool dry_run = false;
};

result<plans_to_apply> read_plans(const json::object& body, const definition_defaults& defaults)
{
    field_errors errors;
    const auto given = read_apply(body, "plans", errors);
    plans_to_apply out{{}, given.dry_run};
    ids_given ids("plans", "plan_id", errors);
    for (std::size_t i = 0; given.items && i < given.items->size(); ++i) {
        const auto place = path_of("plans", i);
        const auto* one = (*given.items)[i].if_object();
        if (!one) {
            errors.add(place, &(*given.items)[i], "must be an object: a plan");
            continue;
        }
        auto plan = read_plan(*one, "", defaults);
        if (!plan) {
            errors.add_all(plan.error(), place);
            continue;
        }
        const auto& id = plan->plan.plan_id;
        if (id.empty()) errors.add_missing(path_of(place, "plan_id"));
        else ids.add(i, id);
        if (plan->reason.empty()) plan->reason = given.reason;
        out.plans.push_back(std::move(*plan));
    }
    if (errors.empty()) return out;
    return std::move(errors).take("What is to be applied");
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
    const auto body = co_await rq.large_body();
    if (!body) co_return rq.refuse(body.error());
    const auto& defaults = rq.app.instance.jobs().defaults();
    auto given = co_await rq.app.instance.db().compute(rq.has_large_body(), [&body = **body, &id = *plan_id, &defaults] { return read_plan(body, id, defaults); });
    if (!given) co_return rq.refuse(given.error());
    given->if_match = std::string(rq.rq.header("If-Match").value_or(""));
    const auto stored = co_await rq.app.instance.plans().put(rq.caller, std::move(*given), dry_run);
    if (!stored) co_return rq.refuse(stored.error());
    if (dry_run) co_return rehearsed(rq, *stored);
    auto answer = rq.reply(stored->created ? 201 : 200);
    answer.add_header("ETag", stored->etag);
    if (stored->created) answer.add_header("Location", "/v1/plans/" + *plan_id);
    answer.body.append(stored->plan_json);
    co_return answer;
}

// POST /v1/plans/apply: 200 with what has become of each plan, or, with dry_run, would; 400, 422. All or none.
runtime::awaitable<response> apply_plans(request_context& rq)
{
    query_reader query(rq.rq.query());
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto body = co_await rq.large_body();
    if (!body) co_return rq.refuse(body.error());
    const auto& defaults = rq.app.instance.jobs().defaults();
    auto given = co_await rq.app.instance.db().compute(rq.has_large_body(), [&body = **body, &defaults] { return read_plans(body, defaults); });
    if (!given) co_return rq.refuse(given.error());
    std::vector<std::string> ids;
    for (const auto& one : given->plans) ids.push_back(one.plan.plan_id);
    const auto stored = co_await rq.app.instance.plans().put_all(rq.caller, std::move(given->plans), given->dry_run);
    if (!stored) co_return rq.refuse(stored.error());
    auto answer = rq.reply(200);
    fmt::format_to(std::back_inserter(answer.body), R"({{"dry_run":{},"plans":[)", given->dry_run);
    for (std::size_t i = 0; i < stored->size(); ++i) {
        const auto& made = (*stored)[i];
        fmt::format_to(std::back_inserter(answer.body), R"({}{{"plan_id":"{}","outcome":"{}","version":{},"etag":)", i > 0 ? "," : "", ids[i],
                       applied_outcome(made.created, made.changed), made.version);
        append_string(answer.body, made.etag);
        answer.body.append(",\"diff\":");
        append_diff(answer.body, made.before, made.after);
        answer.body.push_back('}');
    }
    answer.body.append("]}");
    co_return answer;
}

// GET /v1/plans: 200, 422. By plan_id.
runtime::awaitable<response> list_plans(request_context& rq)
{
    co_return co_await show_by_name(rq, &storage::list_plans_json);
}

// GET /v1/plans/{plan_id}: 200 with ETag, 304, 404.
runtime::awaitable<response> get_plan(request_context& rq)
{
    const auto plan_id = rq.bare_slug("plan_id");
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
    const auto plan_id = rq.bare_slug("plan_id");
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
