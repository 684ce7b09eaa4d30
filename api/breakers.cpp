#include "api/read_answers.hpp"
#include "api/routes.hpp"
#include "storage/breaker_store.hpp"

#include <fmt/format.h>

namespace rowlock::api {

namespace {

error no_breaker(std::string_view key)
{
    return not_found(fmt::format("There is no circuit breaker {}: its key is the job_id, or host:port of the target that jobs share.", key));
}

// The key of the path. Errors: not_found, invalid_request.
result<std::string> key_of(const request_context& rq)
{
    query_reader query(rq.rq.query());
    if (auto refused = query.finish(); !refused) return std::move(refused).error();
    const auto key = rq.path["key"];
    if (!is_utf8(key)) return not_found("The key is not UTF-8.");
    return std::string(key);
}

}

// GET /v1/breakers: 200, 422.
runtime::awaitable<response> list_breakers(request_context& rq)
{
    query_reader query(rq.rq.query());
    const int limit = query.limit();
    const std::string cursor = query.cursor();
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, limit, cursor](storage::session& s) -> result<storage::page> {
        return storage::list_breakers_json(s, tenant, limit, cursor);
    });
    co_return show(rq, found);
}

// GET /v1/breakers/{key}: 200, 404, 422.
runtime::awaitable<response> get_breaker(request_context& rq)
{
    const auto key = key_of(rq);
    if (!key) co_return rq.refuse(key.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, key = *key](storage::session& s) -> found_text { return storage::find_breaker_json(s, tenant, key); });
    co_return show(rq, found, no_breaker(*key));
}

// POST /v1/breakers/{key}/reset: 200 with the breaker, which is closed; 404, 422.
runtime::awaitable<response> reset_breaker(request_context& rq)
{
    const auto key = key_of(rq);
    if (!key) co_return rq.refuse(key.error());
    const auto closed = co_await rq.app.instance.reset_breaker(rq.caller, *key);
    if (!closed) co_return rq.refuse(closed.error());
    if (!*closed) co_return rq.refuse(no_breaker(*key));
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, key = *key](storage::session& s) -> found_text { return storage::find_breaker_json(s, tenant, key); });
    co_return show(rq, found, no_breaker(*key));
}

}
