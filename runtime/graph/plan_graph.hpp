#pragma once

#include "runtime/graph/graph.hpp"

namespace rowlock::runtime {

// The graph of a plan as it is stored, whatever parameters a run of it may need: nodes and edges as the plan gives them. Pure.
graph graph_of_definition(const plan_definition& plan);

}
