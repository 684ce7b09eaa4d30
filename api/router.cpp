#include "api/router.hpp"

#include <algorithm>

namespace rowlock::api {

namespace {

int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// The first segment of `rest`, which begins with its slash; `rest` keeps what follows.
std::string_view take_segment(std::string_view& rest)
{
    const auto end = std::min(rest.find('/', 1), rest.size());
    const auto segment = rest.substr(1, end - 1);
    rest.remove_prefix(end);
    return segment;
}

bool fits(std::string_view pattern, std::string_view path)
{
    while (!pattern.empty() && !path.empty()) {
        const auto wanted = take_segment(pattern);
        const auto given = take_segment(path);
        if (wanted.starts_with('{') ? given.empty() : wanted != given) return false;
    }
    return pattern.empty() && path.empty();
}

// False: a segment cannot be decoded, so it names nothing.
bool read_values(std::string_view pattern, std::string_view path, path_values& values)
{
    std::string decoded;
    while (!pattern.empty()) {
        const auto wanted = take_segment(pattern);
        const auto given = take_segment(path);
        if (!wanted.starts_with('{')) continue;
        if (!decode(given, false, decoded)) return false;
        values.add(wanted.substr(1, wanted.size() - 2), decoded);
    }
    return true;
}

void add_method(std::string& allow, std::string_view name)
{
    if (!allow.empty()) allow += ", ";
    allow += name;
}

}

void path_values::add(std::string_view name, std::string_view value)
{
    if (count_ == most) return;
    items_[count_].name = name;
    items_[count_].value.assign(value);
    ++count_;
}

std::string_view path_values::operator[](std::string_view name) const
{
    for (std::size_t i = 0; i < count_; ++i) {
        if (items_[i].name == name) return items_[i].value;
    }
    return {};
}

bool decode(std::string_view text, bool plus_is_space, std::string& out)
{
    out.clear();
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%') {
            if (i + 2 >= text.size()) return false;
            const int high = hex_value(text[i + 1]);
            const int low = hex_value(text[i + 2]);
            if (high < 0 || low < 0 || high + low == 0) return false;
            out.push_back(static_cast<char>(high * 16 + low));
            i += 2;
        } else {
            out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
        }
    }
    return true;
}

match find_route(std::span<const route> routes, method verb, std::string_view path, path_values& values)
{
    values.clear();
    match m;
    if (path.empty() || path.front() != '/') return m;
    const method wanted = verb == method::head ? method::get : verb;
    bool known = false;
    for (std::size_t i = 0; i < routes.size(); ++i) {
        if (!fits(routes[i].pattern, path)) continue;
        known = true;
        if (routes[i].verb != wanted) continue;
        if (!read_values(routes[i].pattern, path, values)) return {};
        m.found = &routes[i];
        m.index = i;
        return m;
    }
    if (!known) return m;
    for (const auto& r : routes) {
        if (!fits(r.pattern, path)) continue;
        add_method(m.allow, to_string(r.verb));
        if (r.verb == method::get) add_method(m.allow, "HEAD");
    }
    add_method(m.allow, "OPTIONS");
    return m;
}

}
