#include "runtime/graph/compile.hpp"

#include "runtime/graph/resolve.hpp"
#include "storage/model/json_text.hpp"

#include <fmt/format.h>

namespace rowlock::runtime {

namespace json = boost::json;

namespace {

std::string subject_of(const plan_definition& plan)
{
    return plan.plan_id.empty() ? std::string("The plan") : fmt::format("The plan {}", plan.plan_id);
}

void refuse_fallbacks_of_gates(const plan_definition& plan, field_errors& errors)
{
    for (std::uint32_t i = 0; i < plan.nodes.size(); ++i) {
        const auto& node = plan.nodes[i];
        if (!node.gate || !node.fallback) continue;
        errors.add(path_of(path_of("nodes", i), "fallback"), nullptr,
                   fmt::format("cannot be given to {}, whose job is a validator: nothing stands in for a gate that has failed", node.node_id));
    }
}

std::int32_t number_or_none(const std::optional<std::uint32_t>& index, const std::vector<std::uint32_t>& number_of)
{
    return index ? static_cast<std::int32_t>(number_of[*index]) : -1;
}

// In the order of numbers, so that each node's edges are in the order of theirs.
void add_edges(const plan_definition& plan, compiled_plan& made)
{
    std::vector<std::uint32_t> count(plan.nodes.size(), 0);
    for (const auto& node : plan.nodes) {
        for (const auto& need : node.needs) ++count[need.node];
    }
    for (auto& node : made.nodes) node.edges.reserve(count[node.index]);
    for (std::uint32_t number = 0; number < made.nodes.size(); ++number) {
        for (const auto& need : plan.nodes[made.nodes[number].index].needs) {
            const bool gate = plan.nodes[need.node].gate;
            const auto type = gate && need.type == need_type::completion ? need_type::success : need.type;
            made.nodes[made.number_of[need.node]].edges.push_back({number, type, need.skip_on_upstream_skip, need.condition});
        }
    }
}

compiled_plan in_order(const plan_definition& plan, const graph_order& order)
{
    compiled_plan made;
    made.layers = order.layers;
    made.number_of.resize(plan.nodes.size());
    made.nodes.resize(plan.nodes.size());
    for (std::uint32_t number = 0; number < order.sequence.size(); ++number) made.number_of[order.sequence[number]] = number;
    for (std::uint32_t number = 0; number < order.sequence.size(); ++number) {
        auto& node = made.nodes[number];
        node.index = order.sequence[number];
        node.layer = order.layer[node.index];
        const auto& given = plan.nodes[node.index];
        node.needs = static_cast<std::uint32_t>(given.needs.size()) + (given.fallback_of ? 1 : 0);
        node.fallback = number_or_none(given.fallback, made.number_of);
        node.fallback_of = number_or_none(given.fallback_of, made.number_of);
    }
    add_edges(plan, made);
    return made;
}

// In the order in which the plan is given, as all errors are.
void put_parameters_in(const plan_definition& plan, const json::object& parameters, compiled_plan& made, field_errors& errors)
{
    resolver resolve(parameters, made.number_of, errors);
    for (std::uint32_t i = 0; i < plan.nodes.size(); ++i) {
        const auto& given = plan.nodes[i];
        auto& node = made.nodes[made.number_of[i]];
        node.parameters = given.parameters;
        if (given.templates.empty() && !given.for_each) continue;
        const auto field = path_of("nodes", i);
        if (!given.templates.empty()) {
            json::value value(std::move(node.parameters));
            node.refs = resolve.put_in(value, given.templates, path_of(field, "parameters"));
            node.parameters = std::move(value.get_object());
        }
        if (given.for_each) node.for_each = resolve.for_each(*given.for_each, path_of(field, "for_each"));
    }
}

}

result<void> check_gates(const plan_definition& plan)
{
    field_errors errors;
    refuse_fallbacks_of_gates(plan, errors);
    if (errors.empty()) return {};
    return std::move(errors).take(subject_of(plan));
}

result<compiled_plan> compile(const plan_definition& plan, const json::object& parameters)
{
    field_errors errors;
    refuse_fallbacks_of_gates(plan, errors);
    const auto order = order_of(plan.nodes.size(), waits_of(plan));
    refuse_cycles(plan, order, errors);
    if (!order.cycles.empty()) return std::move(errors).take(subject_of(plan));
    auto made = in_order(plan, order);
    put_parameters_in(plan, parameters, made, errors);
    if (!errors.empty()) return std::move(errors).take(subject_of(plan));
    return made;
}

}
