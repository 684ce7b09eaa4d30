#include "api/execution_answer.hpp"
#include "api/failure_filters.hpp"
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
    const auto found = co_await rq.app.instance.db().read([tenant, filter, limit, cursor](storage::session& s) -> result<std::optional<storage::page>> {
        return storage::list_errors_json(s, tenant, filter, limit, cursor);
    });
    if (!found) co_return rq.refuse(found.error());
    if (!*found) {
        query.refuse("cursor", cursor, "is not a cursor of this list");
        co_return rq.refuse(query.finish().error());
    }
    auto answer = rq.reply(200);
    append_page(answer.body, (*found)->items, (*found)->next);
    co_return answer;
}

// GET /v1/errors/{id}: 200, 404, 422.
runtime::awaitable<response> get_error(request_context& rq)
{
    const auto id = rq.bare_id("id");
    if (!id) co_return rq.refuse(id.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, id = *id](storage::session& s) -> result<std::optional<std::string>> {
        return storage::find_error_json(s, tenant, id);
    });
    if (!found) co_return rq.refuse(found.error());
    if (!*found) co_return rq.refuse(no_error(*id));
    auto answer = rq.reply(200);
    answer.body.append(**found);
    co_return answer;
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
    int purged = 0;
    bool through = false;
    while (!through && purged < limit && !rq.should_give_up()) {
        const int most = std::min(most_in_a_transaction, limit - purged);
        const auto gone = co_await rq.app.instance.db().write([tenant, filter, most](storage::session& s) -> result<int> { return storage::purge_errors(s, tenant, filter, most); });
        if (!gone) co_return rq.refuse(gone.error());
        purged += *gone;
        through = *gone < most;
    }
    const auto remaining = co_await rq.app.instance.db().read([tenant, filter](storage::session& s) -> result<std::int64_t> {
        return storage::count_errors(s, tenant, filter);
    });
    if (!remaining) co_return rq.refuse(remaining.error());
    auto answer = rq.reply(200);
    append_purged(answer.body, purged, *remaining);
    co_return answer;
}

}
