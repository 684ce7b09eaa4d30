#pragma once

#include "runtime/graph/compile.hpp"
#include "storage/model/graph_order.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::runtime {

// A graph to be shown: of a plan, of a plan's run, or of all jobs.

enum class edge_type : std::uint8_t { success, completion, data_ready, fallback };
// "SUCCESS", "COMPLETION", "DATA_READY", "FALLBACK".
std::string_view name_of(edge_type type);

struct graph_node {
    std::string id;
    std::string job_id{};                            // of a plan's node; empty: the id is a job's
    std::string status{};                            // of a run's node; empty: it has none
    bool gate = false;
    bool for_each = false;
    // Of for_each, where it is known: how many items it has, and how many of them may run at a time.
    std::optional<std::size_t> items{};
    std::size_t items_at_once = 1;
};

struct graph_edge {
    std::uint32_t from = 0;                          // indexes of nodes
    std::uint32_t to = 0;
    edge_type type = edge_type::success;
    std::string condition{};                         // empty: none
    bool skip_on_upstream_skip = false;
    std::optional<milliseconds> window{};            // how old the upstream's end may be; between jobs
    std::vector<std::string> data{};                 // the data sets that the edge comes from; none: it was asked for itself
};

struct graph {
    std::vector<graph_node> nodes;
    std::vector<graph_edge> edges;
    // What waits though no edge says so: in a plan, who needs a node that has a fallback waits for the fallback. May say what edges say again.
    std::vector<arrow> waits{};
};

// The nodes in the order of their numbers. The lists that the plan has itself are known.
graph graph_of(const plan_definition& plan, const compiled_plan& compiled);

graph_order order_of(const graph& g);

// `order` is the graph's. The longest way through the graph along its edges, each node counted with its expected seconds, or where none are given with 1; its nodes in
// order. The seconds of a node that maps over a list are those of an item, and its items go ceil(items / items_at_once) times one after the other; a list that is
// not known yet counts as one item. The edges to fallbacks are left out, and fallbacks count nothing: where all goes well they do not run. Of ways that are equally long
// one is taken, always the same. Empty where the graph has a cycle. Pure.
struct critical_path {
    std::vector<std::uint32_t> nodes{};
    double length = 0;                               // seconds, or nodes
};
critical_path critical_path_of(const graph& g, const graph_order& order, std::span<const double> expected_seconds = {});

}
