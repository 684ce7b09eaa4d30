#include "api/routes.hpp"
#include "api/submission_body.hpp"
#include "storage/execution_store.hpp"
#include "storage/model/json_fields.hpp"

#include <fmt/format.h>

namespace rowlock::api {

// POST /v1/executions/{id}/cancel: 202 with the execution, 400, 404, 409, 422. No execution has dependents yet, so every cascade
// reaches the same: the execution itself.
runtime::awaitable<response> cancel_execution(request_context& rq)
{
    query_reader query(rq.rq.query());
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto id = rq.id_of("id");
    if (!id) co_return rq.refuse(id.error());
    const auto body = rq.body(true);
    if (!body) co_return rq.refuse(body.error());
    constexpr std::array<std::string_view, 3> cascades{"NONE", "IMMEDIATE_DEPENDENTS", "ALL_DOWNSTREAM"};
    field_errors errors;
    boost::json::object accepted;
    json_fields fields(**body, "", errors, accepted);
    fields.choice("cascade", cascades);
    std::string reason = fields.text("reason", {0, 1000}).value_or("");
    fields.refuse_rest();
    refuse_nul(**body, rq.rq.body(), errors);
    if (!errors.empty()) co_return rq.refuse(std::move(errors).take("The cancellation"));

    const auto outcome = co_await rq.app.instance.cancel(rq.caller, *id, std::move(reason));
    if (!outcome) co_return rq.refuse(outcome.error());
    const auto tenant = rq.caller.tenant;
    auto found = co_await rq.app.instance.db().read([tenant, id = *id](storage::session& s) -> result<std::optional<std::string>> {
        return storage::find_execution_json(s, tenant, id);
    });
    auto answer = rq.reply(202);
    if (found && *found) {
        answer.body.append(**found);
    } else {
        // It was cancelled; that it cannot be read at this moment changes nothing.
        answer.body.append("{\"execution_id\":\"").append(id->str()).append("\"}");
    }
    co_return answer;
}

}
