#pragma once

#include "runtime/async/database.hpp"

#include <string>

namespace rowlock::runtime {

// Sets for all instances that so many executions of each tenant that nobody has put a limit for run at once; 0: as many as like. Of instances that differ the one
// that starts last decides, and tells its log. `set_by`: for those that come later. What many tenants have comes into force with the ticks that follow. False: it
// failed, which the log says.
awaitable<bool> limit_tenants(database& db, int most, std::string set_by);

// Tries it again, until it succeeds.
awaitable<void> limit_tenants_later(database& db, int most, std::string set_by);

}
