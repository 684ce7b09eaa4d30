#include "api/routes.hpp"
#include "runtime/schedule/preview.hpp"
#include "storage/model/time.hpp"

namespace rowlock::api {

// POST /v1/schedules/preview: 200, 400, 422. It stores nothing, so who may read may ask.
runtime::awaitable<response> preview_schedule(request_context& rq)
{
    const auto body = rq.body();
    if (!body) co_return rq.refuse(body.error());
    auto& instance = rq.app.instance;
    const auto found = runtime::preview(**body, instance.zones(), wall_clock(), instance.jobs().defaults().timezone);
    if (!found) co_return rq.refuse(found.error());
    auto answer = rq.reply(200);
    append_text(answer.body, runtime::to_json(found->fire_times));
    co_return answer;
}

}
