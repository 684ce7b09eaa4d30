#include "runtime/graph/graph_document.hpp"

#include "storage/model/json_text.hpp"
#include "storage/model/sha256.hpp"

#include <boost/json/array.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>

namespace rowlock::runtime {

namespace json = boost::json;

namespace {

constexpr std::size_t graph_id_digits = 32;

json::array ids_of(const graph& g, std::span<const std::uint32_t> nodes)
{
    json::array ids;
    ids.reserve(nodes.size());
    for (const auto node : nodes) ids.emplace_back(g.nodes[node].id);
    return ids;
}

json::value text_or_null(const std::string& text)
{
    return text.empty() ? json::value() : json::value(text);
}

json::array nodes_of(const graph& g, const graph_order& order)
{
    json::array all;
    all.reserve(g.nodes.size());
    for (std::size_t i = 0; i < g.nodes.size(); ++i) {
        const auto& node = g.nodes[i];
        json::object one;
        if (!node.job_id.empty()) one["node_id"] = node.id;
        one["job_id"] = node.job_id.empty() ? node.id : node.job_id;
        one["layer"] = order.layer[i] == graph_order::no_layer ? json::value() : json::value(order.layer[i]);
        if (node.gate) one["gate"] = true;
        if (node.for_each) one["for_each"] = true;
        all.push_back(std::move(one));
    }
    return all;
}

json::array edges_of(const graph& g)
{
    json::array all;
    all.reserve(g.edges.size());
    for (const auto& edge : g.edges) {
        json::object one;
        one["from"] = g.nodes[edge.from].id;
        one["to"] = g.nodes[edge.to].id;
        one["type"] = name_of(edge.type);
        one["condition"] = text_or_null(edge.condition);
        one["skip_on_upstream_skip"] = edge.skip_on_upstream_skip;
        if (edge.window) one["window"] = std::chrono::duration<double>(*edge.window).count();
        if (!edge.data.empty()) one["data"] = json::array(edge.data.begin(), edge.data.end());
        all.push_back(std::move(one));
    }
    return all;
}

json::array layers_of(const graph& g, const graph_order& order)
{
    json::array layers;
    layers.reserve(order.layers);
    for (std::uint32_t layer = 0; layer < order.layers; ++layer) layers.emplace_back(json::array());
    for (const auto node : order.sequence) layers[order.layer[node]].get_array().emplace_back(g.nodes[node].id);
    return layers;
}

void add_status(const graph& g, json::array& nodes)
{
    for (std::size_t i = 0; i < g.nodes.size(); ++i) {
        if (!g.nodes[i].status.empty()) nodes[i].get_object()["status"] = g.nodes[i].status;
    }
}

json::array errors_of(const graph& g, const graph_order& order, const std::vector<std::string>& problems)
{
    json::array all;
    for (const auto& cycle : order.cycles) {
        std::string text;
        for (const auto node : cycle) text += (text.empty() ? "" : " -> ") + g.nodes[node].id;
        all.emplace_back(fmt::format("{} The cycle is {}.", sentence(errc::dependency_cycle), text));
    }
    for (const auto& problem : problems) all.emplace_back(problem);
    return all;
}

}

json::object graph_document(const graph& g, std::span<const double> expected_seconds, const std::vector<std::string>& problems)
{
    const auto order = order_of(g);
    const auto critical = critical_path_of(g, order, expected_seconds);
    auto nodes = nodes_of(g, order);
    auto edges = edges_of(g);
    std::string content;
    append_text(content, nodes);
    append_text(content, edges);
    add_status(g, nodes);
    json::array jobs;
    jobs.reserve(g.nodes.size());
    for (const auto& node : g.nodes) jobs.emplace_back(node.id);
    auto errors = errors_of(g, order, problems);
    json::object document;
    document["graph_id"] = sha256_hex(content).substr(0, graph_id_digits);
    document["jobs"] = std::move(jobs);
    document["nodes"] = std::move(nodes);
    document["edges"] = std::move(edges);
    document["execution_order"] = layers_of(g, order);
    document["critical_path"] = ids_of(g, critical.nodes);
    document["critical_path_seconds"] = expected_seconds.empty() || critical.nodes.empty() ? json::value() : json::value(critical.length);
    document["is_valid"] = errors.empty();
    document["validation_errors"] = std::move(errors);
    return document;
}

}
