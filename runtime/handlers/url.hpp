#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rowlock::runtime {

// An http or https address, taken apart. Without fragment, which is never sent.
struct url {
    bool tls = false;
    std::string host;                                // in lower case; an IPv6 address without its brackets
    std::uint16_t port = 80;
    std::string target = "/";                        // path and query

    bool operator==(const url&) const = default;
};

// RFC 3986 as far as http needs it. nullopt for another scheme, no host, a port out of range, a name and password in the
// address, spaces, control characters and bytes beyond ASCII. Pure.
std::optional<url> parse_url(std::string_view text);

// What `reference` (a Location header) means at `base`: RFC 3986 §5.2. Pure.
std::optional<url> resolve(const url& base, std::string_view reference);

// The Host header: with the port only where it is not the scheme's own.
std::string authority(const url& of);
std::string to_string(const url& of);

}
