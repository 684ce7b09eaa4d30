#include "api/read_answers.hpp"
#include "api/routes.hpp"
#include "storage/limit_store.hpp"
#include "storage/model/json_fields.hpp"
#include "storage/token_store.hpp"

#include <fmt/format.h>

namespace rowlock::api {

namespace {

constexpr std::size_t longest_key = 128;             // characters; as long as the longest job_type

// The limit that a path names.
struct limit_name {
    limit_kind kind;
    std::string key;
};

// "kind key tenant_id": a job_type may have blanks, and a limit of all tenants names none.
bool is_place(std::string_view cursor)
{
    const auto first = cursor.find(' ');
    const auto last = cursor.rfind(' ');
    if (first == last || !limit_kind_of(cursor.substr(0, first))) return false;
    const auto tenant = cursor.substr(last + 1);
    return tenant.empty() || is_slug(tenant);
}

error no_limit(const limit_name& name)
{
    return not_found(fmt::format("There is no limit {}/{}.", limit_kind_names[static_cast<std::size_t>(name.kind)], name.key));
}

// Errors: not_found.
result<limit_name> name_in(const request_context& rq)
{
    const std::string kind_name(rq.path["kind"]);
    const auto kind = limit_kind_of(kind_name);
    if (!kind) return not_found(fmt::format("There are no limits of the kind {}: it is global, job, job_type, tenant or pool.", kind_name));
    const std::string key(rq.path["key"]);
    switch (*kind) {
    case limit_kind::global:
        if (key != "all") return not_found(fmt::format("There is no global limit {}: its key is all.", key));
        break;
    case limit_kind::job_type:
        if (!is_utf8(key) || key.empty() || count_characters(key) > longest_key) return not_found("A job type is a text of 1 to 128 characters.");
        break;
    case limit_kind::job:
    case limit_kind::tenant:
    case limit_kind::pool:
        if (!is_slug(key)) return not_found(fmt::format("{} is no {}: names are a-z, 0-9, '.', '_', '-', at most 128, and begin with a letter or a digit.", key, kind_name));
        break;
    }
    return limit_name{*kind, key};
}

// Limits on jobs and job types are a matter of their tenant; the others of who is responsible for all tenants. Error forbidden.
result<void> may_set(const request_context& rq, const limit_name& name)
{
    if (rq.caller.all_tenants || name.kind == limit_kind::job || name.kind == limit_kind::job_type) return {};
    return error{errc::forbidden, "Limits that are global, on a pool or on a tenant are set with a token for all tenants. A definition can limit what runs in its own tenant (global_max_concurrent, pool_concurrency_limit)."};
}

// Whose limit it is. On a database thread. A tenant that is new is made where `make`; else there may be none.
std::optional<tenant_key> owner_of(storage::session& s, const limit_name& name, tenant_key caller, bool make)
{
    switch (name.kind) {
    case limit_kind::global:
    case limit_kind::pool: return storage::no_tenant;
    case limit_kind::job:
    case limit_kind::job_type: return caller;
    case limit_kind::tenant: return make ? storage::make_tenant(s, name.key) : storage::find_tenant(s, name.key);
    }
    return std::nullopt;
}

result<void> bare_query(const request_context& rq)
{
    query_reader query(rq.rq.query());
    return query.finish();
}

}

// GET /v1/limits: 200, 422.
runtime::awaitable<response> list_limits(request_context& rq)
{
    query_reader query(rq.rq.query());
    const int limit = query.limit();
    const std::string cursor = query.cursor_like(is_place);
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto found = co_await rq.app.instance.db().read([tenant = rq.caller.tenant, all = rq.caller.all_tenants, limit, cursor](storage::session& s) -> result<storage::page> {
        return storage::list_limits_json(s, tenant, all, limit, cursor);
    });
    co_return show(rq, found);
}

// GET /v1/limits/{kind}/{key}: 200, 404, 422.
runtime::awaitable<response> get_limit(request_context& rq)
{
    if (auto refused = bare_query(rq); !refused) co_return rq.refuse(refused.error());
    const auto name = name_in(rq);
    if (!name) co_return rq.refuse(name.error());
    // Another tenant's limit is not there.
    const bool hidden = name->kind == limit_kind::tenant && !rq.caller.all_tenants && name->key != rq.caller.tenant_id;
    const auto found = co_await rq.app.instance.db().read([tenant = rq.caller.tenant, name = *name, hidden](storage::session& s) -> found_text {
        const auto of = hidden ? std::nullopt : owner_of(s, name, tenant, false);
        auto limit = of ? storage::find_limit_json(s, name.kind, *of, name.key) : std::nullopt;
        // Definitions limit pools, and everything, in their tenant alone.
        if (!limit && of == storage::no_tenant) limit = storage::find_limit_json(s, name.kind, tenant, name.key);
        return limit;
    });
    co_return show(rq, found, no_limit(*name));
}

// PUT /v1/limits/{kind}/{key}: 200 with the limit, in force; 400, 403, 404, 422.
runtime::awaitable<response> put_limit(request_context& rq)
{
    if (auto refused = bare_query(rq); !refused) co_return rq.refuse(refused.error());
    const auto name = name_in(rq);
    if (!name) co_return rq.refuse(name.error());
    if (auto allowed = may_set(rq, *name); !allowed) co_return rq.refuse(allowed.error());
    const auto body = rq.body();
    if (!body) co_return rq.refuse(body.error());
    const auto limit = parse_limit(**body, name->kind);
    if (!limit) co_return rq.refuse(limit.error());
    const auto found = co_await rq.app.instance.change_limit([tenant = rq.caller.tenant, name = *name, limit = *limit, actor = rq.caller.name](storage::session& s) -> found_text {
        const auto of = *owner_of(s, name, tenant, true);
        storage::put_limit(s, name.kind, of, name.key, limit, actor);
        return storage::find_limit_json(s, name.kind, of, name.key);
    });
    co_return show(rq, found, no_limit(*name));
}

// DELETE /v1/limits/{kind}/{key}: 204, 403, 404, 422. What definitions ask for stays.
runtime::awaitable<response> delete_limit(request_context& rq)
{
    if (auto refused = bare_query(rq); !refused) co_return rq.refuse(refused.error());
    const auto name = name_in(rq);
    if (!name) co_return rq.refuse(name.error());
    if (auto allowed = may_set(rq, *name); !allowed) co_return rq.refuse(allowed.error());
    const auto found = co_await rq.app.instance.change_limit([tenant = rq.caller.tenant, name = *name, actor = rq.caller.name](storage::session& s) -> found_text {
        const auto of = owner_of(s, name, tenant, false);
        if (!of || !storage::delete_limit(s, name.kind, *of, name.key, actor)) return std::nullopt;
        return "removed";
    });
    if (!found) co_return rq.refuse(found.error());
    if (!*found) co_return rq.refuse(not_found(fmt::format("Nobody has put a limit {}/{}. What a definition asks for goes with the definition.", limit_kind_names[static_cast<std::size_t>(name->kind)], name->key)));
    co_return rq.reply(204);
}

}
