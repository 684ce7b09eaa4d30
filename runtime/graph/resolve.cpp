#include "runtime/graph/resolve.hpp"

#include "storage/model/json_text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>

namespace rowlock::runtime {

namespace json = boost::json;

namespace {

// A small plan can name a large parameter in a million places.
constexpr std::size_t most_put_in = std::size_t{128} << 20;

const json::value* step_into(const json::value& of, const template_step& step)
{
    using kind = template_step::kind;
    if (const auto* object = of.if_object(); object && step.what != kind::index) return object->if_contains(step.name);
    const auto* array = of.if_array();
    return array && step.what != kind::member && step.index < array->size() ? &(*array)[step.index] : nullptr;
}

json::value& go_to(json::value& value, const place_in_value& place)
{
    json::value* at = &value;
    for (const auto& step : place) {
        if (const auto* name = std::get_if<std::string>(&step)) at = &at->get_object().at(*name);
        else at = &at->get_array().at(std::get<std::size_t>(step));
    }
    return *at;
}

std::string as_text(const json::value& value)
{
    if (const auto* s = value.if_string()) return {s->data(), s->size()};
    return to_text(value);
}

void append_place(std::string& out, const place_in_value& place)
{
    out += '[';
    for (std::size_t i = 0; i < place.size(); ++i) {
        if (i > 0) out += ',';
        if (const auto* name = std::get_if<std::string>(&place[i])) append_string(out, *name);
        else out += std::to_string(std::get<std::size_t>(place[i]));
    }
    out += ']';
}

// Adds text to the last part, or as a part where that is none.
void add_text(std::vector<template_part>& parts, std::string text)
{
    if (!parts.empty() && parts.back().what == template_part::kind::text) parts.back().text += text;
    else parts.push_back({template_part::kind::text, std::move(text)});
}

}

const json::value* resolver::look_up(const template_part& part, std::string_view field)
{
    const json::value* at = &parameters_;
    for (const auto& step : part.path) {
        const auto* below = step_into(*at, step);
        if (!below) {
            const auto missing = step.what == template_step::kind::index ? std::to_string(step.index) : step.name;
            errors_.add(std::string(field), nullptr,
                        fmt::format("{{{{ {} }}}} names nothing: the parameters of this plan have no `{}` there; give it, or a default in the plan", part.text, missing));
            return nullptr;
        }
        at = below;
    }
    return has_room_for(*at, part, field) ? at : nullptr;
}

bool resolver::has_room_for(const json::value& named, const template_part& part, std::string_view field)
{
    const auto [known, is_new] = size_of_.try_emplace(&named, 0);
    if (is_new) known->second = to_text(named).size();
    const bool was_full = put_in_ > most_put_in;
    if (!was_full) put_in_ += known->second;
    if (put_in_ <= most_put_in) return true;
    if (!was_full) {
        errors_.add(std::string(field), nullptr, fmt::format("{{{{ {} }}}} makes the parameters of the plan's nodes larger than {} bytes together", part.text, most_put_in));
    }
    return false;
}

std::string resolver::put_in(json::value& value, const std::vector<plan_template>& templates, std::string_view field)
{
    std::string refs;
    for (const auto& place : templates) {
        const auto here = path_of(field, place.at);
        json::value& at = go_to(value, place.at);
        std::vector<template_part> parts;
        bool complete = true;
        bool later = false;
        for (const auto& part : place.parts) {
            if (part.what == template_part::kind::text) {
                add_text(parts, part.text);
                continue;
            }
            if (part.what != template_part::kind::parameters) {
                parts.push_back(part);
                later = true;
                continue;
            }
            const auto* named = look_up(part, here);
            complete = complete && named;
            if (!named) continue;
            if (place.parts.size() == 1) at = json::value(*named, json::storage_ptr());
            else add_text(parts, as_text(*named));
        }
        if (!complete) continue;
        if (later) {
            append_ref(refs, place.at, parts);
        } else if (place.parts.size() > 1) {
            at = json::string(parts.front().text);
        }
    }
    if (!refs.empty()) refs += ']';
    return refs;
}

void resolver::append_ref(std::string& refs, const place_in_value& at, const std::vector<template_part>& parts) const
{
    refs += refs.empty() ? "[{\"at\":" : ",{\"at\":";
    append_place(refs, at);
    refs += ",\"parts\":";
    for (std::size_t i = 0; i < parts.size(); ++i) {
        refs += i == 0 ? '[' : ',';
        const auto& part = parts[i];
        if (part.what == template_part::kind::text) {
            append_string(refs, part.text);
            continue;
        }
        if (part.what == template_part::kind::node) refs += fmt::format("{{\"node\":{},\"path\":", number_of_[part.node]);
        else refs += "{\"item\":";
        append_string(refs, to_json_path(part.path));
        refs += '}';
    }
    refs += "]}";
}

std::string resolver::for_each(const plan_for_each& each, std::string_view field)
{
    std::string text;
    if (!each.source) {
        json::value items(each.items, json::storage_ptr());
        put_in(items, each.templates, field);
        text = "{\"list\":";
        append_text(text, items);
        return text += '}';
    }
    if (each.source->what == template_part::kind::node) {
        text = fmt::format("{{\"node\":{},\"path\":", number_of_[each.source->node]);
        append_string(text, to_json_path(each.source->path));
        return text += '}';
    }
    const auto* named = look_up(*each.source, field);
    if (!named) return {};
    const auto* list = named->if_array();
    if (!list || list->size() > most_for_each_items) {
        errors_.add(std::string(field), named, fmt::format("{{{{ {} }}}} must be an array of at most {} items", each.source->text, most_for_each_items));
        return {};
    }
    text = "{\"list\":";
    append_text(text, *named);
    return text += '}';
}

}
