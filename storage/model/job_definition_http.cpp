#include "storage/model/http_address.hpp"
#include "storage/model/job_definition_parts.hpp"

#include <algorithm>
#include <array>
#include <boost/json/string.hpp>
#include <fmt/format.h>

namespace rowlock::definition {

namespace json = boost::json;

namespace {

constexpr text_bounds address_bounds{1, 8192};
constexpr text_bounds path_bounds{1, 4096};        // of a SQL/JSON path
constexpr std::array<std::string_view, 7> http_methods{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
constexpr std::array<std::string_view, 3> completions{"reply", "poll", "webhook"};

// What the request's own framing and identity need. The contract names the last four.
constexpr std::array<std::string_view, 12> own_headers{"connection", "content-length", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade",
                                                       "x-rowlock-execution-id", "x-rowlock-attempt", "idempotency-key", "traceparent"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

std::string each(std::string_view text, char (*change)(char))
{
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), change);
    return out;
}

bool is_token_character(char c)
{
    static constexpr std::string_view also = "!#$%&'*+-.^_`|~";
    const bool letter = lower(c) >= 'a' && lower(c) <= 'z';
    return letter || (c >= '0' && c <= '9') || also.find(c) != std::string_view::npos;
}

std::string refusal_of_header(std::string_view name, std::string_view value)
{
    const bool token = !name.empty() && name.size() <= 256 && std::all_of(name.begin(), name.end(), is_token_character);
    if (!token) return "must have a header's name: letters, digits and any of !#$%&'*+-.^_`|~";
    if (std::find(own_headers.begin(), own_headers.end(), each(name, lower)) != own_headers.end()) return "is set by Rowlock; leave it out";
    const bool plain = std::all_of(value.begin(), value.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x20 ? c != 0x7f : c == '\t'; });
    if (!plain) return "must not hold line breaks or other control characters";
    return {};
}

using address_rule = std::string (*)(std::string_view);

std::string read_address(json_fields& fields, std::string_view name, address_rule refusal)
{
    auto url = fields.text(name, address_bounds);
    if (!url) return {};
    if (auto why = refusal(*url); !why.empty()) fields.refuse(fields.find(name), std::move(why));
    return std::move(*url);
}

void read_method(json_fields& fields, std::string& into)
{
    const auto f = fields.find("method");
    if (!f) return;
    const auto* s = f.value->if_string();
    std::string method = s ? each({s->data(), s->size()}, upper) : std::string();
    if (std::find(http_methods.begin(), http_methods.end(), method) == http_methods.end()) {
        fields.refuse(f, "must be one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        return;
    }
    fields.accept("method", json::string(method));
    into = std::move(method);
}

// What a handler's request and a hook have in common.
template <class Request>
void read_request(json_fields& fields, Request& request)
{
    if (!fields.has("url")) fields.require("url");
    request.url = read_address(fields, "url", refusal_of_url);
    read_method(fields, request.method);
    request.headers = fields.text_map("headers", 100, {0, 8192}, refusal_of_header);
    request.body = fields.any("body");
    if (request.body && (request.method == "GET" || request.method == "HEAD")) fields.refuse(fields.find("body"), "cannot be sent with GET or HEAD");
}

// What only a job that is asked for its status has. Elsewhere it would be taken and never looked at.
constexpr std::array<std::string_view, 5> polling_members{"status_url", "poll_interval_seconds", "success", "failure", "progress"};

void refuse_polling(json_fields& fields, std::string_view completion)
{
    for (const auto name : polling_members) {
        if (const auto f = fields.find(name)) fields.refuse(f, fmt::format("is for completion poll, and this job's is {}; set completion to poll, or leave it out", completion));
    }
}

void read_polling(json_fields& fields, http_handler& handler)
{
    handler.status_url = read_address(fields, "status_url", refusal_of_url_or_path);
    if (const auto interval = fields.seconds("poll_interval_seconds", milliseconds{100}, std::chrono::hours{24})) handler.poll_interval = *interval;
    // Whether they are SQL/JSON paths the database says, where the definition is put.
    handler.success = fields.text("success", path_bounds).value_or("");
    handler.failure = fields.text("failure", path_bounds).value_or("");
    handler.progress = fields.text("progress", path_bounds).value_or("");
}

void read_completion(json_fields& fields, http_handler& handler)
{
    handler.cancel_url = read_address(fields, "cancel_url", refusal_of_url_or_path);
    const auto completion = fields.has("completion") ? fields.choice("completion", completions) : std::string(completions.front());
    if (!completion) {
        // Without it there is no telling whether these are right.
        for (const auto name : polling_members) fields.drop(name);
        return;
    }
    handler.completion = static_cast<http_completion>(std::find(completions.begin(), completions.end(), *completion) - completions.begin());
    if (handler.completion == http_completion::poll) read_polling(fields, handler);
    else refuse_polling(fields, *completion);
}
static_assert(static_cast<int>(http_completion::reply) == 0 && static_cast<int>(http_completion::poll) == 1 && static_cast<int>(http_completion::webhook) == 2);

}

http_handler read_http(json_fields& fields)
{
    http_handler handler;
    read_request(fields, handler);
    read_completion(fields, handler);
    if (const auto limit = fields.integer("response_limit_bytes", 0, most_output_bytes)) handler.response_limit_bytes = *limit;
    if (const auto redirects = fields.integer("max_redirects", 0, 20)) handler.max_redirects = static_cast<int>(*redirects);
    if (const auto verify = fields.boolean("verify_tls")) handler.verify_tls = *verify;
    if (auto file = fields.text("ca_file", {1, 4096})) handler.ca_file = std::move(*file);
    return handler;
}

void read_hooks(json_fields& definition, job_definition& made)
{
    definition.object("hooks", [&made](json_fields& hooks) {
        const auto read = [&hooks](std::string_view name, std::optional<http_hook>& into) {
            http_hook hook;
            const bool given = hooks.object(name, [&hook](json_fields& fields) {
                read_request(fields, hook);
                if (const auto timeout = fields.seconds("timeout_seconds", milliseconds{1}, std::chrono::hours{1})) hook.timeout = *timeout;
            });
            if (given) into = std::move(hook);
        };
        read("before", made.before);
        read("after", made.after);
    });
}

}
