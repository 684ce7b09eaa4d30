#include "runtime/graph/plan_graph.hpp"

namespace rowlock::runtime {

namespace {

// A gate lets on only who it succeeded for.
edge_type type_of(const plan_need& need, bool from_gate)
{
    switch (need.type) {
    case need_type::success: return edge_type::success;
    case need_type::completion: return from_gate ? edge_type::success : edge_type::completion;
    case need_type::data_ready: return edge_type::data_ready;
    }
    return edge_type::success;
}

}

graph graph_of_definition(const plan_definition& plan)
{
    graph g;
    g.nodes.reserve(plan.nodes.size());
    for (std::uint32_t to = 0; to < plan.nodes.size(); ++to) {
        const auto& node = plan.nodes[to];
        g.nodes.push_back({.id = node.node_id, .job_id = plan.job_id_of(node), .gate = node.gate, .for_each = node.for_each.has_value()});
        for (const auto& need : node.needs) {
            g.edges.push_back({need.node, to, type_of(need, plan.nodes[need.node].gate), need.condition, need.skip_on_upstream_skip});
        }
        if (node.fallback) g.edges.push_back({to, *node.fallback, edge_type::fallback});
    }
    g.waits = waits_of(plan);
    return g;
}

}
