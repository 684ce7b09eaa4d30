#pragma once

#include "ops/cli/exit_code.hpp"
#include "ops/cli/table.hpp"

#include <boost/json/value.hpp>
#include <string>

namespace rowlock::ops {

// Executions as people see them.

// Id, job, status, attempt, queued, duration. `items`: a list of executions.
table execution_table(const boost::json::array& items, const terminal_style& style);
// Everything that is known of one.
field_list execution_fields(const boost::json::value& execution);
// How long it has run: its result's duration, or from start to end. "" where it has not started.
std::string duration_of(const boost::json::value& execution);

bool has_ended(const boost::json::value& execution);
// 0 for COMPLETED, 1 for every other end.
exit_code exit_code_of_execution(const boost::json::value& execution);
// "FAILED: EXIT_3: checksum differs", "COMPLETED in 1.20s".
std::string one_line_of(const boost::json::value& execution);

}
