#include "api/read_answers.hpp"
#include "api/routes.hpp"
#include "storage/model/json_fields.hpp"
#include "storage/trigger_store.hpp"

#include <fmt/format.h>

namespace rowlock::api {

namespace json = boost::json;

namespace {

error no_trigger(std::string_view id)
{
    return not_found(fmt::format("There is no trigger {}.", id));
}

result<std::string> read_reason(const json::object& body)
{
    field_errors errors;
    json::object accepted;
    json_fields fields(body, "", errors, accepted);
    auto reason = fields.text("reason", {0, 10'000}).value_or("");
    fields.refuse_rest();
    for (auto& path : find_every_nul(body, field_errors::most)) errors.add(std::move(path), nullptr, "must not contain U+0000: the database cannot keep it");
    if (errors.empty()) return reason;
    return std::move(errors).take("The action");
}

runtime::awaitable<response> switch_trigger(request_context& rq, bool enabled)
{
    const auto id = rq.bare_slug("trigger_id");
    if (!id) co_return rq.refuse(id.error());
    const auto body = rq.body(true);
    if (!body) co_return rq.refuse(body.error());
    const auto reason = read_reason(**body);
    if (!reason) co_return rq.refuse(reason.error());
    const auto changed = co_await rq.app.instance.db().write([who = rq.caller, id = *id, enabled, reason = *reason](storage::session& s) -> found_text {
        if (!storage::switch_trigger(s, who, id, enabled, reason)) return std::optional<std::string>();
        return storage::find_trigger_json(s, who.tenant, id);
    });
    co_return show(rq, changed, no_trigger(*id));
}

}

// GET /v1/triggers: 200, 422. By trigger_id; ?job_id=, ?source=.
runtime::awaitable<response> list_triggers(request_context& rq)
{
    query_reader query(rq.rq.query());
    const std::string job_id = query.text("job_id").value_or("");
    const std::string source = query.text("source").value_or("");
    const int limit = query.limit();
    const std::string cursor = query.name_cursor();
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, job_id, source, limit, cursor](storage::session& s) -> result<storage::page> {
        return storage::list_triggers_json(s, tenant, job_id, source, limit, cursor);
    });
    co_return show(rq, found);
}

// GET /v1/triggers/{trigger_id}: 200, 404, 422.
runtime::awaitable<response> get_trigger(request_context& rq)
{
    const auto id = rq.bare_slug("trigger_id");
    if (!id) co_return rq.refuse(id.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, id = *id](storage::session& s) -> found_text { return storage::find_trigger_json(s, tenant, id); });
    co_return show(rq, found, no_trigger(*id));
}

// GET /v1/triggers/{trigger_id}/activations: 200, 404, 422. What it did on each event of its source, newest first.
runtime::awaitable<response> list_activations(request_context& rq)
{
    query_reader query(rq.rq.query());
    const int limit = query.limit();
    const std::string cursor = query.cursor();
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto id = rq.slug_of("trigger_id");
    if (!id) co_return rq.refuse(id.error());
    const auto tenant = rq.caller.tenant;
    bool known = true;                                 // the read is over when this goes
    const auto found = co_await rq.app.instance.db().read([tenant, id = *id, limit, cursor, &known](storage::session& s) -> found_page {
        known = storage::find_trigger_json(s, tenant, id).has_value();
        return storage::list_activations_json(s, tenant, id, limit, cursor);
    });
    if (found && !known) co_return rq.refuse(no_trigger(*id));
    co_return show(rq, query, cursor, found);
}

// POST /v1/triggers/{trigger_id}/enable and /disable: 200 with the trigger, 404, 422.
runtime::awaitable<response> enable_trigger(request_context& rq)
{
    co_return co_await switch_trigger(rq, true);
}

runtime::awaitable<response> disable_trigger(request_context& rq)
{
    co_return co_await switch_trigger(rq, false);
}

}
