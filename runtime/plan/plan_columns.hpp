#pragma once

#include "runtime/graph/compile.hpp"
#include "storage/plan_run_store.hpp"

#include <boost/json/object.hpp>
#include <cstdint>
#include <vector>

namespace rowlock::runtime {

// The nodes of a compiled plan from number `first` on as the database takes them, with the numbers from there on. `jobs`: by the plan's index of the node;
// `tags`: of the run, under those of the nodes. Pure.
void fill(storage::plan_node_columns& columns, const plan_definition& plan, const compiled_plan& compiled, const std::vector<job_version_ptr>& jobs,
          const boost::json::object& tags, std::uint32_t first = 0);

// An edge's kind as plan_nodes.out_kind has it.
int kind_of(const compiled_edge& edge);

// Which nodes a rerun does again, by number: those in `again` and all that wait for them, their fallbacks included. Pure.
std::vector<bool> with_all_below(const compiled_plan& compiled, std::vector<bool> again);

}
