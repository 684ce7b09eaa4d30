#include "ops/cli/yaml_text.hpp"

#include "ops/cli/yaml_json.hpp"
#include "storage/model/json_text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

// YAML 1.1 readers take these for booleans.
bool is_old_boolean(std::string_view text)
{
    for (const std::string_view word : {"y", "Y", "n", "N", "yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF"}) {
        if (text == word) return true;
    }
    return false;
}

// Text that means itself without quotes to every reader: letters, digits and a few signs, begun by a letter, '_' or '/'.
bool is_safe_plain(std::string_view text)
{
    const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    if (text.empty() || !(letter(text.front()) || text.front() == '_' || text.front() == '/')) return false;
    for (const char c : text) {
        if (!letter(c) && !(c >= '0' && c <= '9') && std::string_view{"_-./"}.find(c) == std::string_view::npos) return false;
    }
    const auto read = read_plain_scalar(text);
    return read.has_value() && read->is_string() && !is_old_boolean(text);
}

// JSON's quoted text is YAML's double-quoted text, but for DEL, which YAML wants escaped.
std::string scalar_text(const json::value& value)
{
    if (const json::string* text = value.if_string(); text && is_safe_plain(*text)) return std::string{*text};
    std::string quoted = to_text(value);
    for (std::size_t at = quoted.find('\x7f'); at != std::string::npos; at = quoted.find('\x7f', at)) quoted.replace(at, 1, "\\x7f");
    return quoted;
}

bool is_block(const json::value& value)
{
    return (value.is_object() && !value.get_object().empty()) || (value.is_array() && !value.get_array().empty());
}

// Writes a block whose lines begin with `indent` blanks. `inside_item`: the first line's place is taken already, by "- ".
void write_block(std::string& out, const json::value& value, std::size_t indent, bool inside_item)
{
    bool first = inside_item;
    const auto begin_line = [&] {
        if (!first) out.append(indent, ' ');
        first = false;
    };
    if (const json::object* members = value.if_object()) {
        for (const auto& member : *members) {
            begin_line();
            out += scalar_text(json::value(member.key())) + ':';
            if (is_block(member.value())) {
                out += '\n';
                write_block(out, member.value(), indent + 2, false);
            } else {
                out += ' ' + scalar_text(member.value()) + '\n';
            }
        }
        return;
    }
    for (const json::value& item : value.get_array()) {
        begin_line();
        out += "- ";
        if (is_block(item)) write_block(out, item, indent + 2, true);
        else out += scalar_text(item) + '\n';
    }
}

}

std::string to_yaml_text(const json::value& value)
{
    if (!is_block(value)) return scalar_text(value) + '\n';
    std::string out;
    write_block(out, value, 0, false);
    return out;
}

}
