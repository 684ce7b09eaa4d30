#pragma once

#include "ops/cli/exit_code.hpp"
#include "ops/cli/table.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace rowlock::ops {

// Plans and their runs as people see them. All pure.

// Id, plan, status, nodes, started, duration. `items`: a list of runs.
table plan_run_table(const boost::json::array& items, const terminal_style& style);
// What is known of a run besides its nodes.
field_list plan_run_fields(const boost::json::value& run);
// "FAILED: 5 of 7 nodes ended, 1 failed, in 1.20s".
std::string one_line_of_plan_run(const boost::json::value& run);

bool plan_run_has_ended(const boost::json::value& run);
// 0 for COMPLETED, 1 for every other end.
exit_code exit_code_of_plan_run(const boost::json::value& run);

// How many nodes of a layer are in which state.
struct layer_counts {
    std::size_t nodes = 0;
    std::size_t ended = 0;
    std::size_t failed = 0;                              // of those: FAILED and TIMEOUT
    std::size_t items = 0;                               // of the lists of nodes that are under way
    std::size_t items_ended = 0;
    std::map<std::string, std::size_t> by_status{};
};
// Of a run or a graph, by layer.
std::vector<layer_counts> layers_of(const boost::json::value& shown);
// How far a run has come, for a bar: the nodes that have ended of all, or, while lists are under way, the items of these.
struct plan_bar {
    std::string label;
    std::size_t done = 0;
    std::size_t total = 0;
};
plan_bar bar_of(const std::vector<layer_counts>& layers);
// Can nothing change this status any more?
bool is_end_of_node(std::string_view status);

// The layers of a run or of a graph, below each other, each with its nodes, their states and what they need; of many nodes a line for each layer, with
// the nodes that have failed. Lines are at most `style.width` wide (0: as wide as they are) and end in '\n'.
std::string draw_layers(const boost::json::value& shown, const terminal_style& style);

}
