#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::api {

enum class method : std::uint8_t { get, head, post, put, delete_, options, other };
// "GET", "HEAD", ...; empty for `other`.
std::string_view to_string(method m);
method parse_method(std::string_view text);

// One HTTP request in buffers that the next request of the connection uses again: after a few requests nothing is allocated.
// Views that it hands out hold until clear().
class request {
public:
    // Forgets the request and keeps the memory, unless an unusual request has made it large.
    void clear();

    void set_line(std::string_view method_text, std::string_view target, int version);
    void add_header(std::string_view name, std::string_view value);
    void append_body(std::string_view part) { body_.append(part); }
    void reserve_body(std::size_t size) { body_.reserve(size); }

    method verb() const { return verb_; }
    int version() const { return version_; }                     // 10 or 11
    std::string_view target() const { return view(target_); }
    std::string_view path() const { return view(path_); }        // not decoded; without the query
    std::string_view query() const { return view(query_); }      // not decoded; without its '?'
    std::string_view body() const { return body_; }
    // What the body's buffer takes.
    std::size_t body_memory() const { return body_.capacity(); }
    // Forgets the body, and gives its memory back.
    void drop_body() { std::string().swap(body_); }

    // The first header of that name, in whatever case it was sent; nullopt where there is none.
    std::optional<std::string_view> header(std::string_view name) const { return header(name, 0); }
    // The n-th of those of that name, from 0.
    std::optional<std::string_view> header(std::string_view name, std::size_t n) const;
    std::size_t header_count(std::string_view name) const;

private:
    struct span {
        std::size_t at = 0;
        std::size_t size = 0;
    };
    struct field {
        span name;
        span value;
    };

    span keep(std::string_view text);
    std::string_view view(span s) const { return std::string_view(text_).substr(s.at, s.size); }

    method verb_ = method::other;
    int version_ = 11;
    std::string text_;                                           // the request line and the headers
    span target_;
    span path_;
    span query_;
    std::vector<field> fields_;
    std::string body_;
};

// ASCII letters in either case are the same; nothing else is folded.
bool same_ignoring_case(std::string_view a, std::string_view b);

}
