#include "storage/model/http_address.hpp"

#include <algorithm>
#include <charconv>

namespace rowlock {

namespace {

constexpr std::string_view opening = "{{";
constexpr std::string_view closing = "}}";

std::string lower(std::string_view text)
{
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

bool has_template(std::string_view text)
{
    return text.find(opening) != std::string_view::npos;
}

// The scheme's length with its ://, 0 where it is neither http nor https.
std::size_t scheme_length(std::string_view url)
{
    const std::string start = lower(url.substr(0, 8));
    return start.starts_with("https://") ? 8 : start.starts_with("http://") ? 7 : 0;
}

std::string_view authority_of(std::string_view url)
{
    const auto rest = url.substr(scheme_length(url));
    return rest.substr(0, rest.find_first_of("/?#"));
}

// Where the colon before the port is; npos: no port is written. An IPv6 address has colons of its own, in its brackets.
std::size_t port_colon(std::string_view authority)
{
    const auto bracket = authority.starts_with('[') ? authority.find(']') : 0;
    return bracket == std::string_view::npos ? bracket : authority.find(':', bracket);
}

std::string refusal_of_port(std::string_view port)
{
    if (has_template(port)) return {};
    int n = 0;
    const auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), n);
    if (ec != std::errc{} || end != port.data() + port.size() || n < 1 || n > 65'535) return "has a port that is not 1 to 65535";
    return {};
}

// Outside of templates an address holds no spaces, and nowhere control characters.
std::string refusal_of_characters(std::string_view url)
{
    bool in_template = false;
    for (std::size_t i = 0; i < url.size(); ++i) {
        if (url.substr(i, 2) == opening) in_template = true;
        if (url.substr(i, 2) == closing) in_template = false;
        const auto c = static_cast<unsigned char>(url[i]);
        if (c < 0x20 || c == 0x7f || (c == ' ' && !in_template)) return "must not hold spaces or control characters; write them as %20";
    }
    return in_template ? "has {{ without }}" : "";
}

}

std::string refusal_of_url(std::string_view url)
{
    if (url.starts_with(opening)) return refusal_of_characters(url);
    if (scheme_length(url) == 0) return "must begin with http:// or https://";
    const auto authority = authority_of(url);
    if (authority.empty() || authority.front() == ':') return "must name a host";
    if (authority.find('@') != std::string_view::npos) return "must not carry a user name or password; give an Authorization header";
    if (auto why = refusal_of_characters(url); !why.empty()) return why;
    if (authority.front() == '[' && authority.find(']') == std::string_view::npos) return "has [ without ] around its IPv6 address";
    const auto colon = port_colon(authority);
    return colon == std::string_view::npos ? std::string() : refusal_of_port(authority.substr(colon + 1));
}

std::string refusal_of_url_or_path(std::string_view url)
{
    if (url.starts_with('/') && !url.starts_with("//")) return refusal_of_characters(url);
    if (scheme_length(url) == 0 && !url.starts_with(opening)) return "must begin with http:// or https://, or be a path that begins with one /";
    return refusal_of_url(url);
}

std::optional<std::string> written_target(std::string_view url)
{
    const auto scheme = scheme_length(url);
    const auto authority = authority_of(url);
    if (scheme == 0 || authority.empty() || has_template(authority)) return std::nullopt;
    const auto colon = port_colon(authority);
    if (colon != std::string_view::npos) return lower(authority);
    return lower(authority) + (scheme == 8 ? ":443" : ":80");
}

}
