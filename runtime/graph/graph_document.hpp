#pragma once

#include "runtime/graph/graph.hpp"

#include <boost/json/object.hpp>
#include <span>
#include <string>
#include <vector>

namespace rowlock::runtime {

// The graph as spec J9 has it: {"graph_id", "jobs": [ids], "nodes": [{"node_id", "job_id", "layer", ...}], "edges": [{"from", "to", "type",
// "condition", "skip_on_upstream_skip"}], "execution_order": [[ids of a layer]], "critical_path": [ids], "critical_path_seconds": null | n,
// "is_valid", "validation_errors": [...]}. `jobs` names what the edges lead between: the nodes of a plan, or jobs. graph_id is a hash over jobs, nodes
// and edges, not over states. A cycle and each of `problems` makes it invalid; what is on or behind a cycle has no layer. Pure.
boost::json::object graph_document(const graph& g, std::span<const double> expected_seconds = {}, const std::vector<std::string>& problems = {});

}
