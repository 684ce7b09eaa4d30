#pragma once

#include "storage/model/plan.hpp"

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace rowlock::runtime {

// What a node's end means for another one.
struct compiled_edge {
    std::uint32_t to = 0;                            // number of the node that needs it
    need_type type = need_type::success;             // a gate's edges are never `completion`
    bool skip_on_upstream_skip = false;
    std::string condition{};                         // SQL/JSON path predicate on the result document; empty: none
};

struct compiled_node {
    std::uint32_t index = 0;                         // in plan_definition::nodes
    std::uint32_t layer = 0;
    // Edges that lead to it; of a fallback one more, for the failure of its primary.
    std::uint32_t needs = 0;
    std::int32_t fallback = -1;                      // number of its fallback; -1: none
    std::int32_t fallback_of = -1;                   // number of the node whose fallback it is; -1: none
    std::vector<compiled_edge> edges{};              // to the nodes that need it, by number
    // With the plan's parameters put in. Where a string is in `refs` it stands as it was written.
    boost::json::object parameters{};
    // What has to be put into `parameters` when the node starts, as JSON text; empty: nothing.
    // [{"at": ["a", "b", 0], "parts": ["text", {"node": 12, "path": "$.outputs.rows"}, {"item": "$.name"}]}]: the parts put together are the
    // string at `at`, and a part that stands alone is the value itself. `node` is a number, `path` and `item` are SQL/JSON paths into that
    // node's result document and into the execution's item.
    std::string refs{};
    // {"node": 12, "path": "$.outputs.list"} or {"list": [...]}; empty: the node is one execution.
    std::string for_each{};
};

// A plan that can be run. Nodes are numbered by layer, within a layer as the plan gives them; needs lead from lower to higher layers, a fallback
// stands behind its primary, and what needs the primary behind the fallback.
struct compiled_plan {
    std::vector<compiled_node> nodes;                // by number
    std::vector<std::uint32_t> number_of;            // of the node with this index in the plan
    std::uint32_t layers = 0;
};

// What is wrong with a plan whatever parameters a run of it has, and what parse_plan, which does not know the jobs of the catalogue, could not tell: a
// gate has a fallback. Errors: invalid_request with the fields nodes[3].fallback. compile() finds these too. Pure.
result<void> check_gates(const plan_definition& plan);

// `parameters`: the plan's defaults with those of the run over them. Errors, all at once: invalid_request with the fields
// nodes[3].parameters.a where a template names a parameter that there is not, nodes[3].for_each where one is no array, and nodes[3].fallback
// where a gate has one; dependency_cycle, which parse_plan finds too. Takes time in proportion to the plan. Pure.
result<compiled_plan> compile(const plan_definition& plan, const boost::json::object& parameters);

}
