#include "api/routes.hpp"
#include "storage/instance_store.hpp"

namespace rowlock::api {

// GET /v1/instances: 200.
runtime::awaitable<response> list_instances(request_context& rq)
{
    query_reader query(rq.rq.query());
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto items = co_await rq.app.instance.db().read([](storage::session& s) -> result<std::vector<std::string>> { return storage::list_instances_json(s); });
    if (!items) co_return rq.refuse(items.error());
    auto answer = rq.reply(200);
    append_page(answer.body, *items, {});
    co_return answer;
}

}
