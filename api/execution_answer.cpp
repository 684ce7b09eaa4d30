#include "api/execution_answer.hpp"

#include "storage/execution_store.hpp"

namespace rowlock::api {

runtime::awaitable<response> answer_execution(request_context& rq, int status, execution_id id)
{
    const auto tenant = rq.caller.tenant;
    auto found = co_await rq.app.instance.db().read([tenant, id](storage::session& s) -> result<std::optional<std::string>> {
        return storage::find_execution_json(s, tenant, id);
    });
    auto answer = rq.reply(status);
    if (status == 201) answer.add_header("Location", "/v1/executions/" + id.str());
    if (found && *found) {
        answer.body.append(**found);
    } else {
        answer.body.append("{\"execution_id\":\"").append(id.str()).append("\"}");
    }
    co_return answer;
}

}
