#include "storage/model/plan.hpp"

#include "storage/model/document_fields.hpp"
#include "storage/model/plan_parts.hpp"

#include <array>
#include <fmt/format.h>

namespace rowlock {

namespace json = boost::json;

namespace {

constexpr std::array<std::string_view, 3> modes{"local", "distributed", "hybrid"};
constexpr std::array<std::string_view, 2> failure_rules{"continue", "fail_fast"};
constexpr text_bounds reference_bounds{1, 1024};

// Looked at before anything else: a body that has so many is not read.
std::optional<std::size_t> too_many_nodes(const json::object& body)
{
    const auto* nodes = body.if_contains("nodes");
    const auto* list = nodes ? nodes->if_array() : nullptr;
    return list && list->size() > most_plan_nodes ? std::optional(list->size()) : std::nullopt;
}

void read_description(json_fields& fields, plan_definition& made)
{
    fields.text("description", {0, 10'000});
    fields.choice("default_mode", modes);
    made.fail_fast = fields.choice("on_failure", failure_rules) == "fail_fast";
    if (auto parameters = fields.free_object("parameters")) made.parameters = std::move(*parameters);
    if (const auto priority = fields.integer("priority", -1000, 1000)) made.priority = static_cast<int>(*priority);
    made.tags = document::read_tags(fields);
    made.contract_ref = fields.text("contract_ref", reference_bounds).value_or("");
    made.approval_ref = fields.text("approval_ref", reference_bounds).value_or("");
}

}

result<plan_definition> parse_plan(const json::object& body, std::string_view path_id, const definition_defaults& defaults)
{
    field_errors errors;
    if (const auto nodes = too_many_nodes(body)) {
        errors.add("nodes", nullptr, fmt::format("has {} nodes; a plan has at most {}", *nodes, most_plan_nodes));
        return std::move(errors).take("The plan");
    }
    document::refuse_nul(body, errors);
    plan_definition made;
    json_fields fields(body, "", errors, made.document);
    made.plan_id = document::read_id(fields, "plan_id", path_id, false);
    read_description(fields, made);
    plan::reading r(defaults, errors, made);
    if (plan::read_nodes(r, fields)) {
        plan::read_edges(r, fields);
        plan::check_links(r);
    } else {
        fields.drop("edges");
    }
    document::read_beside(fields);
    fields.refuse_rest();
    if (errors.empty()) return made;
    return std::move(errors).take(made.plan_id.empty() ? std::string("The plan") : fmt::format("The plan {}", made.plan_id));
}

}
