#include "runtime/handlers/sql_rows.hpp"

#include "runtime/handlers/readable.hpp"
#include "storage/model/json_text.hpp"
#include "storage/model/time.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <optional>
#include <utility>

namespace rowlock::runtime {

namespace {

// From PostgreSQL's pg_type, where these never change.
constexpr unsigned int bool_type = 16;
constexpr unsigned int int8_type = 20;
constexpr unsigned int int2_type = 21;
constexpr unsigned int int4_type = 23;
constexpr unsigned int oid_type = 26;
constexpr unsigned int json_type = 114;
constexpr unsigned int float4_type = 700;
constexpr unsigned int float8_type = 701;
constexpr unsigned int timestamp_type = 1114;
constexpr unsigned int timestamptz_type = 1184;
constexpr unsigned int numeric_type = 1700;
constexpr unsigned int jsonb_type = 3802;

// Every decimal of so many digits is the same decimal again after it has been a double, which is what most readers of JSON make of it.
constexpr std::size_t exact_digits = 15;
// Outputs stand a few levels deep in what shows them.
constexpr json_limits embedded{.max_depth = 48};

bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

void append_text_value(std::string& out, std::string_view text)
{
    // A database with the encoding SQL_ASCII hands out any bytes.
    readable_stream stream;
    auto good = stream.feed(text);
    good += stream.finish();
    append_string(out, good);
}

// Digits with a sign and a point at most, as numeric is written; never NaN or Infinity.
bool is_plain_number(std::string_view text)
{
    if (text.starts_with('-')) text.remove_prefix(1);
    return !text.empty() && is_digit(text.front()) && is_digit(text.back()) && std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || c == '.'; });
}

bool is_exact(std::string_view number)
{
    std::int64_t whole = 0;
    const auto end = number.data() + number.size();
    if (const auto read = std::from_chars(number.data(), end, whole); read.ec == std::errc{} && read.ptr == end) return true;
    // Zeros in front do not count: 0.001 has one digit.
    const auto first = number.find_first_not_of("-0.");
    if (first == std::string_view::npos) return true;
    const auto significant = std::count_if(number.begin() + static_cast<std::ptrdiff_t>(first), number.end(), is_digit);
    return static_cast<std::size_t>(significant) <= exact_digits;
}

bool append_float(std::string& out, std::string_view text)
{
    double number = 0;
    const auto end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number);
    if (read.ec != std::errc{} || read.ptr != end || !std::isfinite(number)) return false;
    append_number(out, number);
    return true;
}

// "2026-11-21 10:00:00.5" as "2026-11-21T10:00:00.5"; nullopt for what has no such form: infinity, years before Christ or beyond 9999.
std::optional<std::string> with_t(std::string_view text)
{
    if (text.size() < 19 || text[4] != '-' || text[7] != '-' || text[10] != ' ' || text[13] != ':' || text[16] != ':' || text.ends_with("BC")) return std::nullopt;
    std::string out(text);
    out[10] = 'T';
    return out;
}

// PostgreSQL's offset: +HH, +HH:MM or, of old local times, +HH:MM:SS.
std::optional<std::chrono::seconds> read_offset(std::string_view text)
{
    std::chrono::seconds total{0};
    std::chrono::seconds unit = std::chrono::hours{1};
    for (auto rest = text.substr(1); !rest.empty(); unit /= 60) {
        if (rest.size() < 2 || !is_digit(rest[0]) || !is_digit(rest[1]) || unit.count() == 0) return std::nullopt;
        total += unit * ((rest[0] - '0') * 10 + (rest[1] - '0'));
        rest.remove_prefix(2);
        if (!rest.empty() && rest.front() != ':') return std::nullopt;
        if (!rest.empty()) rest.remove_prefix(1);
    }
    return text.front() == '-' ? -total : total;
}

std::optional<std::string> in_utc(std::string_view text)
{
    const auto sign = text.find_last_of("+-");
    if (sign == std::string_view::npos || sign < 19) return std::nullopt;
    const auto local = with_t(text.substr(0, sign));
    const auto offset = read_offset(text.substr(sign));
    if (!local || !offset) return std::nullopt;
    if (const auto at = parse_rfc3339(*local + "Z")) return to_rfc3339(*at - *offset);
    // Before 1970: as it stands, where its offset is one that RFC 3339 has.
    auto written = std::string(text.substr(sign));
    if (written.size() == 3) written += ":00";
    if (written.size() != 6) return std::nullopt;
    return *local + written;
}

// What jsonb cannot hold would make the whole result unreadable, so it stays a string.
bool can_be_embedded(std::string_view text)
{
    const auto value = parse_json(text, embedded);
    return value && !find_nul(*value);
}

}

void append_sql_value(std::string& out, unsigned int type, std::string_view text)
{
    std::optional<std::string> time;
    switch (type) {
    case bool_type: out += text == "t" ? "true" : "false"; return;
    case int2_type:
    case int4_type:
    case int8_type:
    case oid_type: out += text; return;
    case float4_type:
    case float8_type:
        if (append_float(out, text)) return;
        break;
    case numeric_type:
        if (is_plain_number(text) && is_exact(text)) {
            out += text;
            return;
        }
        break;
    case json_type:
    case jsonb_type:
        if (can_be_embedded(text)) {
            out += text;
            return;
        }
        break;
    case timestamp_type: time = with_t(text); break;
    case timestamptz_type: time = in_utc(text); break;
    default: break;
    }
    append_text_value(out, time ? *time : text);
}

sql_rows::sql_rows(int most_rows, std::int64_t most_bytes)
    : most_rows_(static_cast<std::size_t>(std::max(most_rows, 0))), most_bytes_(static_cast<std::size_t>(std::max<std::int64_t>(most_bytes, 0)))
{
}

void sql_rows::add(const pg_result& from, int row)
{
    ++seen_;
    // One that finds no room is the end of them, so that what is kept are the first.
    truncated_ = truncated_ || kept_ >= most_rows_;
    if (truncated_) return;
    const int count = PQnfields(&from);
    if (columns_.empty()) {
        columns_.resize(static_cast<std::size_t>(count));
        for (int i = count - 1; i >= 0; --i) {
            std::string key;
            append_text_value(key, PQfname(&from, i));
            key += ':';
            const bool again = std::any_of(columns_.begin(), columns_.end(), [&key](const column& c) { return c.key == key; });
            columns_[static_cast<std::size_t>(i)] = {again ? std::string() : std::move(key), PQftype(&from, i)};
        }
    }
    std::string text = kept_ == 0 ? "{" : ",{";
    bool first = true;
    for (int i = 0; i < count; ++i) {
        const auto& c = columns_[static_cast<std::size_t>(i)];
        if (c.key.empty()) continue;
        if (!std::exchange(first, false)) text += ',';
        text += c.key;
        if (PQgetisnull(&from, row, i) != 0) text += "null";
        else append_sql_value(text, c.type, {PQgetvalue(&from, row, i), static_cast<std::size_t>(PQgetlength(&from, row, i))});
        if (text.size() > most_bytes_) break;
    }
    if (rows_.size() + text.size() + 1 > most_bytes_) {
        truncated_ = true;
        return;
    }
    rows_ += text;
    rows_ += '}';
    ++kept_;
}

std::string sql_rows::outputs(std::int64_t row_count) const
{
    return fmt::format(R"({{"row_count":{},"rows":[{}]{}}})", row_count, rows_, truncated_ ? R"(,"truncated":true)" : "");
}

}
