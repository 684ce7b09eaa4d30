#pragma once

#include "ops/config/settings.hpp"
#include "ops/config/settings_table.hpp"
#include "storage/model/error.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace rowlock::ops {

enum class setting_source : std::uint8_t { default_, file, environment, flag };
std::string_view to_string(setting_source source);      // "default", ...

struct loaded_settings {
    settings values;
    settings_mode mode = settings_mode::serve;
    std::vector<setting_source> sources;                 // one for each row of settings_table()
    std::vector<std::string> warnings;                   // sentences for the operator; nothing is wrong enough to stop
};

struct config_file {
    std::string name;                                    // as it is called in errors
    std::string text;
};
// Error invalid_request where it cannot be read or is larger than 1 MiB.
result<config_file> read_config_file(const std::filesystem::path& path);

// The variables of this process that begin with ROWLOCK_.
using environment_variables = std::vector<std::pair<std::string, std::string>>;
environment_variables rowlock_environment();

// The flags that stood on the command line, by the setting's name.
struct flag_values {
    std::map<std::string, std::string, std::less<>> given;
    std::map<std::string, std::vector<std::string>, std::less<>> entries;    // of those that may be repeated
};
// Adds a flag for every setting to a verb. `values` must outlive the parsing.
void add_setting_flags(CLI::App& app, flag_values& values);

// Defaults of the mode, overridden by the file, overridden by the environment (an empty variable counts as not set), overridden by flags. Every
// error comes back at once: `fields` has the setting, its value and what is wrong with it and where it was given; `detail` is
// the same as lines for a person. Error: invalid_request, which ends the program with exit code 2. Pure.
result<loaded_settings> load_settings(settings_mode mode, const std::optional<config_file>& file, const environment_variables& environment, const flag_values& flags);

// The same with the file read from `path` and the environment of this process.
result<loaded_settings> load_settings(settings_mode mode, const std::optional<std::filesystem::path>& path, const flag_values& flags);

}
