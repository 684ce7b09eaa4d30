#include "api/read_answers.hpp"
#include "api/routes.hpp"
#include "storage/model/json_fields.hpp"
#include "storage/tenant_store.hpp"

#include <fmt/format.h>

namespace rowlock::api {

namespace {

constexpr std::int64_t largest_weight = 1000;
constexpr text_bounds reason_bounds{0, 10'000};

error no_tenant_named(const std::string& tenant_id) { return not_found(fmt::format("There is no tenant {}.", tenant_id)); }

// Of the path. Errors: not_found, also for a tenant that the caller does not see.
result<std::string> tenant_in(const request_context& rq)
{
    auto tenant_id = rq.bare_slug("tenant_id");
    if (tenant_id && !rq.caller.all_tenants && *tenant_id != rq.caller.tenant_id) return no_tenant_named(*tenant_id);
    return tenant_id;
}

}

// GET /v1/tenants: 200, 422.
runtime::awaitable<response> list_tenants(request_context& rq)
{
    query_reader query(rq.rq.query());
    const int limit = query.limit();
    const std::string cursor = query.name_cursor();
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const std::string only = rq.caller.all_tenants ? "" : rq.caller.tenant_id;
    const auto found = co_await rq.app.instance.db().read([limit, cursor, only](storage::session& s) -> result<storage::page> {
        return storage::list_tenants_json(s, only, limit, cursor);
    });
    co_return show(rq, found);
}

// GET /v1/tenants/{tenant_id}: 200, 404, 422.
runtime::awaitable<response> get_tenant(request_context& rq)
{
    const auto tenant_id = tenant_in(rq);
    if (!tenant_id) co_return rq.refuse(tenant_id.error());
    const auto found = co_await rq.app.instance.db().read([tenant_id = *tenant_id](storage::session& s) -> found_text { return storage::find_tenant_json(s, tenant_id); });
    co_return show(rq, found, no_tenant_named(*tenant_id));
}

// PUT /v1/tenants/{tenant_id}: 200 with the tenant, which is made where it is new; 400, 403, 404, 422. A new weight holds from the next look of each instance at what waits.
runtime::awaitable<response> put_tenant(request_context& rq)
{
    const auto tenant_id = tenant_in(rq);
    if (!tenant_id) co_return rq.refuse(tenant_id.error());
    if (!rq.caller.all_tenants) co_return rq.refuse({errc::forbidden, "What share a tenant has is set with a token for all tenants."});
    const auto body = rq.body();
    if (!body) co_return rq.refuse(body.error());
    field_errors errors;
    boost::json::object accepted;
    json_fields fields(**body, "", errors, accepted);
    const auto weight = fields.integer("weight", 1, largest_weight);
    const auto reason = fields.text("reason", reason_bounds).value_or("");
    fields.refuse_rest();
    if (!errors.empty()) co_return rq.refuse(std::move(errors).take("The tenant"));
    const auto found = co_await rq.app.instance.db().write([tenant_id = *tenant_id, weight, reason, actor = rq.caller.name](storage::session& s) -> found_text {
        storage::put_tenant(s, tenant_id, weight ? std::optional(static_cast<int>(*weight)) : std::nullopt, actor, reason);
        return storage::find_tenant_json(s, tenant_id);
    });
    co_return show(rq, found, no_tenant_named(*tenant_id));
}

}
