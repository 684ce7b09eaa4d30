#include "runtime/handlers/template.hpp"

#include "storage/model/json_text.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <optional>

namespace rowlock::runtime {

namespace json = boost::json;

namespace {

constexpr std::string_view root = "parameters";

std::string_view trimmed(std::string_view text)
{
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// A template in a text: where it stands and which path below `parameters` it names.
struct found_template {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::string_view path;                           // "" or ".a.b"
};

std::optional<found_template> next_template(std::string_view text, std::size_t from)
{
    for (auto open = text.find("{{", from); open != std::string_view::npos; open = text.find("{{", open + 1)) {
        const auto close = text.find("}}", open + 2);
        if (close == std::string_view::npos) return std::nullopt;
        const auto inner = trimmed(text.substr(open + 2, close - open - 2));
        if (!inner.starts_with(root)) continue;
        const auto path = inner.substr(root.size());
        if (path.empty() || path.front() == '.') return found_template{open, close + 2, path};
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

attempted<const json::value*> look_up(std::string_view path, const json::value& parameters)
{
    const json::value* at = &parameters;
    for (auto rest = path; !rest.empty();) {
        rest.remove_prefix(1);
        const auto name = rest.substr(0, rest.find('.'));
        at = member(*at, name);
        if (at == nullptr) {
            return invalid_config(fmt::format("{{{{ parameters{} }}}} names nothing: the parameters of this execution have no `{}`; give it, or a default in the job", path, name));
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

attempted<std::string> fill(std::string_view text, const json::value& parameters, template_place place)
{
    std::string out;
    std::size_t at = 0;
    while (const auto found = next_template(text, at)) {
        const auto value = look_up(found->path, parameters);
        if (!value) return value.error();
        out += text.substr(at, found->begin - at);
        const auto written = as_text(**value);
        out += place == template_place::url && found->begin > 0 ? percent_encoded(written) : written;
        at = found->end;
    }
    out += text.substr(at);
    return out;
}

attempted<json::value> fill(const json::value& value, const json::value& parameters)
{
    if (const auto* text = value.if_string()) {
        const std::string_view whole{text->data(), text->size()};
        const auto found = next_template(whole, 0);
        if (found && found->begin == 0 && found->end == whole.size()) {
            const auto named = look_up(found->path, parameters);
            if (!named) return named.error();
            return **named;
        }
        auto filled = fill(whole, parameters);
        if (!filled) return filled.error();
        return json::value(std::string_view(*filled));
    }
    if (const auto* array = value.if_array()) {
        json::array out;
        for (const auto& item : *array) {
            auto filled = fill(item, parameters);
            if (!filled) return filled.error();
            out.push_back(std::move(*filled));
        }
        return json::value(std::move(out));
    }
    if (const auto* object = value.if_object()) {
        json::object out;
        for (const auto& [name, each] : *object) {
            auto filled = fill(each, parameters);
            if (!filled) return filled.error();
            out.insert_or_assign(name, std::move(*filled));
        }
        return json::value(std::move(out));
    }
    return value;
}

}
