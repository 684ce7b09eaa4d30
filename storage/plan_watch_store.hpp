#pragma once

#include "storage/array.hpp"
#include "storage/model/ids.hpp"
#include "storage/session.hpp"

#include <vector>

namespace rowlock::storage {

// Those of these runs of plans that have ended. One statement for all who wait.
std::vector<execution_id> ended_plan_runs(session& s, const std::vector<execution_id>& ids);

}
