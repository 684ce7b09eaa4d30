#include "api/routes.hpp"
#include "storage/instance_store.hpp"

namespace rowlock::api {

// GET /v1/instances: 200, 422.
runtime::awaitable<response> list_instances(request_context& rq)
{
    query_reader query(rq.rq.query());
    const auto window = query.window();
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto items = co_await rq.app.instance.db().read([](storage::session& s) -> result<std::vector<std::string>> { return storage::list_instances_json(s); });
    if (!items) co_return rq.refuse(items.error());
    auto answer = rq.reply(200);
    append_page(answer.body, *items, window);
    co_return answer;
}

}
