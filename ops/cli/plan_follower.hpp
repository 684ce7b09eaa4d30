#pragma once

#include "ops/cli/context.hpp"

#include <boost/json/value.hpp>
#include <string>

namespace rowlock::ops {

// Waits until the run of a plan has ended, and gives it, whole. Meanwhile stderr tells how far it has come: a bar on a terminal, else a line for
// each node that has ended, of many nodes for each layer.
outcome_of<boost::json::value> follow_plan_run(context& c, const std::string& plan_run_id);

// Follows it, shows it as it ended, and gives the exit code that says how.
exit_code follow_and_show(context& c, const std::string& plan_run_id);

}
