#include "api/event_answer.hpp"
#include "api/routes.hpp"
#include "api/signature.hpp"
#include "runtime/observe/event_log.hpp"
#include "storage/model/json_fields.hpp"
#include "storage/trigger_store.hpp"

#include <cstdlib>
#include <fmt/format.h>

namespace rowlock::api {

namespace {

std::string hex_of(std::string_view bytes)
{
    std::string text;
    for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return text;
}

// "": there is none here, so nothing can be signed with it.
std::string secret_of(const storage::webhook& hook)
{
    if (!hook.secret.empty()) return hook.secret;
    const char* const value = hook.secret_env.empty() ? nullptr : std::getenv(hook.secret_env.c_str());
    if (value == nullptr) spdlog::warn("the environment variable {} is not set: a webhook that is signed with it was refused", hook.secret_env);
    return value ? value : "";
}

// Who called is not known, so there is a line of the log and a count, and nothing is stored.
response refuse_call(request_context& rq, const error& why)
{
    rq.app.instance.count_refused_webhook();
    if (runtime::event::on(spdlog::level::info)) {
        runtime::event("webhook_refused").add("trigger_id", rq.path["trigger_id"]).add("reason", why.detail).write(spdlog::level::info);
    }
    return rq.refuse(why);
}

result<void> is_signed(const signed_message& message, std::string_view body, const storage::webhook& hook)
{
    const auto secret = secret_of(hook);
    if (secret.empty()) return error{errc::unauthenticated, "This server has no secret for the trigger: nothing that is sent to it can be told from a forgery."};
    return check_signature(message, body, secret, hook.now);
}

// Any JSON value, as text.
result<std::string> read_payload(std::string_view body)
{
    const auto value = parse_json(body, {.max_depth = most_payload_levels});
    if (!value) return value.error();
    std::string payload = to_text(*value);
    if (payload.size() > most_payload_bytes) return error{errc::body_too_large, fmt::format("The payload may have {} bytes.", most_payload_bytes)};
    const auto nul = find_nul(*value);
    if (!nul) return payload;
    field_errors errors;
    errors.add(*nul, nullptr, "must not contain U+0000: the database cannot keep it");
    return std::move(errors).take("The payload");
}

}

// POST /v1/webhooks/{trigger_id}: 202, 400, 401, 404, 409, 413, 415, 422. The signature is the authority; there is no token.
runtime::awaitable<response> call_webhook(request_context& rq)
{
    query_reader query(rq.rq.query());
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto trigger_id = rq.slug_of("trigger_id");
    if (!trigger_id) co_return rq.refuse(trigger_id.error());
    const auto message = read_signature(rq.rq.header("X-Rowlock-Signature").value_or(""), rq.rq.header("X-Rowlock-Timestamp").value_or(""));
    if (!message) co_return refuse_call(rq, message.error());
    const auto hook = co_await rq.app.instance.db().read([id = *trigger_id](storage::session& s) -> result<std::optional<storage::webhook>> { return storage::find_webhook(s, id); });
    if (!hook) co_return rq.refuse(hook.error());
    if (!*hook) co_return rq.refuse(not_found(fmt::format("There is no webhook {}.", *trigger_id)));
    if (const auto right = is_signed(*message, rq.rq.body(), **hook); !right) co_return refuse_call(rq, right.error());
    auto payload = read_payload(rq.rq.body());
    if (!payload) co_return rq.refuse(payload.error());

    runtime::new_event event{.tenant = (*hook)->tenant, .source = (*hook)->source, .payload = std::move(*payload)};
    event.origin = storage::event_origin::webhook;
    event.submitter = "webhook:" + *trigger_id;
    event.trigger = (*hook)->trigger;
    event.signature = hex_of(message->signature);
    const auto taken = co_await rq.app.instance.take_event(std::move(event));
    if (taken && taken->what == storage::taken_event::verdict::replayed) rq.app.instance.count_refused_webhook();
    co_return answer_event(rq, taken);
}

}
