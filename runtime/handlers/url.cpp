#include "runtime/handlers/url.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

namespace rowlock::runtime {

namespace {

constexpr std::uint16_t default_port(bool tls)
{
    return tls ? 443 : 80;
}

char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lowered(std::string_view text)
{
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), lower);
    return out;
}

bool is_printable(std::string_view text)
{
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

bool is_host_character(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '.' || c == '-' || c == '_' || c == '~';
}

bool is_address_character(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == ':' || c == '.';
}

bool take_authority(std::string_view text, url& u)
{
    if (text.find('@') != std::string_view::npos) return false;
    std::string_view port;
    if (text.starts_with('[')) {
        const auto close = text.find(']');
        if (close == std::string_view::npos) return false;
        u.host = lowered(text.substr(1, close - 1));
        if (u.host.find(':') == std::string::npos || !std::all_of(u.host.begin(), u.host.end(), is_address_character)) return false;
        port = text.substr(close + 1);
    } else {
        const auto colon = text.find(':');
        u.host = lowered(text.substr(0, colon));
        if (u.host.empty() || !std::all_of(u.host.begin(), u.host.end(), is_host_character)) return false;
        port = colon == std::string_view::npos ? std::string_view{} : text.substr(colon);
    }
    u.port = default_port(u.tls);
    if (port.empty()) return true;
    if (port.front() != ':') return false;
    port.remove_prefix(1);
    if (port.empty()) return true;
    const auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), u.port);
    return ec == std::errc{} && end == port.data() + port.size() && u.port != 0;
}

// RFC 3986 §5.2.4, on the path alone.
std::string without_dots(std::string_view path)
{
    std::vector<std::string_view> kept;
    bool directory = false;
    for (std::size_t at = 0; at <= path.size();) {
        const auto slash = std::min(path.find('/', at), path.size());
        const auto segment = path.substr(at, slash - at);
        directory = segment.empty() || segment == "." || segment == "..";
        if (segment == "..") {
            if (!kept.empty()) kept.pop_back();
        } else if (segment != "." && (!segment.empty() || (at > 0 && slash < path.size()))) {
            kept.push_back(segment);
        }
        at = slash + 1;
    }
    std::string out;
    for (const auto segment : kept) {
        out += '/';
        out += segment;
    }
    if (directory || out.empty()) out += '/';
    return out;
}

}

std::optional<url> parse_url(std::string_view text)
{
    if (!is_printable(text)) return std::nullopt;
    text = text.substr(0, text.find('#'));
    const auto colon = text.find("://");
    if (colon == std::string_view::npos) return std::nullopt;
    const auto scheme = lowered(text.substr(0, colon));
    if (scheme != "http" && scheme != "https") return std::nullopt;
    url u;
    u.tls = scheme == "https";
    text.remove_prefix(colon + 3);
    const auto end = std::min(text.find_first_of("/?"), text.size());
    if (!take_authority(text.substr(0, end), u)) return std::nullopt;
    const auto target = text.substr(end);
    u.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
    return u;
}

std::optional<url> resolve(const url& base, std::string_view reference)
{
    if (!is_printable(reference)) return std::nullopt;
    reference = reference.substr(0, reference.find('#'));
    // A colon before any slash or question mark ends a scheme.
    const auto mark = reference.find_first_of(":/?");
    if (mark != std::string_view::npos && reference[mark] == ':') return parse_url(reference);
    if (reference.starts_with("//")) return parse_url((base.tls ? "https:" : "http:") + std::string(reference));

    url u = base;
    if (reference.empty()) return u;
    const std::string_view base_path = std::string_view(base.target).substr(0, base.target.find('?'));
    if (reference.front() == '?') {
        u.target = std::string(base_path) + std::string(reference);
        return u;
    }
    const auto path = reference.substr(0, reference.find('?'));
    const auto query = reference.substr(path.size());
    const auto joined = path.starts_with('/') ? std::string(path) : std::string(base_path.substr(0, base_path.rfind('/') + 1)) + std::string(path);
    u.target = without_dots(joined) + std::string(query);
    return u;
}

std::string authority(const url& of)
{
    auto out = of.host.find(':') == std::string::npos ? of.host : "[" + of.host + "]";
    if (of.port != default_port(of.tls)) out += ":" + std::to_string(of.port);
    return out;
}

std::string to_string(const url& of)
{
    return (of.tls ? "https://" : "http://") + authority(of) + of.target;
}

}
