#include "ops/cli/base_url.hpp"

#include <charconv>
#include <cstdint>

namespace rowlock::ops {

namespace {

bool is_host(std::string_view host)
{
    return !host.empty() && host.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == std::string_view::npos;
}

bool is_ipv6(std::string_view host)
{
    return !host.empty() && host.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
}

bool is_port(std::string_view port)
{
    std::uint16_t number = 0;
    const auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), number);
    return failure == std::errc{} && end == port.data() + port.size() && number != 0;
}

bool is_path(std::string_view path)
{
    for (const char c : path) {
        if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7F || c == '?' || c == '#') return false;
    }
    return true;
}

}

std::string base_url::authority() const
{
    const bool bracketed = host.find(':') != std::string::npos;
    return (bracketed ? '[' + host + ']' : host) + ':' + port;
}

std::string base_url::text() const
{
    return (tls ? "https://" : "http://") + authority() + prefix;
}

std::optional<base_url> parse_base_url(std::string_view text)
{
    base_url url;
    if (text.starts_with("https://")) url.tls = true;
    else if (!text.starts_with("http://")) return std::nullopt;
    text.remove_prefix(url.tls ? 8 : 7);

    const std::size_t slash = text.find('/');
    std::string_view authority = text.substr(0, slash);
    std::string_view prefix = slash == std::string_view::npos ? std::string_view{} : text.substr(slash);
    while (prefix.ends_with('/')) prefix.remove_suffix(1);
    if (!is_path(prefix)) return std::nullopt;
    url.prefix = prefix;

    std::string_view port = url.tls ? "443" : "80";
    if (authority.starts_with('[')) {
        const std::size_t close = authority.find(']');
        if (close == std::string_view::npos || !is_ipv6(authority.substr(1, close - 1))) return std::nullopt;
        url.host = authority.substr(1, close - 1);
        authority.remove_prefix(close + 1);
        if (!authority.empty() && !authority.starts_with(':')) return std::nullopt;
        if (!authority.empty()) port = authority.substr(1);
    } else {
        const std::size_t colon = authority.find(':');
        url.host = authority.substr(0, colon);
        if (!is_host(url.host)) return std::nullopt;
        if (colon != std::string_view::npos) port = authority.substr(colon + 1);
    }
    if (!is_port(port)) return std::nullopt;
    url.port = port;
    return url;
}

std::string percent_encode(std::string_view text)
{
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) {
            out += c;
        } else {
            out += '%';
            out += digits[byte >> 4];
            out += digits[byte & 15];
        }
    }
    // Servers and proxies take these two segments for "here" and "above".
    if (out == ".") return "%2E";
    if (out == "..") return "%2E%2E";
    return out;
}

target& target::segment(std::string_view value)
{
    text_ += '/';
    text_ += percent_encode(value);
    return *this;
}

target& target::query(std::string_view name, std::string_view value)
{
    text_ += has_query_ ? '&' : '?';
    has_query_ = true;
    text_ += percent_encode(name);
    text_ += '=';
    text_ += percent_encode(value);
    return *this;
}

}
