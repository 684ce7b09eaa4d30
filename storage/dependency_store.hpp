#pragma once

#include "storage/array.hpp"
#include "storage/model/ids.hpp"
#include "storage/session.hpp"

#include <string>
#include <unordered_map>
#include <vector>

namespace rowlock::storage {

// The parameters of those executions that waited for other jobs, with what these gave: `upstream: {job_id: {execution_id, status, outputs}}`. Those of
// executions that were made by an end have it from the beginning, and are not in the answer.
std::unordered_map<execution_id, std::string> parameters_with_upstream(session& s, array& ids);

// Looks at what may have been left of dependencies (sweep_dependencies_1). How many errors were recorded.
int sweep_dependencies(session& s);
// Of these runs, which have just expired, those that had waited for dependencies.
int dependency_timeouts_of(session& s, const std::vector<execution_id>& runs);

}
