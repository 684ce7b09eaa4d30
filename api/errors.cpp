#include "api/execution_answer.hpp"
#include "api/failure_filters.hpp"
#include "api/read_answers.hpp"
#include "api/routes.hpp"

#include <fmt/format.h>

namespace rowlock::api {

namespace {

error no_error(execution_id id)
{
    return not_found(fmt::format("There is no error {}.", id.str()));
}

}

// GET /v1/errors: 200, 422.
runtime::awaitable<response> list_errors(request_context& rq)
{
    query_reader query(rq.rq.query());
    const auto filter = read_error_filter(query);
    const int limit = query.limit();
    const std::string cursor = query.cursor();
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, filter, limit, cursor](storage::session& s) -> found_page {
        return storage::list_errors_json(s, tenant, filter, limit, cursor);
    });
    co_return show(rq, query, cursor, found);
}

// GET /v1/errors/{id}: 200, 404, 422.
runtime::awaitable<response> get_error(request_context& rq)
{
    const auto id = rq.bare_id("id");
    if (!id) co_return rq.refuse(id.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, id = *id](storage::session& s) -> found_text {
        return storage::find_error_json(s, tenant, id);
    });
    co_return show(rq, found, no_error(*id));
}

// POST /v1/errors/{id}/retry: 201 with the next attempt of the run that had it, 404, 409, 422.
runtime::awaitable<response> retry_error(request_context& rq)
{
    const auto id = rq.bare_id("id");
    if (!id) co_return rq.refuse(id.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, id = *id](storage::session& s) -> result<std::optional<std::optional<execution_id>>> {
        return storage::find_execution_of_error(s, tenant, id);
    });
    if (!found) co_return rq.refuse(found.error());
    if (!*found) co_return rq.refuse(no_error(*id));
    if (!**found) co_return rq.refuse({errc::not_retryable, fmt::format("The error {} belongs to no execution: there is nothing to retry. Its hint says what to correct.", id->str())});
    const auto next = co_await rq.app.instance.retry(rq.caller, ***found);
    if (!next) co_return rq.refuse(next.error());
    co_return co_await answer_execution(rq, 201, *next);
}

// DELETE /v1/errors/{id}: 204, 404, 422.
runtime::awaitable<response> delete_error(request_context& rq)
{
    const auto id = rq.bare_id("id");
    if (!id) co_return rq.refuse(id.error());
    const auto tenant = rq.caller.tenant;
    const auto gone = co_await rq.app.instance.db().write([tenant, id = *id](storage::session& s) -> result<bool> { return storage::delete_error(s, tenant, id); });
    if (!gone) co_return rq.refuse(gone.error());
    if (!*gone) co_return rq.refuse(no_error(*id));
    co_return rq.reply(204);
}

// DELETE /v1/errors: 200, 422. In batches, each a transaction of its own.
runtime::awaitable<response> purge_errors(request_context& rq)
{
    query_reader query(rq.rq.query());
    const auto filter = read_error_filter(query);
    const int limit = purge_limit(query);
    refuse_to_purge_all(query, filter.empty());
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto tenant = rq.caller.tenant;
    co_return co_await purge(
        rq, limit, [tenant, filter](storage::session& s, int most) { return storage::purge_errors(s, tenant, filter, most); },
        [tenant, filter](storage::session& s) { return storage::count_errors(s, tenant, filter); });
}

}
