#include "ops/cli/definition_file.hpp"

#include "ops/cli/json_read.hpp"
#include "ops/cli/parameters.hpp"
#include "ops/cli/yaml_files.hpp"
#include "ops/config/settings_table.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <map>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

std::string position(const std::string& file, int line)
{
    return fmt::format("{}:{}", file, line);
}

// Two files that define one job, or plan, would overwrite each other in an order that nobody chose.
void find_twins(const std::vector<definition>& all, std::string_view name, std::vector<std::string>& complaints)
{
    std::map<std::string, const definition*> first;
    for (const definition& one : all) {
        if (one.id.empty()) continue;
        const auto [found, is_first] = first.emplace(one.id, &one);
        if (is_first) continue;
        const definition& other = *found->second;
        complaints.push_back(fmt::format("{}: {}: is defined at {} already (\"{}\")", position(one.file, one.document.line_of(name)), name,
                                         position(other.file, other.document.line_of(name)), one.id));
    }
}

}

std::string definition::complaint(const field_error& field) const
{
    return fmt::format("{}: {}", position(file, document.line_of(field.field)), field_line(field));
}

runner_options default_runner_options()
{
    const auto rows = settings_table();
    const auto row = std::find_if(rows.begin(), rows.end(), [](const setting& one) { return one.name == "DATIVO_COMMAND"; });
    return {std::string(default_text(*row, settings_mode::serve)), false};
}

namespace {

void read_file(const std::string& file, std::vector<file_document>& documents, definition_set& set)
{
    const auto text = read_text_file(file);
    if (!text) {
        set.complaints.push_back(text.error().title);
        return;
    }
    const std::string shown = file == "-" ? "stdin" : file;
    auto parsed = parse_yaml(*text);
    if (!parsed) {
        const yaml_error& e = parsed.error();
        set.complaints.push_back(fmt::format("{}:{}:{}: {}", shown, e.line, e.column, e.message));
        return;
    }
    if (parsed->empty()) set.complaints.push_back(fmt::format("{}: there is no definition in it", position(shown, 1)));
    for (yaml_document& one : *parsed) documents.push_back({shown, std::move(one)});
}

bool is_plan(const yaml_document& document)
{
    const json::object* members = document.value.if_object();
    return members && members->contains("nodes");
}

void take_plan(file_document&& from, wanted_documents wanted, definition_set& set)
{
    definition one{from.file, text_at(from.document.value, "plan_id"), {}, std::move(from.document)};
    if (wanted == wanted_documents::jobs) {
        set.complaints.push_back(fmt::format("{}: is a plan, as it has nodes; `rowlock plan apply` stores it", position(one.file, one.document.line_of("nodes"))));
        return;
    }
    one.body = std::move(one.document.value.get_object());
    const json::value* id = one.body.if_contains("plan_id");
    if (id && !is_slug(one.id)) {
        set.complaints.push_back(one.complaint({"plan_id", to_text(*id), "must be letters a-z, digits, '.', '_', '-', 1 to 128 of them, begun by a letter or digit"}));
    } else {
        set.plans.push_back(std::move(one));
    }
}

void take_definition(file_document&& from, definition_set& set)
{
    definition one{from.file, text_at(from.document.value, "job_id"), {}, std::move(from.document)};
    if (!one.document.value.is_object()) {
        set.complaints.push_back(fmt::format("{}: a definition must be a map", position(one.file, one.document.line)));
        return;
    }
    one.body = std::move(one.document.value.get_object());
    const json::value* id = one.body.if_contains("job_id");
    if (!id) {
        set.complaints.push_back(one.complaint({"job_id", "", "is missing"}));
    } else if (!id->is_string() || !is_slug(one.id)) {
        set.complaints.push_back(one.complaint({"job_id", to_text(*id), "must be letters a-z, digits, '.', '_', '-', 1 to 128 of them, begun by a letter or digit"}));
    } else {
        set.jobs.push_back(std::move(one));
    }
}

void take_runner(const file_document& from, const std::vector<file_document>& configurations, const runner_options& runners, std::vector<bool>& used, definition_set& set)
{
    runner_jobs made = jobs_of_runner(from, configurations, runners, used);
    for (runner_job& job : made.jobs) {
        std::string id{job.body.at("job_id").get_string()};
        yaml_document lines;
        lines.line = job.line;
        set.jobs.push_back({from.file, std::move(id), std::move(job.body), std::move(lines)});
    }
    set.complaints.insert(set.complaints.end(), made.complaints.begin(), made.complaints.end());
    set.warnings.insert(set.warnings.end(), made.warnings.begin(), made.warnings.end());
}

}

definition_set load_definitions(const std::vector<std::string>& files, const runner_options& runners, wanted_documents wanted)
{
    definition_set set;
    std::vector<file_document> documents;
    for (const std::string& argument : files) {
        const auto found = yaml_files_of(argument);
        if (!found) {
            set.complaints.push_back(found.error().title);
            continue;
        }
        for (const std::string& file : *found) read_file(file, documents, set);
    }
    // Job configurations belong to the runner files beside them, wherever those stand.
    const auto others = std::stable_partition(documents.begin(), documents.end(), [](const file_document& one) { return !is_job_configuration(one.document); });
    const std::vector<file_document> configurations(std::make_move_iterator(others), std::make_move_iterator(documents.end()));
    documents.erase(others, documents.end());
    std::vector<bool> used(configurations.size());
    for (file_document& one : documents) {
        if (is_plan(one.document)) take_plan(std::move(one), wanted, set);
        else if (wanted == wanted_documents::plans) set.complaints.push_back(fmt::format("{}: is no plan, as it has no nodes", position(one.file, one.document.line)));
        else if (is_runner(one.document)) take_runner(one, configurations, runners, used, set);
        else take_definition(std::move(one), set);
    }
    for (std::size_t i = 0; i < configurations.size(); ++i) {
        if (used[i]) continue;
        set.complaints.push_back(fmt::format("{}: neither a definition, as it has no job_id, nor a configuration that a schedule of a given runner file names",
                                             position(configurations[i].file, configurations[i].document.line)));
    }
    find_twins(set.jobs, "job_id", set.complaints);
    find_twins(set.plans, "plan_id", set.complaints);
    return set;
}

}
