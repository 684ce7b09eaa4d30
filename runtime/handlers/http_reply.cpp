#include "runtime/handlers/http_reply.hpp"

#include "runtime/handlers/readable.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <array>
#include <boost/json/object.hpp>
#include <charconv>
#include <fmt/format.h>
#include <optional>

namespace rowlock::runtime {

namespace json = boost::json;

namespace {

constexpr std::size_t logged_bytes = 8192;
constexpr std::size_t quoted_bytes = 300;
constexpr std::size_t code_bytes = 128;
constexpr std::size_t message_bytes = 10'000;
constexpr std::chrono::seconds longest_wait = std::chrono::hours{24};

std::optional<int> number(std::string_view text)
{
    int value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || ec != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
    return value;
}

// The preferred form of an HTTP date alone, "Sun, 06 Nov 1994 08:49:37 GMT"; the obsolete ones are not worth their code.
std::optional<timestamp> http_date(std::string_view text)
{
    constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    if (text.size() != 29 || text.substr(25) != " GMT") return std::nullopt;
    const auto month = std::find(months.begin(), months.end(), text.substr(8, 3)) - months.begin();
    if (month == 12) return std::nullopt;
    return parse_rfc3339(fmt::format("{}-{:02}-{}T{}Z", text.substr(12, 4), month + 1, text.substr(5, 2), text.substr(17, 8)));
}

std::optional<std::int64_t> count(const json::object& object, std::string_view name)
{
    const auto* value = object.if_contains(name);
    if (value == nullptr || !value->is_int64() || value->get_int64() < 0) return std::nullopt;
    return value->get_int64();
}

const json::object* nested(const json::object& object, std::string_view name)
{
    const auto* value = object.if_contains(name);
    return value != nullptr ? value->if_object() : nullptr;
}

void take(outcome& o, json::object reply)
{
    if (const auto* metrics = nested(reply, "metrics")) {
        append_text(o.metrics, *metrics);
        reply.erase("metrics");
    }
    const auto take_count = [&](std::string_view name, std::optional<std::int64_t>& into) {
        if (const auto value = count(reply, name)) {
            into = value;
            reply.erase(name);
        }
    };
    take_count("records_processed", o.records_processed);
    take_count("records_failed", o.records_failed);
    // Without a member `outputs`, whatever else the reply says is the outputs.
    const auto* outputs = nested(reply, "outputs");
    const auto& rest = outputs != nullptr ? *outputs : reply;
    if (!rest.empty()) append_text(o.outputs, rest);
}

// A text member, taken out of the object and bounded; empty where it is none.
std::string taken_text(json::object& from, std::string_view name, std::size_t most)
{
    const auto* value = from.if_contains(name);
    const auto* text = value != nullptr ? value->if_string() : nullptr;
    if (text == nullptr) return {};
    auto out = readable({text->data(), text->size()}, most);
    from.erase(name);
    return out;
}

std::string bounded_log(const http_reply& reply)
{
    return reply.body.empty() ? std::string() : readable(reply.body, logged_bytes) + "\n";
}

}

std::optional<std::chrono::seconds> retry_after(const http_reply& reply, timestamp now)
{
    const auto* text = find_header(reply.headers, "Retry-After");
    if (text == nullptr) return std::nullopt;
    if (const auto seconds = number(*text)) return std::min(std::chrono::seconds{*seconds}, longest_wait);
    if (const auto at = http_date(*text)) return std::clamp(std::chrono::ceil<std::chrono::seconds>(*at - now), std::chrono::seconds{0}, longest_wait);
    return std::nullopt;
}

std::optional<json::object> as_object(std::string_view body)
{
    auto value = parse_json(body);
    if (!value || !value->is_object() || find_nul(*value)) return std::nullopt;
    return std::move(value->get_object());
}

outcome reported(bool succeeded, json::object body)
{
    outcome o;
    if (!succeeded) {
        o.status = execution_status::failed;
        o.error_code = taken_text(body, "error_code", code_bytes);
        if (o.error_code.empty()) o.error_code = "FAILED";
        o.error_message = taken_text(body, "error_message", message_bytes);
        if (o.error_message.empty()) o.error_message = "the target reports that the job has failed";
    }
    take(o, std::move(body));
    return o;
}

http_conclusion conclude(const http_reply& reply, timestamp now)
{
    http_conclusion c;
    auto& o = c.outcome;
    if (reply.status >= 200 && reply.status < 300) {
        if (auto object = as_object(reply.body)) take(o, std::move(*object));
        else c.log = bounded_log(reply);
        return c;
    }
    o.status = execution_status::failed;
    o.error_code = reply.status == 429 ? "RATE_LIMITED" : fmt::format("HTTP_{}", reply.status);
    o.error_message = fmt::format("the target answered {} {}", reply.status, readable(reply.reason, quoted_bytes));
    if (!reply.body.empty()) o.error_message += ": " + readable(reply.body, quoted_bytes);
    if (reply.status == 429 || reply.status == 503) o.retry_after = retry_after(reply, now);
    c.log = bounded_log(reply);
    return c;
}

}
