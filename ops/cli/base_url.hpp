#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rowlock::ops {

// Where the server is.
struct base_url {
    bool tls = false;
    std::string host;                        // without brackets
    std::string port;                        // digits
    std::string prefix{};                    // "" or "/below", without a slash at the end

    // What the Host header says.
    std::string authority() const;
    std::string text() const;
};

// http://HOST[:PORT][/PREFIX], https likewise; HOST is a name, an IPv4 address, or an IPv6 address in brackets. nullopt for anything else,
// user names, queries and fragments included.
std::optional<base_url> parse_base_url(std::string_view text);

// Text as one segment of a path or one value of a query: all but letters, digits and -._~ as %XX.
std::string percent_encode(std::string_view text);

// A path with its query, put together safely: target("/v1/jobs").segment(id).query("limit", "5").text().
class target {
public:
    explicit target(std::string_view path) : text_(path) {}
    target& segment(std::string_view value);
    target& query(std::string_view name, std::string_view value);
    const std::string& text() const { return text_; }

private:
    std::string text_;
    bool has_query_ = false;
};

}
