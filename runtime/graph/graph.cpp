#include "runtime/graph/graph.hpp"

#include <algorithm>
#include <numeric>

namespace rowlock::runtime {

namespace {

edge_type type_of(need_type type)
{
    switch (type) {
    case need_type::success: return edge_type::success;
    case need_type::completion: return edge_type::completion;
    case need_type::data_ready: return edge_type::data_ready;
    }
    return edge_type::success;
}

constexpr std::uint32_t none = graph_order::no_layer;

// How many items of a list go one after the other.
double rounds_of(const graph_node& node)
{
    if (!node.items) return 1;
    const auto at_once = std::max<std::size_t>(node.items_at_once, 1);
    return static_cast<double>((*node.items + at_once - 1) / at_once);
}

std::vector<double> weights_of(const graph& g, std::span<const double> expected_seconds)
{
    std::vector<double> weights(expected_seconds.begin(), expected_seconds.end());
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] *= rounds_of(g.nodes[i]);
    if (weights.empty()) weights.assign(g.nodes.size(), 1);
    for (const auto& edge : g.edges) {
        if (edge.type == edge_type::fallback) weights[edge.to] = 0;
    }
    return weights;
}

// A node's last incoming edge stands before its first outgoing one.
std::vector<std::uint32_t> edges_by_layer(const graph& g, const graph_order& order)
{
    std::vector<std::uint32_t> sorted(g.edges.size());
    std::iota(sorted.begin(), sorted.end(), 0);
    std::erase_if(sorted, [&](std::uint32_t i) { return g.edges[i].type == edge_type::fallback; });
    std::stable_sort(sorted.begin(), sorted.end(), [&](std::uint32_t a, std::uint32_t b) { return order.layer[g.edges[a].from] < order.layer[g.edges[b].from]; });
    return sorted;
}

}

std::string_view name_of(edge_type type)
{
    switch (type) {
    case edge_type::success: return "SUCCESS";
    case edge_type::completion: return "COMPLETION";
    case edge_type::data_ready: return "DATA_READY";
    case edge_type::fallback: return "FALLBACK";
    }
    return "";
}

graph graph_of(const plan_definition& plan, const compiled_plan& compiled)
{
    graph g;
    g.nodes.reserve(compiled.nodes.size());
    for (std::uint32_t number = 0; number < compiled.nodes.size(); ++number) {
        const auto& node = compiled.nodes[number];
        const auto& given = plan.nodes[node.index];
        g.nodes.push_back({.id = given.node_id, .job_id = plan.job_id_of(given), .gate = given.gate, .for_each = given.for_each.has_value()});
        for (const auto& edge : node.edges) g.edges.push_back({number, edge.to, type_of(edge.type), edge.condition, edge.skip_on_upstream_skip});
        if (given.for_each && !given.for_each->source) g.nodes.back().items = given.for_each->items.size();
        if (node.fallback >= 0) g.edges.push_back({number, static_cast<std::uint32_t>(node.fallback), edge_type::fallback});
    }
    g.waits = waits_of(plan);
    for (auto& wait : g.waits) wait = {compiled.number_of[wait.from], compiled.number_of[wait.to]};
    return g;
}

graph_order order_of(const graph& g)
{
    auto arrows = g.waits;
    arrows.reserve(arrows.size() + g.edges.size());
    for (const auto& edge : g.edges) arrows.push_back({edge.from, edge.to});
    return rowlock::order_of(g.nodes.size(), arrows);
}

critical_path critical_path_of(const graph& g, const graph_order& order, std::span<const double> expected_seconds)
{
    if (g.nodes.empty() || !order.cycles.empty()) return {};
    const auto weights = weights_of(g, expected_seconds);
    auto length = weights;                           // of the longest way that ends with this node
    std::vector<std::uint32_t> before(g.nodes.size(), none);
    for (const auto i : edges_by_layer(g, order)) {
        const auto& edge = g.edges[i];
        const double longer = length[edge.from] + weights[edge.to];
        if (before[edge.to] != none && longer <= length[edge.to]) continue;
        length[edge.to] = longer;
        before[edge.to] = edge.from;
    }
    const auto last = static_cast<std::uint32_t>(std::max_element(length.begin(), length.end()) - length.begin());
    critical_path found{.length = length[last]};
    for (auto at = last; at != none; at = before[at]) found.nodes.push_back(at);
    std::reverse(found.nodes.begin(), found.nodes.end());
    return found;
}

}
