#pragma once

#include "bench/load/scenarios.hpp"

namespace rowlock::bench {

// Sees to it that there are options.resting schedules that are next due in years, each of a job of its own: load-rests-0, ... The first is defined as users do, the others are
// copied from it in the database, as a million definitions would take an hour; they stay. `options.progress` is not told. Throws runtime_error where it does not know the
// database, and what libpqxx throws.
void add_resting_schedules(server& at, const load_options& options);

// ", beside N that rest"; empty where there are none.
std::string resting_note(const load_options& options);

}
