#include "ops/config/render.hpp"

#include "ops/cli/yaml_text.hpp"
#include "storage/model/json_text.hpp"

#include <boost/json/object.hpp>
#include <boost/json/string.hpp>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

json::value text_value(std::string_view text)
{
    return json::value(json::string_view(text.data(), text.size()));
}

// The defaults as values of their own types.
settings defaults_for(settings_mode mode)
{
    settings defaults;
    for (const auto& row : settings_table()) assign(defaults, row, default_text(row, mode));
    return defaults;
}

std::string plain_text(const json::value& v)
{
    const auto* s = v.if_string();
    return s ? std::string(s->data(), s->size()) : to_text(v);
}

}

json::array describe_settings(const loaded_settings& loaded)
{
    const settings defaults = defaults_for(loaded.mode);
    const auto rows = settings_table();
    json::array all;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto& row = rows[i];
        const std::string range = range_text(row);
        json::object one;
        one["name"] = text_value(row.name);
        one["value"] = shown_value(loaded.values, row);
        one["source"] = text_value(to_string(loaded.sources[i]));
        one["type"] = text_value(type_name(row));
        one["default"] = shown_value(defaults, row);
        one["range"] = range.empty() ? json::value(nullptr) : text_value(range);
        one["meaning"] = text_value(row.meaning);
        all.push_back(std::move(one));
    }
    return all;
}

table tabulate_settings(const loaded_settings& loaded)
{
    table lines({{"NAME"}, {"VALUE", false, true}, {"SOURCE"}, {"RANGE", false, false, true}, {"MEANING", false, true, true}});
    const auto rows = settings_table();
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const bool changed = loaded.sources[i] != setting_source::default_;
        lines.add({{std::string(rows[i].name)},
                   {plain_text(shown_value(loaded.values, rows[i])), changed ? colour::bold : colour::none},
                   {std::string(to_string(loaded.sources[i])), changed ? colour::none : colour::dim},
                   {range_text(rows[i])},
                   {std::string(rows[i].meaning)}});
    }
    return lines;
}

std::string render_config(const loaded_settings& loaded, output_format format, const terminal_style& style)
{
    switch (format) {
    case output_format::human: return tabulate_settings(loaded).render(style);
    case output_format::json: return to_pretty_text(describe_settings(loaded)) + "\n";
    case output_format::yaml: return to_yaml_text(describe_settings(loaded));
    }
    return {};
}

}
