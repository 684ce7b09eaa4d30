#include "storage/model/plan_parts.hpp"

#include "storage/model/json_text.hpp"

#include <algorithm>
#include <boost/json/string.hpp>
#include <fmt/format.h>

namespace rowlock {

std::string path_of(std::string_view parent, const place_in_value& place)
{
    std::string path(parent);
    for (const auto& step : place) {
        if (const auto* name = std::get_if<std::string>(&step)) path = path_of(path, *name);
        else path = path_of(path, std::get<std::size_t>(step));
    }
    return path;
}

namespace plan {

namespace json = boost::json;

namespace {

// Why this template may not stand there; "": it may.
using part_rule = std::string (*)(const template_part& part, const plan_node& node);

// The way through a value of `node` that stands at `path`.
struct search {
    const node_index find_node;
    field_errors& errors;
    const plan_node& node;
    std::string path;
    part_rule refusal;
    std::vector<plan_template>& found;
    place_in_value at{};
};

void look_into(search& s, const json::string& text, const json::value& given)
{
    const std::string_view view(text.data(), text.size());
    if (view.find("{{") == std::string_view::npos) return;
    plan_template made;
    std::string why = split_template(view, s.find_node, made.parts);
    for (auto part = made.parts.begin(); part != made.parts.end() && why.empty(); ++part) why = s.refusal(*part, s.node);
    if (!why.empty()) {
        s.errors.add(path_of(s.path, s.at), &given, std::move(why));
        return;
    }
    made.at = s.at;
    s.found.push_back(std::move(made));
}

void look_into(search& s, const json::value& v);

void look_into(search& s, const json::object& object)
{
    for (const auto& member : object) {
        s.at.emplace_back(std::string(member.key().data(), member.key().size()));
        look_into(s, member.value());
        s.at.pop_back();
    }
}

void look_into(search& s, const json::array& array)
{
    for (std::size_t i = 0; i < array.size(); ++i) {
        s.at.emplace_back(i);
        look_into(s, array[i]);
        s.at.pop_back();
    }
}

void look_into(search& s, const json::value& v)
{
    if (const auto* text = v.if_string()) look_into(s, *text, v);
    else if (const auto* object = v.if_object()) look_into(s, *object);
    else if (const auto* array = v.if_array()) look_into(s, *array);
}

std::string refusal_in_parameters(const template_part& part, const plan_node& node)
{
    if (part.what != template_part::kind::item || node.for_each) return {};
    return fmt::format("{{{{ {} }}}} names nothing: only a node with for_each has items", part.text);
}

std::string refusal_in_items(const template_part& part, const plan_node&)
{
    if (part.what == template_part::kind::text || part.what == template_part::kind::parameters) return {};
    return fmt::format("{{{{ {} }}}} cannot stand among items that are given: they may name {{{{ parameters.NAME }}}}; a list that another node makes is named "
                       "whole, for_each: {{{{ nodes.NODE.outputs.NAME }}}}", part.text);
}

node_index finder(const reading& r)
{
    return [&r](std::string_view id) { return r.find(id); };
}

void read_for_each(reading& r, json_fields& fields, plan_node& node)
{
    constexpr std::string_view forms = "must be one template that names a list, {{ nodes.NODE.outputs.NAME }} or {{ parameters.NAME }}, or an array";
    const auto given = fields.find("for_each");
    if (!given) return;
    const auto value = fields.any("for_each");
    plan_for_each made;
    if (const auto* text = value->if_string()) {
        std::vector<template_part> parts;
        const std::string why = split_template({text->data(), text->size()}, finder(r), parts);
        const bool names_one = parts.size() == 1 && (parts[0].what == template_part::kind::node || parts[0].what == template_part::kind::parameters);
        if (!why.empty() || !names_one) {
            fields.refuse(given, why.empty() ? std::string(forms) : why);
            return;
        }
        made.source = std::move(parts[0]);
    } else if (const auto* items = value->if_array()) {
        if (items->size() > most_for_each_items) {
            fields.refuse(given, fmt::format("has {} items; a node takes at most {}", items->size(), most_for_each_items));
            return;
        }
        made.items = *items;
        search s{finder(r), r.errors, node, fields.path_of_member("for_each"), refusal_in_items, made.templates};
        look_into(s, made.items);
    } else {
        fields.refuse(given, std::string(forms));
        return;
    }
    node.for_each = std::move(made);
}

}

void read_templates(reading& r, json_fields& fields, plan_node& node)
{
    read_for_each(r, fields, node);
    if (node.parameters.empty()) return;
    search s{finder(r), r.errors, node, fields.path_of_member("parameters"), refusal_in_parameters, node.templates};
    look_into(s, node.parameters);
}

}

}
