#include "storage/model/document_fields.hpp"
#include "storage/model/job_definition_parts.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>

namespace rowlock {

namespace json = boost::json;

namespace {

constexpr std::size_t longest_document = 1 << 20;

void read_description(json_fields& fields, job_definition& made)
{
    constexpr std::array<std::string_view, 4> types{"tool", "validator", "test", "job"};
    fields.text("name", {1, 256});
    fields.text("description", {0, 10'000});
    made.limits.job_type = fields.text("job_type", {1, 128}).value_or("");
    made.is_validator = fields.choice("type", types) == "validator";
    fields.choice("lifecycle", lifecycle_names);
    fields.texts("stage", {0, 64, {1, 128}});
    fields.texts("pipeline_modules", {0, 64, {1, 128}});
    document::read_tags(fields);
    fields.text("source_connector", {1, 256});
    fields.text("target_connector", {1, 256});
    fields.text("asset", {1, 1024});
}

// The name of one data set; nullopt: it is refused. A data set is its name, or an object that says more about it.
std::optional<std::string> read_data_set(const json::value& given, const std::string& path, json::array& accepted, field_errors& errors)
{
    constexpr text_bounds name_bounds{1, 1024};
    if (const auto* text = given.if_string()) {
        const std::string_view name(text->data(), text->size());
        if (auto why = refusal_of(name, name_bounds); !why.empty()) {
            errors.add(path, &given, std::move(why));
            return std::nullopt;
        }
        accepted.push_back(given);
        return std::string(name);
    }
    const auto* object = given.if_object();
    if (!object) {
        errors.add(path, &given, "must be the name of a data set, or an object with a name");
        return std::nullopt;
    }
    json::object kept;
    json_fields members(*object, path, errors, kept);
    if (!members.has("name")) members.require("name");
    auto name = members.text("name", name_bounds);
    members.text("namespace", name_bounds);
    members.text("uri", {1, 8192});
    members.text("description", {0, 10'000});
    members.refuse_rest();
    accepted.push_back(std::move(kept));
    return name;
}

// Their names.
std::vector<std::string> read_data_sets(json_fields& fields, std::string_view member)
{
    constexpr std::size_t most = 256;
    std::vector<std::string> names;
    const auto given = fields.find(member);
    if (!given) return names;
    const auto* list = given.value->if_array();
    if (!list || list->size() > most) {
        fields.refuse(given, fmt::format("must be an array of at most {} data sets", most));
        return names;
    }
    json::array accepted;
    for (std::size_t i = 0; i < list->size(); ++i) {
        const std::string path = path_of(fields.path_of_member(member), i);
        auto name = read_data_set((*list)[i], path, accepted, fields.errors());
        if (!name) continue;
        if (std::find(names.begin(), names.end(), *name) == names.end()) names.push_back(std::move(*name));
        else fields.errors().add(path, &(*list)[i], fmt::format("names {} a second time; name each data set once", *name));
    }
    fields.accept(member, std::move(accepted));
    return names;
}

std::optional<int> read_resources(json_fields& fields, job_limits& limits)
{
    std::optional<int> priority;
    fields.object("resources", [&](json_fields& resources) {
        limits.request = read_resource_amounts(resources);
        limits.pool = resources.slug("resource_pool").value_or("");
        if (const auto p = resources.integer("priority", -1000, 1000)) priority = static_cast<int>(*p);
    });
    return priority;
}

job_definition read_definition(const json::object& body, std::string_view path_id, const definition_defaults& defaults, field_errors& errors)
{
    job_definition made;
    json_fields fields(body, "", errors, made.document);
    made.job_id = document::read_id(fields, "job_id", path_id, true);
    read_description(fields, made);
    auto handler = definition::read_handler(fields, defaults);
    if (handler) made.handler = std::move(*handler);
    if (auto parameters = fields.free_object("parameters")) made.parameters = std::move(*parameters);
    made.inputs = read_data_sets(fields, "inputs");
    made.outputs = read_data_sets(fields, "outputs");
    definition::read_dependencies(fields, made);
    made.waiting = defaults.dependencies;
    definition::read_schedule(fields, made, defaults);
    definition::read_windows(fields, made);
    definition::read_triggers(fields, made);
    definition::read_ordering(fields, made);
    definition::read_cancelling(fields, made);
    made.priority = read_resources(fields, made.limits);
    definition::read_limits(fields, made);
    definition::read_placement(fields);
    definition::read_failure_handling(fields, made, defaults);
    if (handler) definition::refuse_for_handler(fields, made);
    definition::read_hooks(fields, made);
    made.idempotent = fields.boolean("idempotent").value_or(false);
    made.dedupe = fields.boolean("dedupe").value_or(false);
    definition::read_retention(fields, made);
    document::read_beside(fields);
    definition::refuse_later_fields(fields, "definition");
    fields.refuse_rest();
    return made;
}

}

result<job_definition> parse_job_definition(const json::object& body, std::string_view path_id, const definition_defaults& defaults)
{
    field_errors errors;
    document::refuse_nul(body, errors);
    job_definition made = definition::has_lifted_fields(body) ? read_definition(definition::with_lifted_fields(body, errors), path_id, defaults, errors)
                                                              : read_definition(body, path_id, defaults, errors);
    std::string text;
    append_text(text, made.document);
    if (text.size() > longest_document) errors.add("", nullptr, fmt::format("is {} bytes long; a definition has at most {}", text.size(), longest_document));
    if (errors.empty()) return made;
    return std::move(errors).take(made.job_id.empty() ? std::string("The definition") : fmt::format("The definition of job {}", made.job_id));
}

}
