#pragma once

#include "ops/config/settings.hpp"

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace rowlock::ops {

// Settings differ between the two ways to be a server in a few defaults only.
enum class settings_mode : std::uint8_t { serve, dev };

// A duration in the unit that its name says.
struct duration_member {
    milliseconds settings::*member;
    std::int64_t unit;               // in milliseconds; in units of seconds and more fractions to 0.001 s are taken
};

// A bool, int, text, ... of the struct. A row that names no member, or one of another type, does not compile.
using setting_member = std::variant<bool settings::*, int settings::*, std::int64_t settings::*, double settings::*, std::string settings::*,
                                    std::vector<std::string> settings::*, named_urls settings::*, label_list settings::*, handler_counts settings::*, listen_address settings::*, auth_mode settings::*, fairness_mode settings::*, other_errors settings::*,
                                    log_level settings::*, log_format settings::*, duration_member>;

struct setting_range {
    double least = 0;
    double most = 0;
    bool or_zero = false;            // 0 is taken too, though it is less
};

// One row of the table that the file, the environment, the flags and `rowlock config` all read.
struct setting {
    std::string_view name;                       // EXECUTOR_PARALLELISM
    setting_member member;
    std::string_view default_text;
    std::optional<std::string_view> dev_default; // where `dev` differs
    std::optional<setting_range> range;
    std::string_view meaning;
    bool secret = false;                         // holds a password: masked wherever it is shown
};

std::span<const setting> settings_table();

std::string_view default_text(const setting& row, settings_mode mode);
std::string environment_name(const setting& row);    // ROWLOCK_EXECUTOR_PARALLELISM
std::string file_name(const setting& row);            // executor_parallelism
std::string flag_name(const setting& row);            // --executor-parallelism

// A setting that holds entries by name has a variable for each, and a flag that may be repeated: SQL_CONNECTIONS has ROWLOCK_SQL_CONNECTION_NAME
// and --sql-connection NAME=URL. Each of the sources adds entries, and replaces those of the same name.
bool has_entries(const setting& row);
// The name of the entry that a variable stands for, in lower case; nullopt: it is none of the row's.
std::optional<std::string> entry_of_variable(const setting& row, std::string_view variable);

// boolean, integer, number, string, list, map.
std::string_view type_name(const setting& row);
// "1..100000", "token|none"; empty: anything.
std::string range_text(const setting& row);

// Puts `text` into its member; NAME=VALUE as one more entry, where it has entries. Otherwise says what the value must be, as in "must be an integer from 1 to 100000". Pure.
std::optional<std::string> assign(settings& to, const setting& row, std::string_view text);

// The value as JSON, secrets masked.
boost::json::value shown_value(const settings& from, const setting& row);
// The same of a text that may not even be a valid value.
std::string shown_text(const setting& row, std::string_view text);

// A database URL (or libpq's keyword form) with its password as ***.
std::string mask_password(std::string_view database);

}
