#include "api/query.hpp"

#include "api/router.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/json_text.hpp"

#include <charconv>
#include <fmt/format.h>

namespace rowlock::api {

namespace {

constexpr std::size_t most_parameters = 256;

std::string quoted(std::string_view value)
{
    std::string text;
    append_string(text, is_utf8(value) ? value : std::string_view("(not UTF-8)"));
    return text;
}

// Digits, then at most three after a point, as milliseconds.
std::optional<std::int64_t> parse_milliseconds(std::string_view text)
{
    const auto point = text.find('.');
    const auto whole = text.substr(0, point);
    const auto fraction = point == std::string_view::npos ? std::string_view{} : text.substr(point + 1);
    if (whole.empty() || whole.size() > 9 || fraction.size() > 3 || (point != std::string_view::npos && fraction.empty())) return std::nullopt;
    std::int64_t ms = 0;
    for (const char c : whole) {
        if (c < '0' || c > '9') return std::nullopt;
        ms = ms * 10 + (c - '0');
    }
    for (std::size_t i = 0; i < 3; ++i) {
        const char c = i < fraction.size() ? fraction[i] : '0';
        if (c < '0' || c > '9') return std::nullopt;
        ms = ms * 10 + (c - '0');
    }
    return ms;
}

}

bool is_utf8(std::string_view text)
{
    for (std::size_t i = 0; i < text.size();) {
        const auto lead = static_cast<unsigned char>(text[i]);
        const std::size_t length = lead < 0x80 ? 1 : lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
        if (length == 0 || i + length > text.size()) return false;
        for (std::size_t k = 1; k < length; ++k) {
            const auto next = static_cast<unsigned char>(text[i + k]);
            // The second byte also rules out overlong forms, surrogates and what lies beyond U+10FFFF.
            const unsigned char least = k > 1 ? 0x80 : lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
            const unsigned char most = k > 1 ? 0xbf : lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
            if (next < least || next > most) return false;
        }
        i += length;
    }
    return true;
}

query_reader::query_reader(std::string_view query)
{
    while (!query.empty()) {
        const auto end = std::min(query.find('&'), query.size());
        const auto pair = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        if (pair.empty()) continue;
        if (given_.size() == most_parameters) {
            errors_.push_back({"", "", fmt::format("has more than {} parameters", most_parameters)});
            return;
        }
        const auto mark = pair.find('=');
        parameter p;
        const bool name_is_right = decode(pair.substr(0, mark), true, p.name) && is_utf8(p.name);
        const bool value_is_right = decode(mark == std::string_view::npos ? std::string_view{} : pair.substr(mark + 1), true, p.value) && is_utf8(p.value);
        if (!name_is_right || !value_is_right) {
            const std::string field = name_is_right ? p.name : std::string("query");
            refuse(field, pair, "must be percent-encoded UTF-8 without NUL");
            p.read = true;
        }
        given_.push_back(std::move(p));
    }
}

void query_reader::refuse(std::string_view name, std::string_view value, std::string message)
{
    errors_.push_back({std::string(name), quoted(value), std::move(message)});
}

std::optional<std::string> query_reader::text(std::string_view name, std::size_t longest)
{
    parameter* found = nullptr;
    for (auto& p : given_) {
        if (p.name != name) continue;
        if (found) refuse(name, p.value, "may be given only once");
        if (!p.read) found = &p;
        p.read = true;
    }
    if (!found) return std::nullopt;
    if (found->value.empty() || found->value.size() > longest) {
        refuse(name, found->value.substr(0, 64), fmt::format("must have 1 to {} bytes", longest));
        return std::nullopt;
    }
    return found->value;
}

std::vector<std::string> query_reader::texts(std::string_view name, std::size_t most)
{
    std::vector<std::string> values;
    for (auto& p : given_) {
        if (p.name != name || p.read) continue;
        p.read = true;
        if (values.size() == most) {
            refuse(name, p.value.substr(0, 64), fmt::format("may be given at most {} times", most));
            break;
        }
        values.push_back(p.value);
    }
    return values;
}

std::optional<std::int64_t> query_reader::integer(std::string_view name, std::int64_t least, std::int64_t most)
{
    const auto given = text(name);
    if (!given) return std::nullopt;
    std::int64_t value = 0;
    const auto [end, ec] = std::from_chars(given->data(), given->data() + given->size(), value);
    if (ec == std::errc() && end == given->data() + given->size() && value >= least && value <= most) return value;
    refuse(name, *given, fmt::format("must be an integer from {} to {}", least, most));
    return std::nullopt;
}

std::optional<std::chrono::milliseconds> query_reader::seconds(std::string_view name, std::chrono::milliseconds most)
{
    const auto given = text(name);
    if (!given) return std::nullopt;
    const auto ms = parse_milliseconds(*given);
    if (ms && *ms <= most.count()) return std::chrono::milliseconds(*ms);
    refuse(name, *given, fmt::format("must be a number of seconds from 0 to {}, with at most three decimals", most.count() / 1000));
    return std::nullopt;
}

std::optional<timestamp> query_reader::time(std::string_view name)
{
    const auto given = text(name);
    if (!given) return std::nullopt;
    const auto at = parse_rfc3339(*given);
    // A '+' that was not encoded arrives as a space: what is meant is plain.
    if (at) return at;
    std::string mended = *given;
    if (const auto space = mended.rfind(' '); space != std::string::npos && space > 10) mended[space] = '+';
    if (const auto other = parse_rfc3339(mended)) return other;
    refuse(name, *given, "must be a time as in RFC 3339, like 2026-01-31T09:30:00Z, from 1970 to 9999");
    return std::nullopt;
}

bool query_reader::flag(std::string_view name)
{
    const auto given = text(name);
    if (!given || *given == "false") return false;
    if (*given == "true") return true;
    refuse(name, *given, "must be true or false");
    return false;
}

int query_reader::limit()
{
    return static_cast<int>(integer("limit", 1, 1000).value_or(100));
}

std::string query_reader::cursor_like(bool (*fits)(std::string_view))
{
    std::string given = cursor();
    if (!given.empty() && !fits(given)) refuse("cursor", given, "is not a cursor of this list");
    return given;
}

std::string query_reader::name_cursor()
{
    return cursor_like([](std::string_view given) { return is_slug(given); });
}

std::string query_reader::version_cursor()
{
    std::string given = cursor();
    const bool is_version = given.size() <= 9 && given.find_first_not_of("0123456789") == std::string::npos;
    if (!is_version) refuse("cursor", given, "is not a cursor of this list");
    return given;
}

page_window query_reader::window()
{
    const auto most = static_cast<std::size_t>(limit());
    const std::string given = cursor();
    std::size_t first = 0;
    const auto [end, ec] = std::from_chars(given.data(), given.data() + given.size(), first);
    if (!given.empty() && (ec != std::errc() || end != given.data() + given.size())) refuse("cursor", given, "is not a cursor of this list");
    return {first, most};
}

result<void> query_reader::finish()
{
    for (auto& p : given_) {
        if (p.read) continue;
        p.read = true;
        refuse(p.name, p.value, "is not a parameter of this route; check its spelling or leave it out");
    }
    if (errors_.empty()) return {};
    std::string detail = "The query is refused:";
    for (std::size_t i = 0; i < errors_.size() && i < 3; ++i) {
        const auto& e = errors_[i];
        detail += fmt::format("{} {} {}", i == 0 ? "" : ";", e.field, e.message);
    }
    detail += errors_.size() > 3 ? "; and more." : ".";
    return error{errc::invalid_request, std::move(detail), std::move(errors_)};
}

}
