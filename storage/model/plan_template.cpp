#include "storage/model/plan_template.hpp"

#include "storage/model/braces.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <boost/json/string.hpp>
#include <charconv>
#include <fmt/format.h>

namespace rowlock {

namespace {

constexpr std::string_view what_may_stand =
    "a template is {{ nodes.NODE.outputs.NAME }}, {{ parameters.NAME }}, {{ item }} or {{ item.NAME }}; other text with braces can be given as a parameter of the plan and named";
constexpr std::size_t most_index_digits = 9;         // PostgreSQL's subscripts have 31 bits

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::optional<std::size_t> index_in(std::string_view text)
{
    if (text.empty() || text.size() > most_index_digits || !std::all_of(text.begin(), text.end(), is_digit)) return std::nullopt;
    std::size_t index = 0;
    std::from_chars(text.data(), text.data() + text.size(), index);
    return index;
}

// The JSON string that `text` begins with, and how long it is there.
struct quoted {
    std::string name;
    std::size_t length = 0;
};
std::optional<quoted> quoted_name(std::string_view text)
{
    std::size_t end = 1;
    while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
    if (end >= text.size()) return std::nullopt;
    const auto parsed = parse_json(text.substr(0, end + 1));
    if (!parsed) return std::nullopt;
    const auto& s = parsed->as_string();
    return quoted{{s.data(), s.size()}, end + 1};
}

// Takes one step off `rest`; nullopt: there is none that could be taken.
std::optional<template_step> take_step(std::string_view& rest)
{
    if (rest.front() == '.') {
        const auto name = rest.substr(1, rest.find_first_of(".[", 1) - 1);
        if (name.empty() || name.find_first_of(" \t\r\n\"'`]{}()?@$*|+=<>!,;") != std::string_view::npos) return std::nullopt;
        rest.remove_prefix(1 + name.size());
        const auto index = index_in(name);
        return template_step{index ? template_step::kind::either : template_step::kind::member, std::string(name), index.value_or(0)};
    }
    if (rest.front() != '[') return std::nullopt;
    rest.remove_prefix(1);
    template_step step;
    if (rest.starts_with('"')) {
        auto found = quoted_name(rest);
        if (!found) return std::nullopt;
        rest.remove_prefix(found->length);
        step.name = std::move(found->name);
    } else {
        const auto digits = rest.substr(0, rest.find(']'));
        const auto index = index_in(digits);
        if (!index) return std::nullopt;
        rest.remove_prefix(digits.size());
        step.what = template_step::kind::index;
        step.index = *index;
    }
    if (!rest.starts_with(']')) return std::nullopt;
    rest.remove_prefix(1);
    return step;
}

bool read_path(std::string_view rest, std::vector<template_step>& path)
{
    while (!rest.empty()) {
        auto step = take_step(rest);
        if (!step) return false;
        path.push_back(std::move(*step));
    }
    return true;
}

// What follows `nodes`: .ID and a path, or ["ID"] and a path. Takes the id off `rest`.
struct named_node {
    std::string id;
    std::optional<std::uint32_t> index;
};
std::optional<named_node> take_node(std::string_view& rest, const node_index& find_node)
{
    if (rest.starts_with('[')) {
        const auto step = take_step(rest);
        if (!step || step->what != template_step::kind::member) return std::nullopt;
        return named_node{step->name, find_node(step->name)};
    }
    if (!rest.starts_with('.')) return std::nullopt;
    rest.remove_prefix(1);
    constexpr std::size_t longest_id = 128;
    const auto all = rest.substr(0, std::min(rest.find('['), longest_id + 1));
    for (auto end = all.size(); end != std::string_view::npos && end > 0; end = all.rfind('.', end - 1)) {
        const bool whole_name = end == rest.size() || rest[end] == '.' || rest[end] == '[';
        const auto index = whole_name ? find_node(all.substr(0, end)) : std::nullopt;
        if (!index) continue;
        rest.remove_prefix(end);
        return named_node{std::string(all.substr(0, end)), index};
    }
    const auto first = all.substr(0, all.find('.'));
    if (first.empty()) return std::nullopt;
    rest.remove_prefix(first.size());
    return named_node{std::string(first), std::nullopt};
}

// "": it is right.
std::string read_template(std::string_view inner, const node_index& find_node, template_part& part)
{
    const auto root = inner.substr(0, inner.find_first_of(".["));
    auto rest = inner.substr(root.size());
    part.text = inner;
    if (root == "nodes") {
        const auto node = take_node(rest, find_node);
        if (node && !node->index) return fmt::format("{{{{ {} }}}} names no node of this plan: there is no {}", inner, node->id);
        if (!node || !read_path(rest, part.path)) return fmt::format("{{{{ {} }}}} is malformed: {}", inner, what_may_stand);
        part.what = template_part::kind::node;
        part.node = *node->index;
        return {};
    }
    if (root != "parameters" && root != "item") return fmt::format("{{{{ {} }}}} is nothing that a plan knows: {}", inner, what_may_stand);
    if (!read_path(rest, part.path)) return fmt::format("{{{{ {} }}}} is malformed: {}", inner, what_may_stand);
    part.what = root == "item" ? template_part::kind::item : template_part::kind::parameters;
    return {};
}

bool is_identifier(std::string_view name)
{
    return !name.empty() && !is_digit(name.front()) && std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
}

}

std::string split_template(std::string_view text, const node_index& find_node, std::vector<template_part>& parts)
{
    std::size_t at = 0;
    while (const auto found = next_braces(text, at)) {
        if (found->begin > at) parts.push_back({template_part::kind::text, std::string(text.substr(at, found->begin - at))});
        template_part part;
        if (auto why = read_template(found->inner, find_node, part); !why.empty()) return why;
        parts.push_back(std::move(part));
        at = found->end;
    }
    if (text.find("{{", at) != std::string_view::npos) return fmt::format("has {{{{ without }}}}: {}", what_may_stand);
    if (at < text.size()) parts.push_back({template_part::kind::text, std::string(text.substr(at))});
    return {};
}

std::string to_json_path(const std::vector<template_step>& path)
{
    std::string out = "$";
    for (const auto& step : path) {
        if (step.what != template_step::kind::member) {
            out += fmt::format("[{}]", step.index);
        } else if (is_identifier(step.name)) {
            out.append(".").append(step.name);
        } else {
            out += '.';
            append_string(out, step.name);
        }
    }
    return out;
}

}
