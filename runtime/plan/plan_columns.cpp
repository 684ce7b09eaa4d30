#include "runtime/plan/plan_columns.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

namespace rowlock::runtime {

namespace json = boost::json;

namespace {

std::string merged(const json::object& below, const json::object& above)
{
    if (below.empty() && above.empty()) return "";
    json::object all = below;
    for (const auto& [name, value] : above) all[name] = value;
    return json::serialize(all);
}

void add_number(storage::array& column, std::int32_t number)
{
    if (number < 0) column.add_null();
    else column.add(number);
}

// The edges of a node, as PostgreSQL's array text.
void add_edges(storage::plan_node_columns& columns, const std::vector<compiled_edge>& edges, std::uint32_t first)
{
    if (edges.empty()) {
        columns.to.add_null();
        columns.kind.add_null();
        columns.condition.add_null();
        return;
    }
    std::string to = "{";
    std::string kinds = "{";
    json::array conditions;
    bool any = false;
    for (const auto& edge : edges) {
        if (to.size() > 1) {
            to += ',';
            kinds += ',';
        }
        to += std::to_string(edge.to - first);
        kinds += std::to_string(kind_of(edge));
        any = any || !edge.condition.empty();
        conditions.push_back(edge.condition.empty() ? json::value(nullptr) : json::value(edge.condition));
    }
    columns.to.add(to + '}');
    columns.kind.add(kinds + '}');
    columns.condition.add_text_or_null(any ? json::serialize(conditions) : "");
}

}

int kind_of(const compiled_edge& edge)
{
    return static_cast<int>(edge.type) + (edge.skip_on_upstream_skip ? 8 : 0);
}

void fill(storage::plan_node_columns& columns, const plan_definition& plan, const compiled_plan& compiled, const std::vector<job_version_ptr>& jobs, const json::object& tags,
          std::uint32_t first)
{
    for (std::size_t number = first; number < compiled.nodes.size(); ++number) {
        const auto& node = compiled.nodes[number];
        const auto& given = plan.nodes[node.index];
        const auto& job = *jobs[node.index];
        columns.node_id.add(given.node_id);
        columns.job.add(job.job.value);
        columns.version.add(job.version);
        columns.lane.add(job.lane.value);
        columns.priority.add(static_cast<std::int16_t>(given.priority.value_or(plan.priority.value_or(job.definition.priority.value_or(0)))));
        const auto& wait = job.definition.queue_timeout;
        columns.wait_ms.add(wait ? std::optional<std::int64_t>(wait->count()) : std::nullopt);
        columns.gate.add(static_cast<std::int16_t>(given.gate ? 1 : 0));
        columns.layer.add(static_cast<std::int32_t>(node.layer));
        columns.needs.add(static_cast<std::int32_t>(node.needs));
        add_number(columns.fallback, node.fallback);
        add_number(columns.fallback_of, node.fallback_of);
        columns.parameters.add_text_or_null(merged(job.definition.parameters, node.parameters));
        columns.refs.add_text_or_null(node.refs);
        columns.for_each.add_text_or_null(node.for_each);
        json::object own;
        for (const auto& [name, value] : given.tags) own[name] = value;
        columns.tags.add_text_or_null(merged(tags, own));
        add_edges(columns, node.edges, first);
    }
}

std::vector<bool> with_all_below(const compiled_plan& compiled, std::vector<bool> again)
{
    // Whatever waits for a node has a higher number.
    for (std::size_t number = 0; number < compiled.nodes.size(); ++number) {
        if (!again[number]) continue;
        const auto& node = compiled.nodes[number];
        for (const auto& edge : node.edges) again[edge.to] = true;
        if (node.fallback >= 0) again[static_cast<std::size_t>(node.fallback)] = true;
        if (node.fallback_of >= 0) {
            for (const auto& edge : compiled.nodes[static_cast<std::size_t>(node.fallback_of)].edges) again[edge.to] = true;
        }
    }
    return again;
}

}
