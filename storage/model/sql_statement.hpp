#pragma once

#include "storage/model/error.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace rowlock {

// The statement of a sql job as PostgreSQL gets it: a template never becomes part of the text, it becomes a parameter.
struct sql_statement {
    static constexpr std::size_t most_binds = 1000;

    std::string text;                                // with $1, $2, ... where the templates stood
    std::vector<std::string> binds;                  // what they named, in that order: parameters.table.name, execution_id
};

// Finds the templates of a statement: {{ parameters.x }}, {{ execution_id }}, {{ run_id }}, {{ job_id }}, {{ attempt_number }}. Each becomes a
// parameter of its own, also where two are alike, so that each takes its type from where it stands. Comments are left as they are. Error
// invalid_request, whose detail goes on after "The statement ...": a template that names something else, or stands within quotes, where
// PostgreSQL would take $1 for text; a quote or comment without an end; a $1 of the writer's own. Pure.
result<sql_statement> read_sql_statement(std::string_view given);

}
