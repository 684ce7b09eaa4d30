#include "storage/model/json_text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <charconv>
#include <cmath>
#include <fmt/format.h>

namespace rowlock {

namespace json = boost::json;

namespace {

constexpr char hex_digits[] = "0123456789abcdef";

template <class Integer>
void append_integer(std::string& out, Integer i)
{
    const fmt::format_int text(i);
    out.append(text.data(), text.size());
}

// Compact where `indent` is negative. `level` is the depth of the container that is being written.
class writer {
public:
    writer(std::string& out, int indent) : out_(out), indent_(indent) {}

    void write(const json::value& v, int level)
    {
        switch (v.kind()) {
        case json::kind::null: out_ += "null"; return;
        case json::kind::bool_: out_ += v.get_bool() ? "true" : "false"; return;
        case json::kind::int64: append_integer(out_, v.get_int64()); return;
        case json::kind::uint64: append_integer(out_, v.get_uint64()); return;
        case json::kind::double_: append_number(out_, v.get_double()); return;
        case json::kind::string: append_string(out_, {v.get_string().data(), v.get_string().size()}); return;
        case json::kind::array: write(v.get_array(), level); return;
        case json::kind::object: write(v.get_object(), level); return;
        }
    }

    void write(const json::array& a, int level)
    {
        out_ += '[';
        for (std::size_t i = 0; i < a.size(); ++i) {
            if (i > 0) out_ += ',';
            new_line(level + 1);
            write(a[i], level + 1);
        }
        if (!a.empty()) new_line(level);
        out_ += ']';
    }

    void write(const json::object& o, int level)
    {
        out_ += '{';
        bool first = true;
        for (const auto& member : o) {
            if (!first) out_ += ',';
            first = false;
            new_line(level + 1);
            append_string(out_, {member.key().data(), member.key().size()});
            out_ += indent_ < 0 ? ":" : ": ";
            write(member.value(), level + 1);
        }
        if (!o.empty()) new_line(level);
        out_ += '}';
    }

private:
    void new_line(int level)
    {
        if (indent_ < 0) return;
        out_ += '\n';
        out_.append(static_cast<std::size_t>(level * indent_), ' ');
    }

    std::string& out_;
    int indent_;
};

}

void append_string(std::string& out, std::string_view text)
{
    out += '"';
    std::size_t run = 0;      // start of what needs no escape and is not yet copied
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\') continue;
        out.append(text, run, i - run);
        run = i + 1;
        out += '\\';
        switch (c) {
        case '"': out += '"'; break;
        case '\\': out += '\\'; break;
        case '\b': out += 'b'; break;
        case '\f': out += 'f'; break;
        case '\n': out += 'n'; break;
        case '\r': out += 'r'; break;
        case '\t': out += 't'; break;
        default:
            out += "u00";
            out += hex_digits[static_cast<unsigned char>(c) >> 4];
            out += hex_digits[static_cast<unsigned char>(c) & 15];
        }
    }
    out.append(text, run, text.size() - run);
    out += '"';
}

void append_number(std::string& out, double number)
{
    if (!std::isfinite(number)) {
        out += "null";
        return;
    }
    char buffer[64];
    const double size = std::fabs(number);
    const bool ordinary = size == 0 || (size >= 1e-7 && size < 1e15);
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, number, ordinary ? std::chars_format::fixed : std::chars_format::scientific).ptr;
    const std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
    out += text;
    if (ordinary && text.find('.') == std::string_view::npos) out += ".0";
}

void append_text(std::string& out, const json::value& v)
{
    writer(out, -1).write(v, 0);
}

void append_text(std::string& out, const json::object& o)
{
    writer(out, -1).write(o, 0);
}

std::string to_text(const json::value& v)
{
    std::string out;
    append_text(out, v);
    return out;
}

std::string to_pretty_text(const json::value& v, int indent)
{
    std::string out;
    writer(out, indent).write(v, 0);
    return out;
}

std::string path_of(std::string_view parent, std::string_view key)
{
    constexpr std::size_t longest = 128;
    std::string path(parent);
    if (!path.empty()) path += '.';
    // Cut between characters, never inside one: the path itself must stay UTF-8.
    std::size_t end = key.size();
    if (end > longest) {
        end = longest;
        while (end > 0 && (static_cast<unsigned char>(key[end]) & 0xc0) == 0x80) --end;
    }
    for (const char c : key.substr(0, end)) {
        if (c == '\0') path += "\\u0000";
        else path += c;
    }
    if (end < key.size()) path += "...";
    return path;
}

std::string path_of(std::string_view parent, std::size_t index)
{
    return fmt::format("{}[{}]", parent, index);
}

namespace {

bool has_nul(std::string_view text)
{
    return text.find('\0') != std::string_view::npos;
}

// One step of the way down to a value; the chain lives on the stack, so that a value without NULs costs no allocation.
struct step {
    const step* up;
    std::optional<std::string_view> key;      // none: an element
    std::size_t index;
};

std::string path_to(const step* last)
{
    if (!last) return {};
    const std::string parent = path_to(last->up);
    return last->key ? path_of(parent, *last->key) : path_of(parent, last->index);
}

void collect_nul(const json::value& v, const step* here, std::size_t at_most, std::vector<std::string>& found);

void collect_nul(const json::object& o, const step* here, std::size_t at_most, std::vector<std::string>& found)
{
    for (const auto& member : o) {
        if (found.size() >= at_most) return;
        const step below{here, std::string_view(member.key().data(), member.key().size()), 0};
        if (has_nul(*below.key)) found.push_back(path_to(&below));
        else collect_nul(member.value(), &below, at_most, found);
    }
}

void collect_nul(const json::value& v, const step* here, std::size_t at_most, std::vector<std::string>& found)
{
    if (const auto* s = v.if_string()) {
        if (has_nul({s->data(), s->size()})) found.push_back(path_to(here));
    } else if (const auto* o = v.if_object()) {
        collect_nul(*o, here, at_most, found);
    } else if (const auto* a = v.if_array()) {
        for (std::size_t i = 0; i < a->size() && found.size() < at_most; ++i) {
            const step below{here, std::nullopt, i};
            collect_nul((*a)[i], &below, at_most, found);
        }
    }
}

}

std::vector<std::string> find_every_nul(const json::object& o, std::size_t at_most)
{
    std::vector<std::string> found;
    collect_nul(o, nullptr, at_most, found);
    return found;
}

std::optional<std::string> find_nul(const json::value& v)
{
    std::vector<std::string> found;
    collect_nul(v, nullptr, 1, found);
    if (found.empty()) return std::nullopt;
    return std::move(found.front());
}

}
