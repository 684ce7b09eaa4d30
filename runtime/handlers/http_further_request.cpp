#include "runtime/handlers/http_further_request.hpp"

#include "runtime/handlers/http_request_parts.hpp"
#include "storage/model/http_address.hpp"

#include <fmt/format.h>

namespace rowlock::runtime {

namespace json = boost::json;
using namespace request_parts;

namespace {

failure not_followed(std::string message)
{
    return {"INVALID_RESULT", std::move(message)};
}

// A request to `reference`, seen from where the target answered, or from its address where it has not.
struct further_address {
    std::string reference;                           // templates filled in
    bool is_written = false;                         // the definition itself says which host it is at
};

attempted<http_call> further_call(const http_handler& handler, const assignment& work, const json::value& parameters, const url& base, const further_address& address,
                                  std::string method, std::string idempotency_key)
{
    const json::value execution = execution_of(work);
    const template_roots roots{parameters_root(parameters), execution_root(execution)};
    const auto started_at = written_address(handler.url, roots);
    if (!started_at) return started_at.error();
    const auto to = resolve(base, address.reference);
    if (!to) return not_followed(fmt::format("`{}`, seen from {}, is no http or https address", address.reference, to_string(base)));
    if (!address.is_written && base.tls && !to->tls) {
        return permission_denied(fmt::format("{} leads from https to {}: refused", to_string(base), to_string(*to)));
    }

    http_call call{.to = *to, .request = {.method = std::move(method)}};
    auto headers = filled_headers(handler.headers, roots);
    if (!headers) return headers.error();
    call.request.headers = std::move(*headers);
    std::erase_if(call.request.headers, [](const auto& h) { return same_header(h.first, "Content-Type"); });
    if (!address.is_written && !keeps_secrets(*started_at, *to)) {
        call.definition_headers = false;
        drop_secrets(call.request.headers, handler.headers);
    }
    add_own_headers(call.request.headers, work, std::move(idempotency_key));
    return call;
}

attempted<further_address> filled_address(const std::string& text, const assignment& work, const json::value& parameters, const json::value& reply)
{
    const json::value execution = execution_of(work);
    const template_roots roots{parameters_root(parameters), execution_root(execution), {"reply", reply, "the first answer of the target has no"}};
    auto filled = fill(text, roots, template_place::url);
    if (!filled) return filled.error();
    return further_address{std::move(*filled), written_target(text).has_value()};
}

}

attempted<http_call> make_status_call(const http_handler& handler, const assignment& work, const first_answer& answer)
{
    const auto parameters = parameters_of(work);
    if (!parameters) return parameters.error();
    further_address address{answer.location};
    if (!handler.status_url.empty()) {
        auto filled = filled_address(handler.status_url, work, *parameters, answer.body);
        if (!filled) return not_followed("handler.status_url: " + filled.error().message);
        address = std::move(*filled);
    }
    if (address.reference.empty()) return not_followed("the target has answered without a Location header, and the job has no status_url: there is nowhere to ask for the status");
    return further_call(handler, work, *parameters, answer.from, address, "GET", "");
}

attempted<http_call> make_cancel_call(const http_handler& handler, const assignment& work, const first_answer* answer, std::string_view reason)
{
    const auto parameters = parameters_of(work);
    if (!parameters) return parameters.error();
    url base;
    if (answer != nullptr) {
        base = answer->from;
    } else {
        const json::value execution = execution_of(work);
        const auto started_at = written_address(handler.url, {parameters_root(*parameters), execution_root(execution)});
        if (!started_at) return started_at.error();
        base = *started_at;
    }
    // Without an answer its members are missing, so what names one fails.
    const json::value none;
    const auto address = filled_address(handler.cancel_url, work, *parameters, answer != nullptr ? answer->body : none);
    if (!address) return address.error();
    // Not the key of the start: a target that knows its repeats by it would take this for one.
    auto call = further_call(handler, work, *parameters, base, *address, "POST", work.id.str() + "-cancel");
    if (!call) return call;
    add_json_body(call->request, {{"execution_id", work.id.str()}, {"run_id", work.run_id.str()}, {"reason", reason}});
    return call;
}

attempted<http_call> make_hook_call(const http_hook& hook, const assignment& work, std::string_view when, std::string_view status)
{
    const auto parameters = parameters_of(work);
    if (!parameters) return parameters.error();
    auto body = execution_of(work);
    if (!status.empty()) body["status"] = status;
    const json::value execution = body;
    const template_roots roots{parameters_root(*parameters), execution_root(execution)};
    const auto to = written_address(hook.url, roots);
    if (!to) return to.error();
    http_call call{.to = *to, .request = {.method = hook.method}};
    auto headers = filled_headers(hook.headers, roots);
    if (!headers) return headers.error();
    call.request.headers = std::move(*headers);
    if (hook.body) {
        if (auto added = add_body(call.request, *hook.body, roots); !added) return added.error();
    } else if (hook.method != "GET" && hook.method != "HEAD") {
        add_json_body(call.request, body);
    }
    add_own_headers(call.request.headers, work, fmt::format("{}-{}", work.id.str(), when));
    return call;
}

}
