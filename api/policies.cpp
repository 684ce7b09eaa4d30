#include "api/read_answers.hpp"
#include "api/routes.hpp"
#include "runtime/policy/policy_book.hpp"
#include "storage/limit_store.hpp"
#include "storage/policy_store.hpp"

#include <fmt/format.h>

namespace rowlock::api {

namespace {

constexpr std::size_t longest_reason = 10'000;

error no_policy(const std::string& policy_id)
{
    return not_found(fmt::format("There is no policy {}.", policy_id));
}

// "policy_id owner": of whom is a number.
bool is_place(std::string_view cursor)
{
    const auto space = cursor.find(' ');
    if (space == std::string_view::npos || !is_slug(cursor.substr(0, space))) return false;
    const auto owner = cursor.substr(space + 1);
    return !owner.empty() && owner.size() <= 10 && owner.find_first_not_of("0123456789") == std::string_view::npos;
}

storage::policy_reader reader_of(const request_context& rq)
{
    return {rq.caller.tenant, rq.caller.all_tenants};
}

// A policy for all tenants, or on one, that was made with a token for all tenants is a matter of those; a tenant makes its own beside it. Error forbidden.
result<void> may_put(const request_context& rq, const policy& p)
{
    if (rq.caller.all_tenants || p.scope == policy_scope::job || p.scope == policy_scope::job_type || p.scope == policy_scope::plan) return {};
    if (p.scope == policy_scope::tenant && p.key == rq.caller.tenant_id) return {};
    return error{errc::forbidden, fmt::format("This token writes policies of its own tenant: give the scope {{\"kind\": \"tenant\", \"key\": \"{}\"}}, a job, a job_type or a plan. Those of others, and of all, need a token for all tenants.", rq.caller.tenant_id)};
}

bool is_for_all(const principal& caller, const policy& p)
{
    return caller.all_tenants && (p.scope == policy_scope::global || p.scope == policy_scope::tenant);
}

error taken_name(const std::string& policy_id)
{
    return {errc::invalid_request,
            fmt::format("The name {} is taken.", policy_id),
            {{"policy_id", fmt::format("\"{}\"", policy_id), "is the name of a policy that was made for all tenants; choose another name"}}};
}

error too_many()
{
    return {errc::invalid_request, fmt::format("There are {} policies already, and there can be no more: delete those that nobody needs.", storage::most_policies)};
}

struct stored_policy {
    storage::put_outcome outcome;
    std::string json;
};

// On a database thread.
result<stored_policy> store(storage::session& s, const principal& caller, const std::string& policy_id, const policy& p)
{
    const auto owner = is_for_all(caller, p) ? storage::no_tenant : caller.tenant;
    const auto subject = p.scope == policy_scope::global ? std::optional(storage::no_tenant) : p.scope == policy_scope::tenant ? std::nullopt : std::optional(caller.tenant);
    const auto outcome = storage::put_policy(s, owner, subject, policy_id, p, caller.name, {caller.tenant, caller.all_tenants});
    if (outcome == storage::put_outcome::full) return too_many();
    if (outcome == storage::put_outcome::taken) return taken_name(policy_id);
    auto json = storage::find_owned_policy_json(s, owner, policy_id);
    if (!json) return no_policy(policy_id);          // somebody has deleted it just now
    return stored_policy{outcome, std::move(*json)};
}

}

// GET /v1/policies: 200, 422.
runtime::awaitable<response> list_policies(request_context& rq)
{
    query_reader query(rq.rq.query());
    const int limit = query.limit();
    const std::string cursor = query.cursor_like(is_place);
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto found = co_await rq.app.instance.db().read([who = reader_of(rq), limit, cursor](storage::session& s) -> result<storage::page> {
        return storage::list_policies_json(s, who, limit, cursor);
    });
    co_return show(rq, found);
}

// GET /v1/policies/{policy_id}: 200, 404, 422.
runtime::awaitable<response> get_policy(request_context& rq)
{
    const auto policy_id = rq.bare_slug("policy_id");
    if (!policy_id) co_return rq.refuse(policy_id.error());
    const auto found = co_await rq.app.instance.db().read([who = reader_of(rq), policy_id = *policy_id](storage::session& s) -> found_text {
        return storage::find_policy_json(s, who, policy_id);
    });
    co_return show(rq, found, no_policy(*policy_id));
}

// PUT /v1/policies/{policy_id}: 201 where it is new, 200, 400, 403, 404, 422. It holds here at once, and everywhere within a second.
runtime::awaitable<response> put_policy(request_context& rq)
{
    const auto policy_id = rq.bare_slug("policy_id");
    if (!policy_id) co_return rq.refuse(policy_id.error());
    const auto body = rq.body();
    if (!body) co_return rq.refuse(body.error());
    const auto given = parse_policy(**body);
    if (!given) co_return rq.refuse(given.error());
    if (auto allowed = may_put(rq, *given); !allowed) co_return rq.refuse(allowed.error());
    auto outcome = std::make_shared<storage::put_outcome>();
    const auto found = co_await rq.app.instance.policies().change([caller = rq.caller, policy_id = *policy_id, given = *given, outcome](storage::session& s) -> found_text {
        auto stored = store(s, caller, policy_id, given);
        if (!stored) return stored.error();
        *outcome = stored->outcome;
        return std::move(stored->json);
    });
    if (!found) co_return rq.refuse(found.error());
    const bool created = *outcome == storage::put_outcome::created;
    auto answer = rq.reply(created ? 201 : 200);
    if (created) answer.add_header("Location", "/v1/policies/" + *policy_id);
    answer.body.append(**found);
    co_return answer;
}

// DELETE /v1/policies/{policy_id}: 204, 403, 404, 422. ?reason= is kept.
runtime::awaitable<response> delete_policy(request_context& rq)
{
    query_reader query(rq.rq.query());
    const std::string reason = query.text("reason", longest_reason).value_or("");
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto policy_id = rq.slug_of("policy_id");
    if (!policy_id) co_return rq.refuse(policy_id.error());
    const auto found = co_await rq.app.instance.policies().change([caller = rq.caller, policy_id = *policy_id, reason](storage::session& s) -> found_text {
        if (caller.all_tenants && storage::delete_policy(s, storage::no_tenant, policy_id, caller.name, reason)) return "removed";
        if (storage::delete_policy(s, caller.tenant, policy_id, caller.name, reason)) return "removed";
        if (!storage::find_policy_json(s, {caller.tenant, false}, policy_id)) return std::nullopt;
        return error{errc::forbidden, fmt::format("The policy {} was made for all tenants: it is deleted with a token for all tenants.", policy_id)};
    });
    if (!found) co_return rq.refuse(found.error());
    if (!*found) co_return rq.refuse(no_policy(*policy_id));
    co_return rq.reply(204);
}

// GET /v1/policy-violations: 200, 422. Newest first.
runtime::awaitable<response> list_policy_violations(request_context& rq)
{
    query_reader query(rq.rq.query());
    storage::violation_filter filter;
    filter.policy_id = query.text("policy_id", 128).value_or("");
    filter.job_id = query.text("job_id", 128).value_or("");
    filter.since = query.time("since");
    const int limit = query.limit();
    const std::string cursor = query.cursor();
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto found = co_await rq.app.instance.db().read([who = reader_of(rq), filter, limit, cursor](storage::session& s) -> found_page {
        return storage::list_policy_violations_json(s, who, filter, limit, cursor);
    });
    co_return show(rq, query, cursor, found);
}

}
