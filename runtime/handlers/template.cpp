#include "runtime/handlers/template.hpp"

#include "storage/model/braces.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <optional>

namespace rowlock::runtime {

namespace json = boost::json;

namespace {

// A template in a text: where it stands, its root and which path below that it names.
struct found_template {
    std::size_t begin = 0;
    std::size_t end = 0;
    const template_root* root = nullptr;
    std::string_view path;                           // "" or ".a.b"
};

const template_root* root_of(std::string_view inner, const template_roots& roots)
{
    const auto name = inner.substr(0, inner.find('.'));
    const auto at = std::find_if(roots.begin(), roots.end(), [name](const template_root& each) { return each.name == name; });
    return at == roots.end() ? nullptr : &*at;
}

std::optional<found_template> next_template(std::string_view text, std::size_t from, const template_roots& roots)
{
    for (auto found = next_braces(text, from); found; found = next_braces(text, found->begin + 1)) {
        if (const auto* root = root_of(found->inner, roots)) return found_template{found->begin, found->end, root, found->inner.substr(root->name.size())};
    }
    return std::nullopt;
}

const json::value* member(const json::value& of, std::string_view name)
{
    if (const auto* object = of.if_object()) return object->if_contains(name);
    if (const auto* array = of.if_array()) {
        std::size_t index = 0;
        const auto [end, ec] = std::from_chars(name.data(), name.data() + name.size(), index);
        if (ec == std::errc{} && end == name.data() + name.size() && index < array->size()) return &(*array)[index];
    }
    return nullptr;
}

attempted<const json::value*> look_up(const found_template& found)
{
    const json::value* at = &found.root->value;
    for (auto rest = found.path; !rest.empty();) {
        rest.remove_prefix(1);
        const auto name = rest.substr(0, rest.find('.'));
        at = member(*at, name);
        if (at == nullptr) {
            return invalid_config(fmt::format("{{{{ {}{} }}}} names nothing: {} `{}`{}", found.root->name, found.path, found.root->misses, name, found.root->remedy));
        }
        rest.remove_prefix(name.size());
    }
    return at;
}

std::string as_text(const json::value& value)
{
    if (const auto* s = value.if_string()) return {s->data(), s->size()};
    return to_text(value);
}

std::string percent_encoded(std::string_view text)
{
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) out += c;
        else out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

}

template_root parameters_root(const json::value& parameters)
{
    return {"parameters", parameters, "the parameters of this execution have no", "; give it, or a default in the job"};
}

attempted<std::string> fill(std::string_view text, const json::value& parameters, template_place place)
{
    return fill(text, template_roots{parameters_root(parameters)}, place);
}

attempted<json::value> fill(const json::value& value, const json::value& parameters)
{
    return fill(value, template_roots{parameters_root(parameters)});
}

attempted<std::string> fill(std::string_view text, const template_roots& roots, template_place place)
{
    std::string out;
    std::size_t at = 0;
    while (const auto found = next_template(text, at, roots)) {
        const auto value = look_up(*found);
        if (!value) return value.error();
        out += text.substr(at, found->begin - at);
        const auto written = as_text(**value);
        out += place == template_place::url && found->begin > 0 ? percent_encoded(written) : written;
        at = found->end;
    }
    out += text.substr(at);
    return out;
}

attempted<json::value> fill(const json::value& value, const template_roots& roots)
{
    if (const auto* text = value.if_string()) {
        const std::string_view whole{text->data(), text->size()};
        const auto found = next_template(whole, 0, roots);
        if (found && found->begin == 0 && found->end == whole.size()) {
            const auto named = look_up(*found);
            if (!named) return named.error();
            return **named;
        }
        auto filled = fill(whole, roots);
        if (!filled) return filled.error();
        return json::value(std::string_view(*filled));
    }
    if (const auto* array = value.if_array()) {
        json::array out;
        for (const auto& item : *array) {
            auto filled = fill(item, roots);
            if (!filled) return filled.error();
            out.push_back(std::move(*filled));
        }
        return json::value(std::move(out));
    }
    if (const auto* object = value.if_object()) {
        json::object out;
        for (const auto& [name, each] : *object) {
            auto filled = fill(each, roots);
            if (!filled) return filled.error();
            out.insert_or_assign(name, std::move(*filled));
        }
        return json::value(std::move(out));
    }
    return value;
}

}
