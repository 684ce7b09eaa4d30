#pragma once

#include "runtime/async/database.hpp"

#include <string>

namespace rowlock::runtime {

// Brings it into force, for all instances: so many executions of each tenant that nobody has put a limit for run at once; 0: as many as like. Of instances that
// differ the one that starts last decides, and tells its log. `set_by`: for those that come later. Errors: database_unavailable.
awaitable<result<void>> limit_tenants(database& db, int most, std::string set_by);

}
