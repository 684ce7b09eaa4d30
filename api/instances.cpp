#include "api/read_answers.hpp"
#include "api/routes.hpp"
#include "storage/instance_store.hpp"
#include "storage/model/json_fields.hpp"

#include <charconv>
#include <fmt/format.h>

namespace rowlock::api {

namespace {

error no_instance(std::string_view id)
{
    return not_found(fmt::format("There is no instance {}: GET /v1/instances lists them.", id));
}

// Errors: not_found, invalid_request.
result<instance_id> id_in(const request_context& rq)
{
    query_reader query(rq.rq.query());
    if (auto refused = query.finish(); !refused) return std::move(refused).error();
    const auto text = rq.path["instance_id"];
    instance_id id{};
    const auto read = std::from_chars(text.data(), text.data() + text.size(), id.value);
    if (read.ec != std::errc{} || read.ptr != text.data() + text.size() || id.value < 1) return not_found(fmt::format("{} is no id of an instance: they are whole numbers from 1.", text));
    return id;
}

runtime::awaitable<response> show_instance(request_context& rq, instance_id id)
{
    const auto found = co_await rq.app.instance.db().read([id](storage::session& s) -> found_text { return storage::find_instance_json(s, id); });
    co_return show(rq, found, no_instance(std::to_string(id.value)));
}

runtime::awaitable<response> drain(request_context& rq, bool drains)
{
    const auto id = id_in(rq);
    if (!id) co_return rq.refuse(id.error());
    if (!rq.caller.all_tenants) {
        co_return rq.refuse({errc::forbidden, "Instances work for all tenants: they are drained and resumed with a token for all tenants."});
    }
    const auto body = rq.body(true);
    if (!body) co_return rq.refuse(body.error());
    field_errors errors;
    boost::json::object accepted;
    json_fields fields(**body, "", errors, accepted);
    std::string reason = fields.text("reason", {0, 1000}).value_or("");
    fields.refuse_rest();
    if (reason.find('\0') != std::string::npos) errors.add("reason", nullptr, "must not contain U+0000: the database cannot keep it");
    if (!errors.empty()) co_return rq.refuse(std::move(errors).take("What is asked of the instance"));

    const auto asked = co_await rq.app.instance.drain(rq.caller, *id, drains, std::move(reason));
    if (!asked) co_return rq.refuse(asked.error());
    switch (*asked) {
    case storage::drain_answer::done: break;
    case storage::drain_answer::no_such_instance: co_return rq.refuse(no_instance(std::to_string(id->value)));
    case storage::drain_answer::not_alive:
        co_return rq.refuse({errc::already_ended, fmt::format("The instance {} is not alive: it has left, or its lease has run out. A process that is started again is a new instance.", id->value)});
    }
    co_return co_await show_instance(rq, *id);
}

}

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

// GET /v1/instances/{instance_id}: 200, 404, 422.
runtime::awaitable<response> get_instance(request_context& rq)
{
    const auto id = id_in(rq);
    if (!id) co_return rq.refuse(id.error());
    co_return co_await show_instance(rq, *id);
}

// POST /v1/instances/{instance_id}/drain: 200 with the instance, which starts nothing more; 403, 404, 409, 422.
runtime::awaitable<response> drain_instance(request_context& rq)
{
    co_return co_await drain(rq, true);
}

// POST /v1/instances/{instance_id}/resume: 200 with the instance, which starts work again; 403, 404, 409, 422.
runtime::awaitable<response> resume_instance(request_context& rq)
{
    co_return co_await drain(rq, false);
}

}
