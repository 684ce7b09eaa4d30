#pragma once

#include "runtime/async/types.hpp"
#include "runtime/catalog/catalog.hpp"
#include "storage/model/plan.hpp"

#include <boost/json/object.hpp>
#include <string_view>
#include <vector>

namespace rowlock::runtime {

// What can be said of a plan only with the catalogue and the database.

// The jobs of the nodes from `first` on, by index; nullptr: an inline one. Nodes whose jobs are validators become gates. Errors: invalid_request for jobs
// and versions that there are not, then job_disabled, both by field; database_unavailable. Resumes on the caller's core; `plan` outlives it.
awaitable<result<std::vector<job_version_ptr>>> find_jobs(catalog& jobs, tenant_key tenant, plan_definition& plan, std::size_t first = 0);

// The paths that PostgreSQL does not take. Equal ones are asked once. Errors: invalid_request.
result<void> check_paths(storage::session& s, const std::vector<path_to_check>& paths);

// The error of something that stands at `prefix` in the body; empty: it is the body.
error below(std::string_view prefix, error e);

// Would to read this plan hold a core up for longer than others should wait? Some ten thousand values take a few milliseconds. Pure.
bool is_large(const boost::json::object& plan);

}
