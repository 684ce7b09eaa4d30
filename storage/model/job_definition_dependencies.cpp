#include "storage/model/job_definition_parts.hpp"

#include <algorithm>
#include <boost/json/string.hpp>
#include <fmt/format.h>

namespace rowlock::definition {

namespace json = boost::json;

namespace {

constexpr std::size_t most_dependencies = 100;
constexpr text_bounds path_bounds{1, 4096};          // of a SQL/JSON path
constexpr std::size_t most_levels = 8;
constexpr text_bounds key_bounds{1, 1024};

// ---- dependencies

void read_upstream(json_fields& fields, const job_definition& made, job_dependency& dependency)
{
    if (!fields.has("upstream_job_id")) fields.require("upstream_job_id");
    auto upstream = fields.slug("upstream_job_id");
    if (!upstream) return;
    dependency.upstream_job_id = std::move(*upstream);
    const auto& id = dependency.upstream_job_id;
    if (id == made.job_id) fields.errors().add_cycle(fields.path_of_member("upstream_job_id"), {id, id});
    const bool again = std::any_of(made.dependencies.begin(), made.dependencies.end(), [&id](const job_dependency& other) { return other.upstream_job_id == id; });
    if (again) fields.refuse(fields.find("upstream_job_id"), fmt::format("names {} a second time; a job depends on another once", id));
}

// After read_upstream. An id that is given may be the one that another dependency has by default.
void read_dependency_id(json_fields& fields, const job_definition& made, job_dependency& dependency)
{
    dependency.dependency_id = fields.slug("dependency_id").value_or(fmt::format("{}-{}", made.job_id, dependency.upstream_job_id));
    const auto other = std::find_if(made.dependencies.begin(), made.dependencies.end(), [&dependency](const job_dependency& earlier) {
        return earlier.dependency_id == dependency.dependency_id && earlier.upstream_job_id != dependency.upstream_job_id;
    });
    if (other == made.dependencies.end()) return;
    const json::value shown = json::string(dependency.dependency_id);
    fields.errors().add(fields.path_of_member("dependency_id"), &shown,
                        fmt::format("is the id of the dependency on {} too; each needs one of its own", other->upstream_job_id));
}

job_dependency read_dependency(json_fields& fields, job_definition& made)
{
    job_dependency dependency;
    read_upstream(fields, made, dependency);
    read_dependency_id(fields, made, dependency);
    if (const auto type = fields.choice("dependency_type", need_type_names)) dependency.type = need_type_of(*type);
    if (auto condition = fields.text("condition", path_bounds)) {
        // Whether it is a SQL/JSON path the database says, where the definition is put.
        made.paths.push_back({fields.path_of_member("condition"), *condition});
        dependency.condition = std::move(*condition);
    }
    dependency.window = fields.seconds("window", milliseconds{1}, longest_duration, "window_seconds");
    dependency.skip_on_upstream_skip = fields.boolean("skip_on_upstream_skip").value_or(false);
    dependency.timeout = fields.seconds("timeout_seconds", milliseconds{1}, longest_duration);
    return dependency;
}

// ---- ordering_key

constexpr bool stands_in_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

// The names between the dots of "a.b.c"; none where that is no such path.
std::vector<std::string> names_in(std::string_view path)
{
    std::vector<std::string> names;
    for (std::size_t begin = 0; begin <= path.size();) {
        const auto end = std::min(path.find('.', begin), path.size());
        const auto name = path.substr(begin, end - begin);
        if (name.empty() || !std::all_of(name.begin(), name.end(), stands_in_name)) return {};
        names.emplace_back(name);
        begin = end + 1;
    }
    return names;
}

}

void read_dependencies(json_fields& definition, job_definition& made)
{
    definition.objects("dependencies", most_dependencies, [&made](json_fields& fields) { made.dependencies.push_back(read_dependency(fields, made)); });
    if (const auto all = definition.boolean("require_all")) made.require_all = *all;
}

std::optional<parameter_path> read_parameter_path(json_fields& fields, std::string_view name)
{
    constexpr std::string_view root = "$.";
    const auto given = fields.text(name, key_bounds);
    if (!given) return std::nullopt;
    const std::string_view path = given->starts_with(root) ? std::string_view(*given).substr(root.size()) : std::string_view(*given);
    parameter_path read{names_in(path), std::string(path)};
    if (read.names.empty() || read.names.size() > most_levels) {
        fields.refuse(fields.find(name), fmt::format("must be the names of members of the parameters, with a dot between them, as in customer.id: each of A-Z, a-z, 0-9, '_', '-', "
                                                     "at most {} of them",
                                                     most_levels));
        return std::nullopt;
    }
    fields.accept(name, json::string(read.text));
    return read;
}

void read_ordering(json_fields& definition, job_definition& made)
{
    auto path = read_parameter_path(definition, "ordering_key");
    if (!path) return;
    made.ordering_path = std::move(path->names);
    made.ordering_key = std::move(path->text);
}

void read_cancelling(json_fields& definition, job_definition& made)
{
    const bool has_cascades = definition.has("cascade_cancel");
    const bool cascades = definition.boolean("cascade_cancel").value_or(false);
    const auto given = definition.find("cancel_scope");
    const auto name = definition.choice("cancel_scope", cancel_cascade_names);
    const auto scope = name ? cancel_cascade_of(*name) : cancel_cascade::immediate_dependents;
    if (name && scope != cancel_cascade::none && !has_cascades) {
        definition.refuse(given, "says how far a cancel goes, and cascade_cancel does not say that it goes anywhere; set cascade_cancel to true, or leave cancel_scope out");
    }
    if (cascades && scope == cancel_cascade::none) {
        definition.refuse(given, "contradicts cascade_cancel, which is true; choose IMMEDIATE_DEPENDENTS or ALL_DOWNSTREAM, or set cascade_cancel to false");
    }
    if (cascades) made.on_cancel = scope;
}

}
