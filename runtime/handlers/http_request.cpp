#include "runtime/handlers/http_request.hpp"

#include "runtime/handlers/base64.hpp"
#include "runtime/handlers/http_request_parts.hpp"
#include "storage/model/json_text.hpp"

#include <fmt/format.h>

namespace rowlock::runtime {

namespace json = boost::json;
using namespace request_parts;

namespace {

json::object contract_body(const assignment& work, const json::value& parameters, const std::string& deadline, const std::optional<checkpoint_data>& checkpoint,
                           const callback_address* callback)
{
    auto body = execution_of(work);
    body["parameters"] = parameters;
    if (work.scheduled_time) body["scheduled_time"] = to_rfc3339(*work.scheduled_time);
    body["deadline"] = deadline.empty() ? json::value(nullptr) : json::value(std::string_view(deadline));
    body["checkpoint"] = checkpoint ? json::value(std::string_view(to_base64(checkpoint->bytes))) : json::value(nullptr);
    if (callback != nullptr) {
        body["callback_url"] = callback->url;
        body["callback_secret"] = callback->secret;
    }
    return body;
}

bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}

attempted<http_call> make_call(const http_handler& handler, const assignment& work, const std::string& deadline, const std::optional<checkpoint_data>& checkpoint,
                               const callback_address* callback)
{
    const auto parameters = parameters_of(work);
    if (!parameters) return parameters.error();
    const json::value execution = execution_of(work);
    template_roots roots{parameters_root(*parameters), execution_root(execution)};
    const auto to = written_address(handler.url, roots);
    if (!to) return to.error();
    if (!is_token(handler.method)) return invalid_config(fmt::format("`{}` is no HTTP method", handler.method));

    // In the address it would end in the logs of everybody on the way.
    json::value told;
    if (callback != nullptr) {
        told = {{"url", callback->url}, {"secret", callback->secret}};
        roots.push_back({"callback", told, "a callback has no"});
    }
    http_call call{.to = *to, .request = {.method = handler.method}};
    auto headers = filled_headers(handler.headers, roots);
    if (!headers) return headers.error();
    call.request.headers = std::move(*headers);

    const bool asks_only = handler.method == "GET" || handler.method == "HEAD";
    if (handler.body) {
        if (auto added = add_body(call.request, *handler.body, roots); !added) return added.error();
    } else if (!asks_only) {
        add_json_body(call.request, contract_body(work, *parameters, deadline, checkpoint, callback));
    }
    add_own_headers(call.request.headers, work, work.run_id.str());
    return call;
}

attempted<std::optional<http_call>> redirected(const http_call& from, const http_reply& reply, const http_handler& handler)
{
    const auto* location = find_header(reply.headers, "Location");
    if (!is_redirect(reply.status) || location == nullptr) return std::optional<http_call>{};
    const auto to = resolve(from.to, *location);
    if (!to) return invalid_config(fmt::format("{} redirects to `{}`, which is no http or https address", to_string(from.to), *location));
    if (from.to.tls && !to->tls) return permission_denied(fmt::format("{} redirects from https to {}: refused", to_string(from.to), to_string(*to)));

    http_call next = from;
    next.to = *to;
    auto& rq = next.request;
    const bool becomes_get = (reply.status == 303 && rq.method != "HEAD") || (reply.status <= 302 && rq.method == "POST");
    if (becomes_get) {
        rq.method = "GET";
        rq.body.clear();
        std::erase_if(rq.headers, [](const auto& h) { return same_header(h.first, "Content-Type"); });
    }
    if (!keeps_secrets(from.to, *to) && from.definition_headers) {
        next.definition_headers = false;
        drop_secrets(rq.headers, handler.headers);
    }
    return std::optional<http_call>(std::move(next));
}

}
