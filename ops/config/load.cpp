#include "ops/config/load.hpp"

#include "ops/cli/yaml_json.hpp"
#include "runtime/limits/pressure.hpp"
#include "runtime/schedule/zone_database.hpp"
#include "storage/connection_defaults.hpp"
#include "storage/model/http_address.hpp"
#include "storage/model/json_text.hpp"
#include "storage/model/nearest_name.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

// Variables of the same family that are no settings: the client's, and those that a process job finds around itself.
constexpr std::array<std::string_view, 12> other_variables{"ROWLOCK_URL", "ROWLOCK_TOKEN", "ROWLOCK_EXECUTION_ID", "ROWLOCK_RUN_ID", "ROWLOCK_JOB_ID",
                                                           "ROWLOCK_ATTEMPT_NUMBER", "ROWLOCK_SCHEDULED_TIME", "ROWLOCK_DEADLINE", "ROWLOCK_PARAMETERS_FILE", "ROWLOCK_RUN_DIR",
                                                           "ROWLOCK_CHECKPOINT_FILE", "ROWLOCK_CHECKPOINT_INTERVAL_SECONDS"};

std::string meant(std::string_view given, std::string (*spelling)(const setting&))
{
    std::vector<std::string> known;
    for (const auto& row : settings_table()) known.push_back(spelling(row));
    const auto nearest = nearest_name(given, known);
    return nearest ? fmt::format("; {} was perhaps meant", *nearest) : std::string();
}

// NAME=VALUE, comma between: as the environment has it.
std::string pairs_of(const json::object& entries)
{
    std::string text;
    for (const auto& entry : entries) {
        const auto* s = entry.value().if_string();
        text += fmt::format("{}{}={}", text.empty() ? "" : ",", std::string_view{entry.key().data(), entry.key().size()}, s ? std::string(s->data(), s->size()) : to_text(entry.value()));
    }
    return text;
}

class loader {
public:
    explicit loader(settings_mode mode)
    {
        loaded_.mode = mode;
        for (const auto& row : settings_table()) {
            assign(loaded_.values, row, default_text(row, mode));
            loaded_.sources.push_back(setting_source::default_);
        }
    }

    void read_file(const config_file& file);
    void read_environment(const environment_variables& environment);
    void read_flags(const flag_values& flags);
    void settle_what_hangs_together();
    result<loaded_settings> take();

private:
    static std::size_t row_number(const setting& row) { return static_cast<std::size_t>(&row - settings_table().data()); }
    setting_source& source_of(std::string_view name);

    void set(const setting& row, std::string_view text, setting_source source, std::string_view where);
    void refuse(std::string_view name, std::string_view shown, std::string message);
    void read_member(const config_file& file, std::string_view name, const json::value& value, int line);
    void read_entries(const setting& row, const json::value& value, std::string_view where);

    loaded_settings loaded_;
    std::vector<field_error> errors_;
};

setting_source& loader::source_of(std::string_view name)
{
    const auto rows = settings_table();
    const auto row = std::find_if(rows.begin(), rows.end(), [name](const setting& r) { return r.name == name; });
    return loaded_.sources.at(row_number(*row));
}

void loader::refuse(std::string_view name, std::string_view shown, std::string message)
{
    std::string value;
    if (!shown.empty()) append_string(value, shown);
    errors_.push_back({std::string(name), std::move(value), std::move(message)});
}

void loader::set(const setting& row, std::string_view text, setting_source source, std::string_view where)
{
    if (const auto refused = assign(loaded_.values, row, text)) {
        const std::string shown = shown_text(row, text);
        refuse(row.name, shown, fmt::format("is \"{}\" ({}), but {}", shown, where, *refused));
        return;
    }
    loaded_.sources[row_number(row)] = source;
}

void loader::read_file(const config_file& file)
{
    const auto documents = parse_yaml(file.text);
    if (!documents) {
        const auto& e = documents.error();
        refuse(file.name, "", fmt::format("is not YAML: line {}, column {}: {}", e.line, e.column, e.message));
        return;
    }
    if (documents->empty()) return;
    const auto& document = documents->front();
    if (documents->size() > 1 || !document.value.is_object()) {
        refuse(file.name, "", "must be one YAML document of the form `name: value`");
        return;
    }
    for (const auto& member : document.value.get_object()) {
        const std::string_view name(member.key().data(), member.key().size());
        read_member(file, name, member.value(), document.line_of(name));
    }
}

void loader::read_member(const config_file& file, std::string_view name, const json::value& value, int line)
{
    const std::string where = fmt::format("file {}, line {}", file.name, line);
    const auto rows = settings_table();
    const auto row = std::find_if(rows.begin(), rows.end(), [name](const setting& r) { return file_name(r) == name; });
    if (row == rows.end()) {
        refuse(name, "", fmt::format("is not a setting ({}){}", where, meant(name, file_name)));
        return;
    }
    if (has_entries(*row)) return read_entries(*row, value, where);
    if (value.is_string()) {
        const auto& text = value.get_string();
        set(*row, {text.data(), text.size()}, setting_source::file, where);
        return;
    }
    const auto* list = value.if_array();
    const bool texts = list && std::all_of(list->begin(), list->end(), [](const json::value& item) { return item.is_string(); });
    if (texts && type_name(*row) == "list") {
        std::vector<std::string_view> items;
        for (const auto& item : *list) items.emplace_back(item.get_string().data(), item.get_string().size());
        set(*row, fmt::format("{}", fmt::join(items, ",")), setting_source::file, where);
        return;
    }
    if (const auto* pairs = value.if_object(); pairs && type_name(*row) == "map") return set(*row, pairs_of(*pairs), setting_source::file, where);
    if (value.is_null() || value.is_array() || value.is_object()) {
        refuse(row->name, "", fmt::format("has no plain value ({})", where));
        return;
    }
    // 5.0 stands for 5, as in every other body.
    std::string text = to_text(value);
    if (text.ends_with(".0")) text.resize(text.size() - 2);
    set(*row, text, setting_source::file, where);
}

// Values are secrets: what is wrong with them is said without them.
void loader::read_entries(const setting& row, const json::value& value, std::string_view where)
{
    const auto* entries = value.if_object();
    if (!entries) {
        refuse(row.name, "", fmt::format("must have entries of the form NAME: URL ({})", where));
        return;
    }
    for (const auto& entry : *entries) {
        const std::string name(entry.key().data(), entry.key().size());
        const auto* text = entry.value().if_string();
        if (text) set(row, name + "=" + std::string(text->data(), text->size()), setting_source::file, where);
        else refuse(fmt::format("{}.{}", row.name, name), "", fmt::format("must be text ({})", where));
    }
}

void loader::read_environment(const environment_variables& environment)
{
    const auto rows = settings_table();
    for (const auto& [name, value] : environment) {
        const auto row = std::find_if(rows.begin(), rows.end(), [&variable = name](const setting& r) {
            return has_entries(r) ? entry_of_variable(r, variable).has_value() : environment_name(r) == variable;
        });
        if (row != rows.end()) {
            const auto entry = entry_of_variable(*row, name);
            if (!value.empty()) set(*row, entry ? *entry + "=" + value : value, setting_source::environment, "environment " + name);
        } else if (name.starts_with("ROWLOCK_") && std::find(other_variables.begin(), other_variables.end(), name) == other_variables.end()) {
            loaded_.warnings.push_back(fmt::format("The environment variable {} is not a setting and is ignored{}.", name, meant(name, environment_name)));
        }
    }
}

void loader::read_flags(const flag_values& flags)
{
    for (const auto& row : settings_table()) {
        const auto flag = flags.given.find(row.name);
        if (flag != flags.given.end()) set(row, flag->second, setting_source::flag, "flag " + flag_name(row));
        const auto entries = flags.entries.find(row.name);
        if (entries == flags.entries.end()) continue;
        for (const auto& entry : entries->second) set(row, entry, setting_source::flag, "flag " + flag_name(row));
    }
}

void loader::settle_what_hangs_together()
{
    if (!errors_.empty()) return;      // what follows would be about values that were refused
    settings& s = loaded_.values;
    if (s.auth == auth_mode::none) {
        if (source_of("HTTP_ALLOW_PRIVATE_ADDRESSES") == setting_source::default_) s.http_allow_private_addresses = true;
        if (!s.listen.is_loopback()) {
            refuse("AUTH", "none", fmt::format("is \"none\", which is allowed on loopback addresses only, but LISTEN is {}", s.listen.str()));
        }
    }
    if (!s.public_url.empty()) {
        auto why = refusal_of_url(s.public_url);
        if (why.empty() && s.public_url.find_first_of("?#{") != std::string::npos) why = "must end with the host, its port or a path";
        if (!why.empty()) refuse("PUBLIC_URL", s.public_url, fmt::format("is \"{}\", but {}", s.public_url, why));
    }
    if (const auto known = runtime::zone_database().find(s.scheduler_timezone_default); !known) {
        refuse("SCHEDULER_TIMEZONE_DEFAULT", s.scheduler_timezone_default, fmt::format("is \"{}\", but {}", s.scheduler_timezone_default, known.error().detail));
    }
    for (const auto& [name, url] : s.sql_connections) {
        if (!s.database.empty() && storage::is_same_session(url, s.database)) {
            refuse("SQL_CONNECTIONS", name, fmt::format("has {}, which is Rowlock's own database with Rowlock's own user: jobs could change what Rowlock keeps. Give them a user "
                                                        "of their own, better a database",
                                                        name));
        }
    }
    for (const auto& name : s.pressure_actions) {
        if (!runtime::parse_pressure_action(name)) {
            refuse("PRESSURE_ACTIONS", name, fmt::format("has \"{}\", but must be a list of QUEUE_ALL, REJECT_LOW_PRIORITY and PAUSE_SCHEDULING, comma between", name));
        }
    }
    struct bounds {
        std::string_view name;
        double high;
        double low;
    };
    for (const auto& [name, high, low] : std::array<bounds, 5>{{{"MEMORY", s.pressure_memory_high, s.pressure_memory_low}, {"CPU", s.pressure_cpu_high, s.pressure_cpu_low},
                                                                {"DISK", s.pressure_disk_high, s.pressure_disk_low},
                                                                {"CONNECTIONS", s.pressure_connections_high, s.pressure_connections_low},
                                                                {"QUEUE", s.pressure_queue_high, s.pressure_queue_low}}}) {
        if (high == 0 || low <= high) continue;
        refuse(fmt::format("PRESSURE_{}_LOW_PERCENT", name), fmt::format("{}", low), fmt::format("is {}, but must not be above PRESSURE_{}_HIGH_PERCENT, {}", low, name, high));
    }
    if (s.retry_default_max_delay < s.retry_default_initial_delay) {
        refuse("RETRY_DEFAULT_MAX_DELAY_SECONDS", fmt::format("{}", s.retry_default_max_delay.count() / 1000),
               fmt::format("is {}, but must not be less than RETRY_DEFAULT_INITIAL_DELAY_SECONDS, {}", static_cast<double>(s.retry_default_max_delay.count()) / 1000,
                           static_cast<double>(s.retry_default_initial_delay.count()) / 1000));
    }
}

result<loaded_settings> loader::take()
{
    if (errors_.empty()) return std::move(loaded_);
    std::string detail;
    for (const auto& e : errors_) detail += fmt::format("{}{} {}.", detail.empty() ? "" : "\n", e.field, e.message);
    return error{errc::invalid_request, std::move(detail), std::move(errors_)};
}

}

std::string_view to_string(setting_source source)
{
    switch (source) {
    case setting_source::default_: return "default";
    case setting_source::file: return "file";
    case setting_source::environment: return "environment";
    case setting_source::flag: return "flag";
    }
    return "";
}

result<loaded_settings> load_settings(settings_mode mode, const std::optional<config_file>& file, const environment_variables& environment, const flag_values& flags)
{
    loader l(mode);
    if (file) l.read_file(*file);
    l.read_environment(environment);
    l.read_flags(flags);
    l.settle_what_hangs_together();
    return l.take();
}

result<loaded_settings> load_settings(settings_mode mode, const std::optional<std::filesystem::path>& path, const flag_values& flags)
{
    std::optional<config_file> file;
    if (path) {
        auto read = read_config_file(*path);
        if (!read) return std::move(read).error();
        file = std::move(*read);
    }
    return load_settings(mode, file, rowlock_environment(), flags);
}

}
