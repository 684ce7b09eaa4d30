#include "ops/cli/runner_file.hpp"

#include "ops/cli/command_words.hpp"
#include "ops/cli/human_text.hpp"
#include "ops/cli/parameters.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <optional>
#include <span>
#include <utility>

namespace rowlock::ops {

namespace json = boost::json;
namespace fs = std::filesystem;

namespace {

// What of an entry is the job's schedule, and its name there.
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> schedule_fields{{
    {"cron", "cron_expression"},
    {"interval_seconds", "interval_seconds"},
    {"timezone", "timezone"},
    {"max_concurrent_runs", "max_concurrent_runs"},
}};
constexpr std::array<std::string_view, 9> entry_fields{"name", "config", "cron", "interval_seconds", "timezone", "max_concurrent_runs", "enabled", "tags", "retry_config"};
// What a job takes from its configuration, or from the head of the runner file.
constexpr std::array<std::string_view, 5> configuration_fields{"tenant_id", "source_connector", "target_connector", "asset", "retry_config"};
constexpr std::string_view schedules_path = "runner.orchestrator.schedules";

bool is_one_of(std::span<const std::string_view> names, std::string_view name)
{
    return std::find(names.begin(), names.end(), name) != names.end();
}

const json::value* given(const json::object& from, std::string_view name)
{
    const json::value* v = from.if_contains(name);
    return v && !v->is_null() ? v : nullptr;
}

std::string text_of(const json::value* v)
{
    return v && v->is_string() ? std::string(v->get_string()) : std::string();
}

std::string file_name_of(const std::string& path)
{
    return fs::path(path).filename().string();
}

// How many of their last parts two paths have in common.
int common_end(const fs::path& a, const fs::path& b)
{
    int same = 0;
    for (auto x = a.end(), y = b.end(); x != a.begin() && y != b.begin() && *--x == *--y;) ++same;
    return same;
}

class runner_reader {
public:
    runner_reader(const file_document& runner, const std::vector<file_document>& configurations, const runner_options& options, std::vector<bool>& used)
        : runner_(runner), root_(runner.document.value.get_object()), configurations_(configurations), options_(options), used_(used) {}

    runner_jobs read()
    {
        note_unused(root_, "", configuration_fields, {"runner"});
        const json::object* runner = object_at(root_, "runner", "runner");
        if (!runner) return std::move(out_);
        note_unused(*runner, "runner", {}, {"orchestrator", "mode"});
        const json::object* orchestrator = object_at(*runner, "orchestrator", "runner.orchestrator");
        if (!orchestrator) return std::move(out_);
        note_unused(*orchestrator, "runner.orchestrator", {}, {"type", "schedules", "concurrency_per_tenant"});
        per_tenant_ = given(*orchestrator, "concurrency_per_tenant");
        const json::value* schedules = given(*orchestrator, "schedules");
        const json::array* list = schedules ? schedules->if_array() : nullptr;
        if (!list || list->empty()) {
            complain(std::string(schedules_path), "must be a list of schedules");
            return std::move(out_);
        }
        for (const json::value& entry : *list) note_config(entry);
        for (std::size_t i = 0; i < list->size(); ++i) read_entry((*list)[i], path_of(schedules_path, i));
        tell_later();
        return std::move(out_);
    }

private:
    void complain(const std::string& path, std::string_view message)
    {
        out_.complaints.push_back(fmt::format("{}:{}: {}: {}", runner_.file, runner_.document.line_of(path), path, message));
    }

    void warn(const std::string& path, std::string_view message)
    {
        out_.warnings.push_back(fmt::format("{}:{}: warning: {}: {}", runner_.file, runner_.document.line_of(path), path, message));
    }

    const json::object* object_at(const json::object& from, std::string_view name, const std::string& path)
    {
        const json::value* v = given(from, name);
        if (!v || !v->is_object()) complain(path, "must be a map");
        return v ? v->if_object() : nullptr;
    }

    // Above the schedules a runner file says much that is for its own engine.
    void note_unused(const json::object& from, const std::string& path, std::span<const std::string_view> known, std::initializer_list<std::string_view> also)
    {
        for (const auto& member : from) {
            const std::string_view name(member.key().data(), member.key().size());
            if (!is_one_of(known, name) && !is_one_of({also.begin(), also.size()}, name)) warn(path_of(path, name), "is not used");
        }
    }

    // Several schedules may have one configuration: that is no other file of the same name.
    void note_config(const json::value& entry)
    {
        const json::object* schedule = entry.if_object();
        const std::string config = schedule ? text_of(given(*schedule, "config")) : std::string();
        if (config.empty() || std::find(configs_.begin(), configs_.end(), config) != configs_.end()) return;
        configs_.push_back(config);
        wanted_names_.push_back(file_name_of(config));
    }

    void read_entry(const json::value& entry, const std::string& path)
    {
        const json::object* schedule = entry.if_object();
        if (!schedule) {
            complain(path, "must be a map");
            return;
        }
        for (const auto& member : *schedule) {
            const std::string_view name(member.key().data(), member.key().size());
            if (!is_one_of(entry_fields, name)) complain(path_of(path, name), "is not a known field of a schedule");
        }
        for (const auto& [name, as] : schedule_fields) {
            if (options_.without_schedules && given(*schedule, name)) later_.push_back(path_of(path, name));
        }
        if (!options_.without_schedules && !given(*schedule, "cron") && !given(*schedule, "interval_seconds")) {
            warn(path, "has neither cron nor interval_seconds: the job is made without a schedule");
        }
        const std::string name = text_of(given(*schedule, "name"));
        const std::string config = text_of(given(*schedule, "config"));
        if (!is_slug(name)) complain(path_of(path, "name"), "must be 1 to 128 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit: it is the job's id");
        if (config.empty()) complain(path_of(path, "config"), "must be the path of a job configuration");
        if (is_slug(name) && !config.empty()) make_job(*schedule, name, config, path);
    }

    // The values of the configuration stand over those at the head of the runner file.
    json::object settings_of(const std::string& config, const std::string& path)
    {
        json::object all;
        for (const auto name : configuration_fields) {
            if (const json::value* v = given(root_, name)) all[name] = *v;
        }
        const auto beside = find_configuration(config);
        if (beside) used_[*beside] = true;
        const json::object* own = beside ? configurations_[*beside].document.value.if_object() : nullptr;
        const json::value on_disk = own ? json::value() : read_configuration(config, path);
        if (!own) own = on_disk.if_object();
        if (!own) return all;
        for (const auto name : configuration_fields) {
            if (const json::value* v = given(*own, name)) all[name] = *v;
        }
        return all;
    }

    // The given file whose path ends as `config` does. Two parts must be alike, as one tenant's files are often named like another's; a name alone
    // is enough where nothing else has it.
    std::optional<std::size_t> find_configuration(const std::string& config) const
    {
        const fs::path wanted = fs::path(config).lexically_normal();
        const int enough = wanted.has_parent_path() ? 2 : 1;
        std::optional<std::size_t> found;
        int most = enough - 1;
        std::size_t namesakes = 0;
        std::optional<std::size_t> namesake;
        for (std::size_t i = 0; i < configurations_.size(); ++i) {
            std::error_code ec;
            const fs::path file = fs::absolute(configurations_[i].file, ec).lexically_normal();
            const int same = common_end(file, wanted);
            if (same > most) {
                most = same;
                found = i;
            }
            if (same > 0) {
                namesake = i;
                ++namesakes;
            }
        }
        if (found || namesakes != 1 || std::count(wanted_names_.begin(), wanted_names_.end(), file_name_of(config)) != 1) return found;
        return namesake;
    }

    json::value read_configuration(const std::string& config, const std::string& path)
    {
        const fs::path beside = runner_.file == "stdin" ? fs::path(config) : fs::path(runner_.file).parent_path() / config;
        std::error_code ec;
        if (!fs::is_regular_file(beside, ec)) {
            warn(path_of(path, "config"), fmt::format("{} is not here, so its tenant, connectors and retries are not known", config));
            return nullptr;
        }
        const auto text = read_text_file(beside.string());
        if (!text) {
            complain(path_of(path, "config"), text.error().title);
            return nullptr;
        }
        auto documents = parse_yaml(*text);
        if (!documents) {
            const yaml_error& e = documents.error();
            out_.complaints.push_back(fmt::format("{}:{}:{}: {}", beside.string(), e.line, e.column, e.message));
            return nullptr;
        }
        if (documents->size() != 1 || !documents->front().value.is_object()) {
            complain(path_of(path, "config"), fmt::format("{} is no job configuration: it must be one map", config));
            return nullptr;
        }
        return std::move(documents->front().value);
    }

    void make_job(const json::object& schedule, const std::string& name, const std::string& config, const std::string& path)
    {
        json::object settings = settings_of(config, path);
        const std::string tenant = text_of(given(settings, "tenant_id"));
        auto words = command_words(options_.command, {{"config", config}, {"name", name}, {"tenant_id", tenant}});
        if (!words) {
            complain(path, words.error().title);
            return;
        }
        json::array command;
        for (const std::string& word : *words) command.emplace_back(word);
        json::object body{{"job_id", name}, {"handler", json::object{{"type", "process"}, {"command", std::move(command)}}}};
        for (const std::string_view kept : {"source_connector", "target_connector", "asset"}) {
            if (const json::value* v = given(settings, kept)) body[kept] = *v;
        }
        const json::value* retries = given(schedule, "retry_config") ? given(schedule, "retry_config") : given(settings, "retry_config");
        if (retries) body["retry_config"] = *retries;
        else body["retry_policy"] = json::object{{"max_attempts", 1}};
        if (const json::value* enabled = given(schedule, "enabled")) body["enabled"] = *enabled;
        if (json::object when = schedule_of(schedule); !when.empty()) body["schedule"] = std::move(when);
        limit_tenant(body, tenant, path);
        body["tags"] = tags_of(schedule, name, tenant, text_of(given(settings, "source_connector")), path);
        out_.jobs.push_back({std::move(body), runner_.document.line_of(path)});
    }

    // Empty where there is no time in it, and where it is not wanted. What is wrong with it is told where the definition is read.
    json::object schedule_of(const json::object& entry) const
    {
        json::object when;
        if (options_.without_schedules || (!given(entry, "cron") && !given(entry, "interval_seconds"))) return when;
        for (const auto& [name, as] : schedule_fields) {
            if (const json::value* v = given(entry, name)) when[as] = *v;
        }
        return when;
    }

    // The tenants of a runner file are names in its configurations, and share one tenant here: each of them is a pool.
    void limit_tenant(json::object& body, const std::string& tenant, const std::string& path)
    {
        if (!per_tenant_) return;
        if (tenant.empty()) {
            body["concurrency_per_tenant"] = *per_tenant_;
            return;
        }
        const std::string pool = "tenant-" + tenant;
        if (!is_slug(pool)) {
            complain(path_of(path, "config"), fmt::format("its tenant_id {} cannot be limited by concurrency_per_tenant: it must be of a-z, 0-9, '.', '_', '-', at most 121", tenant));
            return;
        }
        body["resources"] = json::object{{"resource_pool", pool}};
        body["pool_concurrency_limit"] = *per_tenant_;
    }

    // The schedule's own, and those that every job gets.
    json::object tags_of(const json::object& schedule, const std::string& name, const std::string& tenant, const std::string& connector, const std::string& path)
    {
        json::object tags;
        if (const json::value* own = given(schedule, "tags")) {
            if (own->is_object()) tags = own->get_object();
            else complain(path_of(path, "tags"), "must be a map of texts");
        }
        tags["job_name"] = name;
        if (!tenant.empty()) tags["tenant"] = tenant;
        if (!connector.empty()) tags["connector_type"] = connector;
        return tags;
    }

    void tell_later()
    {
        if (later_.empty()) return;
        constexpr std::size_t most_named = 12;
        const std::size_t named = std::min(later_.size(), most_named);
        std::string fields = fmt::format("{}", fmt::join(later_.begin(), later_.begin() + static_cast<std::ptrdiff_t>(named), ", "));
        if (later_.size() > named) fields += fmt::format(" and {} more", later_.size() - named);
        const int line = runner_.document.line_of(later_.front());
        out_.warnings.push_back(fmt::format("{}:{}: warning: the jobs are made without schedules; left out: {}", runner_.file, line, fields));
    }

    const file_document& runner_;
    const json::object& root_;
    const std::vector<file_document>& configurations_;
    const runner_options& options_;
    std::vector<bool>& used_;
    runner_jobs out_;
    std::vector<std::string> later_;
    const json::value* per_tenant_ = nullptr;    // runner.orchestrator.concurrency_per_tenant
    std::vector<std::string> configs_;           // of the schedules, each once
    std::vector<std::string> wanted_names_;      // their file names
};

}

bool is_runner(const yaml_document& document)
{
    const json::object* root = document.value.if_object();
    return root && root->contains("runner") && !root->contains("job_id") && !root->contains("handler");
}

bool is_job_configuration(const yaml_document& document)
{
    const json::object* root = document.value.if_object();
    if (!root || root->contains("job_id") || root->contains("handler") || root->contains("runner")) return false;
    return root->contains("source_connector") || root->contains("target_connector") || root->contains("retry_config");
}

runner_jobs jobs_of_runner(const file_document& runner, const std::vector<file_document>& configurations, const runner_options& options, std::vector<bool>& used)
{
    return runner_reader(runner, configurations, options, used).read();
}

}
