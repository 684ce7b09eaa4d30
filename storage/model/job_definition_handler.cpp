#include "storage/model/job_definition_parts.hpp"

#include <algorithm>
#include <array>
#include <boost/json/string.hpp>
#include <fmt/format.h>

namespace rowlock::definition {

namespace json = boost::json;

namespace {

constexpr std::array<std::string_view, 5> handler_types{"noop", "sleep", "fail", "process", "http"};
constexpr std::int64_t most_bytes = std::int64_t{1} << 30;

bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

std::string lower(std::string_view text)
{
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

// ---- sleep, fail

std::optional<handler_spec> read_sleep(json_fields& fields)
{
    if (!fields.has("seconds")) fields.require("seconds");
    const auto seconds = fields.seconds("seconds", milliseconds{0}, longest_duration);
    if (!seconds) return std::nullopt;
    return sleep_handler{*seconds};
}

fail_handler read_fail(json_fields& fields)
{
    fail_handler handler;
    if (auto code = fields.text("error_code", {1, 128})) handler.error_code = std::move(*code);
    if (auto message = fields.text("error_message", {0, 10'000})) handler.error_message = std::move(*message);
    if (const auto times = fields.integer("times", 0, 1'000'000)) handler.times = static_cast<int>(*times);
    return handler;
}

// ---- process

std::string refusal_of_variable(std::string_view name, std::string_view)
{
    const bool good = !name.empty() && name.size() <= 256 && !is_digit(name.front())
                      && std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
    if (!good) return "must have a name of letters, digits and '_' that does not begin with a digit";
    if (name.starts_with("ROWLOCK_")) return "must not begin with ROWLOCK_: those are set by Rowlock";
    return {};
}

process_handler read_process(json_fields& fields)
{
    // The kernel takes 128 KiB an argument.
    constexpr text_bounds argument{0, 100'000};
    process_handler handler;
    if (!fields.has("command")) fields.require("command");
    handler.command = fields.texts("command", {1, 1000, argument});
    const auto command = fields.find("command");
    const auto* list = command ? command.value->if_array() : nullptr;
    const auto* program = list && !list->empty() ? list->front().if_string() : nullptr;
    if (program && program->empty()) fields.errors().add(fields.path_of_member("command") + "[0]", &list->front(), "must name a program");
    handler.env = fields.text_map("env", 256, {0, 100'000}, refusal_of_variable);
    if (auto cwd = fields.text("cwd", {1, 4096})) {
        if (cwd->front() != '/') fields.refuse(fields.find("cwd"), "must be an absolute path; left out, each attempt gets a private directory");
        handler.cwd = std::move(*cwd);
    }
    handler.grace = fields.seconds("grace_seconds", milliseconds{0}, std::chrono::hours{1});
    if (const auto limit = fields.integer("output_limit_bytes", 0, most_bytes)) handler.output_limit_bytes = *limit;
    handler.memory_limit_bytes = fields.integer("memory_limit_bytes", 1 << 20, std::int64_t{1} << 50);
    handler.cpu_limit = fields.seconds("cpu_limit_seconds", milliseconds{1}, longest_duration);
    return handler;
}

// ---- http

constexpr std::array<std::string_view, 7> http_methods{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

// What the request's own framing and identity need. The contract names the last four.
constexpr std::array<std::string_view, 12> own_headers{"connection", "content-length", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade",
                                                       "x-rowlock-execution-id", "x-rowlock-attempt", "idempotency-key", "traceparent"};

std::string refusal_of_header(std::string_view name, std::string_view value)
{
    static constexpr std::string_view also = "!#$%&'*+-.^_`|~";
    const bool token = !name.empty() && name.size() <= 256
                       && std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || is_digit(c) || also.find(c) != std::string_view::npos; });
    if (!token) return "must have a header's name: letters, digits and any of !#$%&'*+-.^_`|~";
    if (std::find(own_headers.begin(), own_headers.end(), lower(name)) != own_headers.end()) return "is set by Rowlock; leave it out";
    const bool plain = std::all_of(value.begin(), value.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x20 ? c != 0x7f : c == '\t'; });
    if (!plain) return "must not hold line breaks or other control characters";
    return {};
}

std::string refusal_of_port(std::string_view port)
{
    if (port.find("{{") != std::string_view::npos) return {};
    const bool digits = !port.empty() && port.size() <= 5 && std::all_of(port.begin(), port.end(), is_digit);
    if (!digits || std::stoi(std::string(port)) < 1 || std::stoi(std::string(port)) > 65'535) return "has a port that is not 1 to 65535";
    return {};
}

// A URL may take parts from parameters, {{ parameters.x }}; only what stands there already can be checked now, the rest when it runs.
std::string refusal_of_url(std::string_view url)
{
    if (url.starts_with("{{")) return {};
    const std::string scheme = lower(url.substr(0, 8));
    const std::size_t start = scheme.starts_with("https://") ? 8 : scheme.starts_with("http://") ? 7 : 0;
    if (start == 0) return "must begin with http:// or https://";
    const std::string_view rest = url.substr(start);
    const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
    if (authority.empty() || authority.front() == ':') return "must name a host";
    if (authority.find('@') != std::string_view::npos) return "must not carry a user name or password; give an Authorization header";
    bool in_template = false;
    for (std::size_t i = 0; i < url.size(); ++i) {
        if (url.substr(i, 2) == "{{") in_template = true;
        if (url.substr(i, 2) == "}}") in_template = false;
        const auto c = static_cast<unsigned char>(url[i]);
        if (c < 0x20 || c == 0x7f || (c == ' ' && !in_template)) return "must not hold spaces or control characters; write them as %20";
    }
    if (in_template) return "has {{ without }}";
    const auto bracket = authority.front() == '[' ? authority.find(']') : 0;
    if (bracket == std::string_view::npos) return "has [ without ] around its IPv6 address";
    const auto colon = authority.find(':', bracket);
    return colon == std::string_view::npos ? std::string() : refusal_of_port(authority.substr(colon + 1));
}

void read_method(json_fields& fields, http_handler& handler)
{
    const auto f = fields.find("method");
    if (!f) return;
    const auto* s = f.value->if_string();
    std::string method = s ? std::string(s->data(), s->size()) : std::string();
    std::transform(method.begin(), method.end(), method.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    if (std::find(http_methods.begin(), http_methods.end(), method) == http_methods.end()) {
        fields.refuse(f, "must be one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        return;
    }
    fields.accept("method", json::string(method));
    handler.method = std::move(method);
}

http_handler read_http(json_fields& fields)
{
    constexpr std::array<std::string_view, 1> completions{"reply"};
    http_handler handler;
    if (!fields.has("url")) fields.require("url");
    if (auto url = fields.text("url", {1, 8192})) {
        if (auto why = refusal_of_url(*url); !why.empty()) fields.refuse(fields.find("url"), std::move(why));
        handler.url = std::move(*url);
    }
    read_method(fields, handler);
    handler.headers = fields.text_map("headers", 100, {0, 8192}, refusal_of_header);
    handler.body = fields.any("body");
    if (handler.body && (handler.method == "GET" || handler.method == "HEAD")) fields.refuse(fields.find("body"), "cannot be sent with GET or HEAD");
    read_choice(fields, "http", "completion", completions);
    if (const auto limit = fields.integer("response_limit_bytes", 0, most_bytes)) handler.response_limit_bytes = *limit;
    if (const auto redirects = fields.integer("max_redirects", 0, 20)) handler.max_redirects = static_cast<int>(*redirects);
    if (const auto verify = fields.boolean("verify_tls")) handler.verify_tls = *verify;
    if (auto file = fields.text("ca_file", {1, 4096})) handler.ca_file = std::move(*file);
    refuse_later_fields(fields, "http");
    return handler;
}

}

std::optional<handler_spec> read_handler(json_fields& definition)
{
    if (!definition.has("handler")) {
        definition.require("handler");
        return std::nullopt;
    }
    std::optional<handler_spec> handler;
    const auto given = definition.find("handler");
    const auto* object = given.value->if_object();
    if (!object) {
        definition.refuse(given, "must be an object with a type");
        return std::nullopt;
    }
    json::object accepted;
    json_fields fields(*object, definition.path_of_member("handler"), definition.errors(), accepted);
    if (!fields.has("type")) fields.require("type");
    const auto type = read_choice(fields, "handler", "type", handler_types);
    if (!type) return std::nullopt;      // without its type there is no telling which of its other members are right
    if (*type == "noop") handler = noop_handler{};
    if (*type == "sleep") handler = read_sleep(fields);
    if (*type == "fail") handler = read_fail(fields);
    if (*type == "process") handler = read_process(fields);
    if (*type == "http") handler = read_http(fields);
    fields.refuse_rest();
    definition.accept("handler", std::move(accepted));
    return handler;
}

}
