#include "runtime/handlers/http_request_parts.hpp"

#include "storage/model/json_text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace rowlock::runtime {

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

namespace request_parts {

namespace json = boost::json;

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

bool is_field_value(std::string_view text)
{
    return std::none_of(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; });
}

}

bool is_token(std::string_view text)
{
    constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || marks.find(c) != std::string_view::npos;
    });
}

attempted<json::value> parameters_of(const assignment& work)
{
    auto parsed = parse_json(work.parameters);
    if (!parsed) return invalid_config("the parameters of this execution are not JSON: " + parsed.error().detail);
    return std::move(*parsed);
}

json::object execution_of(const assignment& work)
{
    return {{"execution_id", work.id.str()}, {"run_id", work.run_id.str()}, {"job_id", work.job->definition.job_id}, {"attempt_number", work.attempt_number}};
}

template_root execution_root(const json::value& execution)
{
    return {"execution", execution, "an execution has no", ", but execution_id, run_id, job_id and attempt_number"};
}

attempted<url> written_address(std::string_view text, const template_roots& roots)
{
    const auto address = fill(text, roots, template_place::url);
    if (!address) return address.error();
    const auto to = parse_url(*address);
    if (!to) return invalid_config(fmt::format("`{}` is not an http or https address (without a name and password in it: those belong in headers)", *address));
    return *to;
}

attempted<http_headers> filled_headers(const std::map<std::string, std::string>& headers, const template_roots& roots)
{
    http_headers out;
    for (const auto& [name, text] : headers) {
        if (!is_token(name)) return invalid_config(fmt::format("`{}` is no name of an HTTP header", name));
        if (among(framing, name)) return invalid_config(fmt::format("the header {} is written by the connection and cannot be given", name));
        auto value = fill(text, roots);
        if (!value) return value.error();
        if (!is_field_value(*value)) return invalid_config(fmt::format("the header {} holds a line break or another control character", name));
        out.emplace_back(name, std::move(*value));
    }
    return out;
}

attempted<void> add_body(http_request& rq, const json::value& body, const template_roots& roots)
{
    const auto filled = fill(body, roots);
    if (!filled) return filled.error();
    const auto* text = filled->if_string();
    rq.body = text != nullptr ? std::string(text->data(), text->size()) : to_text(*filled);
    set_default(rq.headers, "Content-Type", text != nullptr ? "text/plain; charset=utf-8" : "application/json");
    return {};
}

void add_json_body(http_request& rq, const json::object& body)
{
    append_text(rq.body, body);
    set_default(rq.headers, "Content-Type", "application/json");
}

void set_default(http_headers& headers, std::string_view name, std::string value)
{
    if (find_header(headers, name) == nullptr) headers.emplace_back(name, std::move(value));
}

void add_own_headers(http_headers& headers, const assignment& work, std::string idempotency_key)
{
    std::erase_if(headers, [](const auto& h) { return same_header(h.first, "X-Rowlock-Execution-Id") || same_header(h.first, "X-Rowlock-Attempt"); });
    headers.emplace_back("X-Rowlock-Execution-Id", work.id.str());
    headers.emplace_back("X-Rowlock-Attempt", std::to_string(work.attempt_number));
    if (!idempotency_key.empty()) set_default(headers, "Idempotency-Key", std::move(idempotency_key));
    if (!work.trace_parent.empty()) set_default(headers, "traceparent", work.trace_parent);
    set_default(headers, "Accept", "application/json");
    set_default(headers, "User-Agent", "rowlock/" ROWLOCK_VERSION);
}

bool keeps_secrets(const url& from, const url& to)
{
    if (from.host != to.host) return false;
    if (from.tls == to.tls) return from.port == to.port;
    return to.tls && from.port == 80 && to.port == 443;
}

void drop_secrets(http_headers& headers, const std::map<std::string, std::string>& of_definition)
{
    for (const auto& [name, value] : of_definition) {
        if (!among(harmless, name)) std::erase_if(headers, [&](const auto& h) { return same_header(h.first, name); });
    }
}

}

}
