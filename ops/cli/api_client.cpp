#include "ops/cli/api_client.hpp"

#include "ops/cli/json_read.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

constexpr std::size_t page_size = 1000;
constexpr std::size_t deepest_reply = 256;

// Header values must be visible ASCII: anything else would change the request.
bool is_header_text(std::string_view text)
{
    return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

refusal unreachable(transport_error why)
{
    return {exit_code::protocol, "No answer", std::move(why.message)};
}

}

outcome_of<http_client*> api_client::connection()
{
    if (http_) return http_.get();
    const auto url = parse_base_url(access_.url);
    if (!url) return bad_input(fmt::format("--url: {} is not of the form http://HOST[:PORT] or https://HOST[:PORT]", access_.url));
    std::vector<std::pair<std::string, std::string>> headers;
    if (!access_.token.empty()) {
        if (!is_header_text(access_.token)) return bad_input("--token: a token has letters, digits and signs only");
        headers.emplace_back("Authorization", "Bearer " + access_.token);
    }
    if (!access_.tenant.empty()) {
        if (!is_slug(access_.tenant)) return bad_input(fmt::format("--tenant: {} is not a tenant id ([a-z0-9][a-z0-9._-]*)", access_.tenant));
        headers.emplace_back("X-Rowlock-Tenant", access_.tenant);
    }
    http_ = std::make_unique<http_client>(*url, std::move(headers));
    return http_.get();
}

outcome_of<http_reply> api_client::exchange(const http_request& request)
{
    const auto http = connection();
    if (!http) return http.error();
    auto reply = (*http)->send(request);
    if (!reply) return unreachable(reply.error());
    if (reply->status < 200 || reply->status > 299) return refusal_of_reply(reply->status, reply->content_type, reply->body, reply->retry_after);
    return std::move(*reply);
}

outcome_of<std::string> api_client::get_text(const target& at)
{
    auto reply = exchange({.method = "GET", .target = at.text(), .repeatable = true});
    if (!reply) return reply.error();
    return std::move(reply->body);
}

outcome_of<std::string> api_client::post_text(const target& at, const json::value& body)
{
    auto reply = exchange({.method = "POST", .target = at.text(), .body = to_text(body)});
    if (!reply) return reply.error();
    return std::move(reply->body);
}

outcome_of<api_reply> api_client::call(http_request request)
{
    auto reply = exchange(request);
    if (!reply) return reply.error();
    if (reply->status == 204 || reply->body.empty()) return api_reply{reply->status, nullptr};
    auto body = parse_json(reply->body, {.max_depth = deepest_reply});
    if (!body) return odd_reply(fmt::format("{} {} was answered with something other than JSON: {}", request.method, request.target, body.error().detail));
    return api_reply{reply->status, std::move(*body)};
}

outcome_of<api_reply> api_client::get(const target& at, std::chrono::seconds time_limit)
{
    return call({.method = "GET", .target = at.text(), .time_limit = time_limit, .repeatable = true});
}

outcome_of<api_reply> api_client::put(const target& at, const json::value& body)
{
    return call({.method = "PUT", .target = at.text(), .body = to_text(body), .repeatable = true});
}

outcome_of<api_reply> api_client::post(const target& at, const json::value& body, const std::string& idempotency_key)
{
    http_request request{.method = "POST", .target = at.text(), .body = to_text(body)};
    if (!idempotency_key.empty()) {
        if (!is_header_text(idempotency_key)) return bad_input(fmt::format("--idempotency-key: {} is not visible ASCII", idempotency_key));
        request.headers.emplace_back("Idempotency-Key", idempotency_key);
        request.repeatable = true;
    }
    return call(std::move(request));
}

outcome_of<api_reply> api_client::remove(const target& at)
{
    return call({.method = "DELETE", .target = at.text(), .repeatable = false});
}

std::optional<refusal> api_client::stream(const target& at, const http_client::piece_sink& sink)
{
    const auto http = connection();
    if (!http) return http.error();
    auto reply = (*http)->stream({.method = "GET", .target = at.text(), .repeatable = true}, sink);
    if (!reply) return unreachable(reply.error());
    if (reply->status != 200) return refusal_of_reply(reply->status, reply->content_type, reply->body, reply->retry_after);
    return std::nullopt;
}

outcome_of<json::value> api_client::list(const target& at, std::size_t limit)
{
    json::array items;
    std::string cursor;
    do {
        target page = at;
        page.query("limit", std::to_string(std::min(limit - items.size(), page_size)));
        if (!cursor.empty()) page.query("cursor", cursor);
        auto reply = get(page);
        if (!reply) return reply.error();
        const json::array* some = array_at(reply->body, "items");
        if (!some) return odd_reply(fmt::format("GET {} was answered without a list of items", page.text()));
        const bool empty = some->empty();
        items.insert(items.end(), some->begin(), some->end());
        cursor = text_at(reply->body, "next_cursor");
        if (empty) break;
    } while (!cursor.empty() && items.size() < limit);
    json::object whole{{"items", std::move(items)}};
    whole["next_cursor"] = cursor.empty() ? json::value(nullptr) : json::value(cursor);
    return json::value(std::move(whole));
}

outcome_of<http_reply> api_client::probe(const target& at)
{
    const auto http = connection();
    if (!http) return http.error();
    auto reply = (*http)->send({.method = "GET", .target = at.text(), .time_limit = std::chrono::seconds{10}, .repeatable = true});
    if (!reply) return unreachable(reply.error());
    return std::move(*reply);
}

}
