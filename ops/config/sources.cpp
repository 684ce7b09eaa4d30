#include "ops/config/load.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <unistd.h>

namespace rowlock::ops {

result<config_file> read_config_file(const std::filesystem::path& path)
{
    constexpr std::size_t longest = 1 << 20;
    std::ifstream in(path, std::ios::binary);
    config_file file{path.string(), {}};
    if (in) {
        file.text.resize(longest + 1);
        in.read(file.text.data(), static_cast<std::streamsize>(file.text.size()));
        file.text.resize(static_cast<std::size_t>(in.gcount()));
    }
    // A folder opens, but cannot be read.
    const bool broken = !in.is_open() || in.bad() || std::filesystem::is_directory(path);
    std::string why = broken ? "cannot be read" : file.text.size() > longest ? fmt::format("is larger than {} bytes", longest) : "";
    if (why.empty()) return file;
    return error{errc::invalid_request, fmt::format("The file {} {}.", file.name, why), {{file.name, "", std::move(why)}}};
}

environment_variables rowlock_environment()
{
    environment_variables all;
    for (char** entry = environ; entry && *entry; ++entry) {
        const std::string_view text(*entry);
        const auto equals = text.find('=');
        if (!text.starts_with("ROWLOCK_") || equals == std::string_view::npos) continue;
        all.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
    return all;
}

void add_setting_flags(CLI::App& app, flag_values& values)
{
    for (const auto& row : settings_table()) {
        const std::string name(row.name);
        const std::string range = range_text(row);
        if (has_entries(row)) {
            const auto keep_all = [&values, name](const std::vector<std::string>& texts) { values.entries[name] = texts; };
            app.add_option_function<std::vector<std::string>>(flag_name(row), keep_all, fmt::format("{}; once for each", row.meaning))
                ->group("Settings")->type_name("NAME=URL")->allow_extra_args(false);
            continue;
        }
        const bool is_switch = type_name(row) == "boolean";
        const auto keep = [&values, name, is_switch](const std::string& text) { values.given[name] = is_switch && text.empty() ? "true" : text; };
        auto* option = app.add_option_function<std::string>(flag_name(row), keep, fmt::format("{}{}", row.meaning, range.empty() ? "" : " (" + range + ")"));
        option->group("Settings")->type_name(is_switch ? "[true|false]" : "VALUE");
        // --process-handler-enabled alone says true.
        if (is_switch) option->expected(0, 1);
    }
}

}
