#include "runtime/handlers/http_request.hpp"

#include "runtime/handlers/base64.hpp"
#include "runtime/handlers/template.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace rowlock::runtime {

namespace json = boost::json;

const std::string* find_header(const http_headers& headers, std::string_view name)
{
    for (const auto& [each, value] : headers) {
        if (same_header(each, name)) return &value;
    }
    return nullptr;
}

bool same_header(std::string_view a, std::string_view b)
{
    constexpr auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

namespace {

// The connection writes these, from what it really does.
constexpr std::array<std::string_view, 8> framing{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Upgrade", "TE", "Expect"};
// The definition's headers that say nothing that another origin should not know.
constexpr std::array<std::string_view, 3> harmless{"Content-Type", "Accept", "User-Agent"};

template <std::size_t N>
bool among(const std::array<std::string_view, N>& names, std::string_view name)
{
    return std::any_of(names.begin(), names.end(), [&](std::string_view each) { return same_header(each, name); });
}

bool is_token(std::string_view text)
{
    constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || marks.find(c) != std::string_view::npos;
    });
}

bool is_field_value(std::string_view text)
{
    return std::none_of(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; });
}

json::object contract_body(const assignment& work, const json::value& parameters, const std::string& deadline, const std::optional<checkpoint_data>& checkpoint)
{
    json::object body;
    body["execution_id"] = work.id.str();
    body["run_id"] = work.run_id.str();
    body["job_id"] = work.job->definition.job_id;
    body["attempt_number"] = work.attempt_number;
    body["parameters"] = parameters;
    body["deadline"] = deadline.empty() ? json::value(nullptr) : json::value(std::string_view(deadline));
    body["checkpoint"] = checkpoint ? json::value(std::string_view(to_base64(checkpoint->bytes))) : json::value(nullptr);
    return body;
}

void set_default(http_headers& headers, std::string_view name, std::string value)
{
    if (find_header(headers, name) == nullptr) headers.emplace_back(name, std::move(value));
}

// What every request says of its attempt, wherever it goes.
void add_own_headers(http_headers& headers, const assignment& work)
{
    std::erase_if(headers, [](const auto& h) { return same_header(h.first, "X-Rowlock-Execution-Id") || same_header(h.first, "X-Rowlock-Attempt"); });
    headers.emplace_back("X-Rowlock-Execution-Id", work.id.str());
    headers.emplace_back("X-Rowlock-Attempt", std::to_string(work.attempt_number));
    set_default(headers, "Idempotency-Key", work.run_id.str());
    if (!work.trace_parent.empty()) set_default(headers, "traceparent", work.trace_parent);
    set_default(headers, "Accept", "application/json");
    set_default(headers, "User-Agent", "rowlock/" ROWLOCK_VERSION);
}

attempted<http_headers> filled_headers(const http_handler& handler, const json::value& parameters)
{
    http_headers out;
    for (const auto& [name, text] : handler.headers) {
        if (!is_token(name)) return invalid_config(fmt::format("`{}` is no name of an HTTP header", name));
        if (among(framing, name)) return invalid_config(fmt::format("the header {} is written by the connection and cannot be given", name));
        auto value = fill(text, parameters);
        if (!value) return value.error();
        if (!is_field_value(*value)) return invalid_config(fmt::format("the header {} holds a line break or another control character", name));
        out.emplace_back(name, std::move(*value));
    }
    return out;
}

// Same origin; or the same host with plain http exchanged for https, each on its usual port.
bool keeps_secrets(const url& from, const url& to)
{
    if (from.host != to.host) return false;
    if (from.tls == to.tls) return from.port == to.port;
    return to.tls && from.port == 80 && to.port == 443;
}

bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}

attempted<http_call> make_call(const http_handler& handler, const assignment& work, const std::string& deadline, const std::optional<checkpoint_data>& checkpoint)
{
    const auto parsed = parse_json(work.parameters);
    if (!parsed) return invalid_config("the parameters of this execution are not JSON: " + parsed.error().detail);
    const auto& parameters = *parsed;

    const auto address = fill(handler.url, parameters, template_place::url);
    if (!address) return address.error();
    const auto to = parse_url(*address);
    if (!to) return invalid_config(fmt::format("`{}` is not an http or https address (without a name and password in it: those belong in headers)", *address));
    if (!is_token(handler.method)) return invalid_config(fmt::format("`{}` is no HTTP method", handler.method));

    http_call call{.to = *to, .request = {.method = handler.method}};
    auto headers = filled_headers(handler, parameters);
    if (!headers) return headers.error();
    call.request.headers = std::move(*headers);

    const bool asks_only = handler.method == "GET" || handler.method == "HEAD";
    if (handler.body) {
        auto body = fill(*handler.body, parameters);
        if (!body) return body.error();
        // A string is the body itself, whatever its type; anything else is sent as JSON.
        const auto* text = body->if_string();
        call.request.body = text != nullptr ? std::string(text->data(), text->size()) : to_text(*body);
        set_default(call.request.headers, "Content-Type", text != nullptr ? "text/plain; charset=utf-8" : "application/json");
    } else if (!asks_only) {
        call.request.body = to_text(contract_body(work, parameters, deadline, checkpoint));
        set_default(call.request.headers, "Content-Type", "application/json");
    }
    add_own_headers(call.request.headers, work);
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
        for (const auto& [name, value] : handler.headers) {
            if (!among(harmless, name)) std::erase_if(rq.headers, [&](const auto& h) { return same_header(h.first, name); });
        }
    }
    return std::optional<http_call>(std::move(next));
}

}
