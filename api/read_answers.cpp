#include "api/read_answers.hpp"

#include "api/failure_filters.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace rowlock::api {

response show(request_context& rq, const found_text& found, const error& missing)
{
    if (!found) return rq.refuse(found.error());
    if (!*found) return rq.refuse(missing);
    auto answer = rq.reply(200);
    answer.body.append(**found);
    return answer;
}

response show(request_context& rq, query_reader& query, const std::string& cursor, const found_page& found)
{
    if (!found) return rq.refuse(found.error());
    if (!*found) {
        query.refuse("cursor", cursor, "is not a cursor of this list");
        return rq.refuse(query.finish().error());
    }
    return show(rq, result<storage::page>(**found));
}

response show(request_context& rq, const result<storage::page>& found)
{
    if (!found) return rq.refuse(found.error());
    auto answer = rq.reply(200);
    append_page(answer.body, found->items, found->next);
    return answer;
}

runtime::awaitable<response> show_by_name(request_context& rq, list_by_name list)
{
    query_reader query(rq.rq.query());
    const int limit = query.limit();
    const std::string cursor = query.name_cursor();
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([list, tenant, limit, cursor](storage::session& s) -> result<storage::page> { return list(s, tenant, limit, cursor); });
    co_return show(rq, found);
}

response show_versions(request_context& rq, const result<storage::page>& found, const std::string& cursor, const error& missing)
{
    if (found && found->items.empty() && cursor.empty()) return rq.refuse(missing);
    return show(rq, found);
}

runtime::awaitable<response> purge(request_context& rq, int limit, purge_step step, count_rest count)
{
    int purged = 0;
    bool through = false;
    while (!through && purged < limit && !rq.should_give_up()) {
        const int most = std::min(most_in_a_transaction, limit - purged);
        const auto gone = co_await rq.app.instance.db().write([step, most](storage::session& s) -> result<int> { return step(s, most); });
        if (!gone) co_return rq.refuse(gone.error());
        purged += *gone;
        through = *gone < most;
    }
    const auto remaining = co_await rq.app.instance.db().read([count](storage::session& s) -> result<std::int64_t> { return count(s); });
    if (!remaining) co_return rq.refuse(remaining.error());
    auto answer = rq.reply(200);
    answer.body += fmt::format(R"({{"purged":{},"remaining":{}}})", purged, *remaining);
    co_return answer;
}

}
