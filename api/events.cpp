#include "api/event_answer.hpp"
#include "api/read_answers.hpp"
#include "api/routes.hpp"
#include "api/submission_body.hpp"
#include "storage/model/json_fields.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace rowlock::api {

namespace json = boost::json;

namespace {

constexpr text_bounds source_bounds{1, 256};
constexpr text_bounds key_bounds{1, 255};

// Of JSON text. What has few brackets is not read again.
bool is_too_deep(std::string_view payload)
{
    const auto opened = std::count_if(payload.begin(), payload.end(), [](char c) { return c == '{' || c == '['; });
    return static_cast<std::size_t>(opened) > most_payload_levels && !parse_json(payload, {.max_depth = most_payload_levels});
}

result<runtime::new_event> read_event(const request_context& rq, const json::object& body)
{
    field_errors errors;
    json::object accepted;
    json_fields fields(body, "", errors, accepted);
    runtime::new_event made;
    made.tenant = rq.caller.tenant;
    made.submitter = rq.caller.name;
    if (!fields.has("source")) fields.require("source");
    made.source = fields.text("source", source_bounds).value_or("");
    made.key = fields.text("key", key_bounds).value_or("");
    const auto payload = fields.find("payload");
    if (payload) append_text(made.payload, *payload.value);
    else made.payload = "{}";
    if (made.payload.size() > most_payload_bytes) {
        errors.add("payload", nullptr, fmt::format("has {} bytes; at most {} are taken: store it elsewhere, and send where", made.payload.size(), most_payload_bytes));
    } else if (is_too_deep(made.payload)) {
        errors.add("payload", nullptr, fmt::format("is nested too deeply: at most {} levels are taken", most_payload_levels));
    }
    fields.refuse_rest();
    refuse_nul(body, rq.rq.body(), errors);
    if (errors.empty()) return made;
    return std::move(errors).take("The event");
}

}

// POST /v1/events: 202 with the triggers that it activates, 400, 413, 422.
runtime::awaitable<response> post_event(request_context& rq)
{
    query_reader query(rq.rq.query());
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto body = rq.body();
    if (!body) co_return rq.refuse(body.error());
    auto event = read_event(rq, **body);
    if (!event) co_return rq.refuse(event.error());
    const auto taken = co_await rq.app.instance.take_event(std::move(*event));
    co_return answer_event(rq, taken);
}

// GET /v1/events: 200, 422. Newest first; ?source=, ?key=, ?since=, ?until=.
runtime::awaitable<response> list_events(request_context& rq)
{
    query_reader query(rq.rq.query());
    storage::event_filter filter;
    filter.source = query.text("source").value_or("");
    filter.key = query.text("key").value_or("");
    filter.since = query.time("since");
    filter.until = query.time("until");
    const int limit = query.limit();
    const std::string cursor = query.cursor();
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, filter, limit, cursor](storage::session& s) -> found_page {
        return storage::list_events_json(s, tenant, filter, limit, cursor);
    });
    co_return show(rq, query, cursor, found);
}

// GET /v1/events/{id}: 200, 404, 422.
runtime::awaitable<response> get_event(request_context& rq)
{
    const auto id = rq.bare_id("id");
    if (!id) co_return rq.refuse(id.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, id = *id](storage::session& s) -> found_text { return storage::find_event_json(s, tenant, id); });
    co_return show(rq, found, not_found(fmt::format("There is no event {}.", id->str())));
}

}
