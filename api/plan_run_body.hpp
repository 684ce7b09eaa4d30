#pragma once

#include "api/context.hpp"
#include "runtime/plan/plan_runs.hpp"

#include <boost/json/object.hpp>

namespace rowlock::api {

// What POST /v1/plan-runs takes.
struct plan_run_body {
    runtime::plan_run_request request;
    bool dry_run = false;
};

// Reads it with its key, which may stand in the header too. Errors: invalid_request, with every field that is refused, those of an inline plan
// included, as far as they can be told without the database.
result<plan_run_body> read_plan_run(const request_context& rq, const boost::json::object& body);

}
