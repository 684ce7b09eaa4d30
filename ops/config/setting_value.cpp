#include "ops/config/settings_table.hpp"

#include "storage/connection_defaults.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/json_text.hpp"
#include "storage/model/placement.hpp"

#include <algorithm>
#include <array>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value_from.hpp>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

constexpr std::array<std::string_view, 2> auth_names{"token", "none"};
constexpr std::array<std::string_view, 2> fairness_names{"tenant", "off"};
constexpr std::array<std::string_view, 2> other_error_names{"TRANSIENT", "PERMANENT"};
constexpr std::array<std::string_view, 5> level_names{"trace", "debug", "info", "warn", "error"};
constexpr std::array<std::string_view, 7> handler_names{"noop", "sleep", "fail", "process", "http", "sql", "composite"};
constexpr std::array<std::string_view, 3> format_names{"auto", "json", "text"};

std::span<const std::string_view> names_of(auth_mode settings::*) { return auth_names; }
std::span<const std::string_view> names_of(fairness_mode settings::*) { return fairness_names; }
std::span<const std::string_view> names_of(other_errors settings::*) { return other_error_names; }
std::span<const std::string_view> names_of(log_level settings::*) { return level_names; }
std::span<const std::string_view> names_of(log_format settings::*) { return format_names; }

template <class Number>
std::optional<Number> read_number(std::string_view text)
{
    Number n{};
    const auto end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, n);
    if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
    return n;
}

bool within(const setting& row, double d)
{
    if (!row.range) return std::isfinite(d);
    return (d >= row.range->least && d <= row.range->most) || (row.range->or_zero && d == 0);
}

std::string plain(double d)
{
    return d == std::floor(d) ? fmt::format("{}", static_cast<std::int64_t>(d)) : fmt::format("{}", d);
}

std::string must_be(const setting& row, std::string_view what)
{
    if (!row.range) return fmt::format("must be {}", what);
    return fmt::format("must be {} from {} to {}{}", what, plain(row.range->least), plain(row.range->most), row.range->or_zero ? ", or 0" : "");
}

std::string trimmed(std::string_view text)
{
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return std::string(text.substr(first, text.find_last_not_of(" \t") - first + 1));
}

using refusal = std::optional<std::string>;

// Reads a text into the member of a row; one overload for each kind of member.
struct reader {
    settings& to;
    const setting& row;
    std::string_view text;

    refusal operator()(bool settings::*member) const
    {
        if (text != "true" && text != "false") return "must be true or false";
        to.*member = text == "true";
        return std::nullopt;
    }

    template <class Integer>
        requires std::is_same_v<Integer, int> || std::is_same_v<Integer, std::int64_t>
    refusal operator()(Integer settings::*member) const
    {
        const auto n = read_number<Integer>(text);
        if (!n || !within(row, static_cast<double>(*n))) return must_be(row, "an integer");
        to.*member = *n;
        return std::nullopt;
    }

    refusal operator()(double settings::*member) const
    {
        const auto n = read_number<double>(text);
        if (!n || !within(row, *n)) return must_be(row, "a number");
        to.*member = *n;
        return std::nullopt;
    }

    refusal operator()(const duration_member& d) const
    {
        const auto n = read_number<double>(text);
        if (d.unit == 1) {
            if (!n || !within(row, *n) || *n != std::floor(*n)) return must_be(row, "an integer");
        } else if (!n || !within(row, *n) || std::fabs(*n * static_cast<double>(d.unit) - std::round(*n * static_cast<double>(d.unit))) > 1e-3) {
            return must_be(row, d.unit == 1000 ? "seconds, in steps of 0.001," : d.unit == 3'600'000 ? "hours" : "days");
        }
        to.*d.member = milliseconds{std::llround(*n * static_cast<double>(d.unit))};
        return std::nullopt;
    }

    refusal operator()(std::string settings::*member) const
    {
        if (text.find('\0') != std::string_view::npos) return "must not contain U+0000";
        to.*member = std::string(text);
        return std::nullopt;
    }

    refusal operator()(std::vector<std::string> settings::*member) const
    {
        std::vector<std::string> items;
        for (std::size_t at = 0; at <= text.size();) {
            const auto comma = std::min(text.find(',', at), text.size());
            if (auto item = trimmed(text.substr(at, comma - at)); !item.empty()) items.push_back(std::move(item));
            at = comma + 1;
        }
        to.*member = std::move(items);
        return std::nullopt;
    }

    refusal operator()(named_urls settings::*member) const
    {
        if (text.empty()) return std::nullopt;
        const auto equals = text.find('=');
        const std::string name(text.substr(0, equals));
        if (equals == std::string_view::npos || !is_slug(name)) {
            return "must be NAME=URL, the name of at most 128 letters a to z, digits, '.', '_' and '-', beginning with a letter or digit";
        }
        const std::string url(text.substr(equals + 1));
        // What libpq says to a text that it does not understand may hold a password.
        if (url.empty() || !storage::is_connection_string(url)) return "must have a URL of PostgreSQL, as in postgresql://user@host/name";
        (to.*member)[name] = url;
        return std::nullopt;
    }

    // NAME=VALUE, each name once. `take` says what is wrong with one of them.
    template <class Take>
    refusal read_pairs(Take take) const
    {
        for (std::size_t at = 0; at < text.size();) {
            const auto comma = std::min(text.find(',', at), text.size());
            const auto pair = trimmed(text.substr(at, comma - at));
            at = comma + 1;
            if (pair.empty()) continue;
            const auto equals = std::min(pair.find('='), pair.size());
            const auto name = trimmed(std::string_view(pair).substr(0, equals));
            if (equals == pair.size()) return fmt::format("must have NAME=VALUE, comma between, and {} has no =", pair);
            if (auto why = take(name, trimmed(std::string_view(pair).substr(equals + 1)))) return why;
        }
        return std::nullopt;
    }

    refusal operator()(label_list settings::*member) const
    {
        label_list made;
        auto refused = read_pairs([&made](const std::string& name, const std::string& value) -> refusal {
            if (const auto why = refusal_of_label(name, value); !why.empty()) return fmt::format("the label {} {}", name, why);
            if (!made.all.emplace(name, value).second) return fmt::format("must have the label {} once", name);
            if (made.all.size() > most_labels) return fmt::format("must have at most {} labels", most_labels);
            return std::nullopt;
        });
        if (!refused) to.*member = std::move(made);
        return refused;
    }

    refusal operator()(handler_counts settings::*member) const
    {
        handler_counts made;
        auto refused = read_pairs([this, &made](const std::string& type, const std::string& value) -> refusal {
            if (std::find(handler_names.begin(), handler_names.end(), type) == handler_names.end()) {
                return fmt::format("{} is no type of handler: they are {}", type, fmt::join(handler_names, ", "));
            }
            const auto n = read_number<int>(value);
            if (!n || !within(row, *n)) return fmt::format("the number for {} {}", type, must_be(row, "an integer"));
            if (!made.all.emplace(type, *n).second) return fmt::format("must have {} once", type);
            return std::nullopt;
        });
        if (!refused) to.*member = std::move(made);
        return refused;
    }

    refusal operator()(listen_address settings::*member) const
    {
        auto address = parse_listen_address(text);
        if (!address) return "must be ADDRESS:PORT with an IP address (IPv6 in brackets) or localhost, and a port from 0 to 65535";
        to.*member = std::move(*address);
        return std::nullopt;
    }

    template <class Enum>
        requires std::is_enum_v<Enum>
    refusal operator()(Enum settings::*member) const
    {
        const auto names = names_of(member);
        const auto at = std::find(names.begin(), names.end(), text);
        if (at == names.end()) return fmt::format("must be one of {}", fmt::join(names, ", "));
        to.*member = static_cast<Enum>(at - names.begin());
        return std::nullopt;
    }
};

// A whole number without a fraction: 30, not 30.0.
json::value number_value(double d)
{
    if (d == std::floor(d) && std::fabs(d) < 1e15) return static_cast<std::int64_t>(d);
    return d;
}

template <class Value>
json::value object_of(const std::map<std::string, Value>& entries)
{
    json::object all;
    for (const auto& [name, value] : entries) all[name] = json::value_from(value);
    return all;
}

struct writer {
    const settings& from;

    json::value operator()(bool settings::*member) const { return from.*member; }
    json::value operator()(int settings::*member) const { return from.*member; }
    json::value operator()(std::int64_t settings::*member) const { return from.*member; }
    json::value operator()(double settings::*member) const { return number_value(from.*member); }
    json::value operator()(std::string settings::*member) const { return json::value(json::string(from.*member)); }
    json::value operator()(std::vector<std::string> settings::*member) const { return json::value(json::string(fmt::format("{}", fmt::join(from.*member, ",")))); }
    json::value operator()(named_urls settings::*member) const
    {
        json::object all;
        for (const auto& [name, url] : from.*member) all[name] = json::string(mask_password(url));
        return all;
    }
    json::value operator()(label_list settings::*member) const { return object_of((from.*member).all); }
    json::value operator()(handler_counts settings::*member) const { return object_of((from.*member).all); }
    json::value operator()(listen_address settings::*member) const { return json::value(json::string((from.*member).str())); }
    json::value operator()(const duration_member& d) const { return number_value(static_cast<double>((from.*d.member).count()) / static_cast<double>(d.unit)); }

    template <class Enum>
        requires std::is_enum_v<Enum>
    json::value operator()(Enum settings::*member) const
    {
        const auto name = names_of(member)[static_cast<std::size_t>(from.*member)];
        return json::value(json::string_view(name.data(), name.size()));
    }
};

struct type_namer {
    std::string_view operator()(bool settings::*) const { return "boolean"; }
    std::string_view operator()(int settings::*) const { return "integer"; }
    std::string_view operator()(std::int64_t settings::*) const { return "integer"; }
    std::string_view operator()(double settings::*) const { return "number"; }
    std::string_view operator()(std::vector<std::string> settings::*) const { return "list"; }
    std::string_view operator()(named_urls settings::*) const { return "map"; }
    std::string_view operator()(label_list settings::*) const { return "map"; }
    std::string_view operator()(handler_counts settings::*) const { return "map"; }
    std::string_view operator()(const duration_member& d) const { return d.unit == 1 ? "integer" : "number"; }
    template <class Text>
    std::string_view operator()(Text settings::*) const { return "string"; }
};

struct choices_of {
    template <class Member>
    std::span<const std::string_view> operator()(Member settings::*member) const
    {
        if constexpr (std::is_enum_v<Member>) return names_of(member);
        else return {};
    }
    std::span<const std::string_view> operator()(const duration_member&) const { return {}; }
};

}

std::optional<std::string> assign(settings& to, const setting& row, std::string_view text)
{
    return std::visit(reader{to, row, text}, row.member);
}

json::value shown_value(const settings& from, const setting& row)
{
    json::value v = std::visit(writer{from}, row.member);
    if (!row.secret || has_entries(row)) return v;
    const auto& text = v.get_string();
    return json::value(json::string(mask_password({text.data(), text.size()})));
}

std::string shown_text(const setting& row, std::string_view text)
{
    // Of an entry that is wrong nobody knows where its password stands.
    if (has_entries(row)) {
        const auto name = text.substr(0, text.find('='));
        return name.size() < text.size() && is_slug(name) ? std::string(name) + "=***" : "***";
    }
    return row.secret ? mask_password(text) : std::string(text);
}

std::string_view type_name(const setting& row)
{
    return std::visit(type_namer{}, row.member);
}

std::string range_text(const setting& row)
{
    if (row.range) return fmt::format("{}{}..{}", row.range->or_zero ? "0|" : "", plain(row.range->least), plain(row.range->most));
    return fmt::format("{}", fmt::join(std::visit(choices_of{}, row.member), "|"));
}

}
