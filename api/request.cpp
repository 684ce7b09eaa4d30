#include "api/request.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace rowlock::api {

namespace {

constexpr std::array<std::pair<std::string_view, method>, 6> method_names{{
    {"GET", method::get}, {"HEAD", method::head}, {"POST", method::post}, {"PUT", method::put}, {"DELETE", method::delete_}, {"OPTIONS", method::options}}};

// What one large body leaves behind is given back, so that ten thousand idle connections stay small.
constexpr std::size_t memory_kept = 8 * 1024;

constexpr char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

void empty(std::string& buffer)
{
    if (buffer.capacity() > memory_kept) {
        std::string().swap(buffer);
    } else {
        buffer.clear();
    }
}

}

std::string_view to_string(method m)
{
    for (const auto& [name, value] : method_names) {
        if (value == m) return name;
    }
    return {};
}

method parse_method(std::string_view text)
{
    for (const auto& [name, value] : method_names) {
        if (name == text) return value;
    }
    return method::other;
}

bool same_ignoring_case(std::string_view a, std::string_view b)
{
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

void request::clear()
{
    empty(text_);
    empty(body_);
    fields_.clear();
    verb_ = method::other;
    version_ = 11;
    target_ = path_ = query_ = {};
}

void request::set_line(std::string_view method_text, std::string_view target, int version)
{
    verb_ = parse_method(method_text);
    version_ = version;
    target_ = keep(target);
    // A target may be a whole URL, as proxies send it: its path begins after the authority.
    std::size_t begin = 0;
    if (const auto scheme = target.find("://"); !target.starts_with('/') && scheme != std::string_view::npos) {
        begin = std::min(target.find('/', scheme + 3), target.size());
    }
    const auto mark = std::min(target.find('?', begin), target.size());
    path_ = {target_.at + begin, mark - begin};
    query_ = mark == target.size() ? span{} : span{target_.at + mark + 1, target.size() - mark - 1};
}

void request::add_header(std::string_view name, std::string_view value)
{
    const span kept_name = keep(name);
    fields_.push_back({kept_name, keep(value)});
}

std::optional<std::string_view> request::header(std::string_view name, std::size_t n) const
{
    for (const auto& f : fields_) {
        if (f.name.size == name.size() && same_ignoring_case(view(f.name), name) && n-- == 0) return view(f.value);
    }
    return std::nullopt;
}

std::size_t request::header_count(std::string_view name) const
{
    return static_cast<std::size_t>(std::count_if(fields_.begin(), fields_.end(), [&](const field& f) { return same_ignoring_case(view(f.name), name); }));
}

request::span request::keep(std::string_view text)
{
    const span kept{text_.size(), text.size()};
    text_.append(text);
    return kept;
}

}
