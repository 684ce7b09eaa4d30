#pragma once

#include "runtime/schedule/evaluate.hpp"
#include "runtime/schedule/zone_database.hpp"
#include "storage/schedule_firing_store.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace rowlock::runtime {

// What a round of the scheduler has done.
struct fire_tally {
    int evaluated = 0;                               // schedules that this instance has decided; others may have been faster with the rest
    int fired = 0;                                   // executions that were made for ticks in time
    int caught_up = 0;                               // for missed ones
    int queued = 0;                                  // that wait for the end of what runs
    std::int64_t skipped = 0;                        // ticks
    int failed = 0;                                  // schedules, and windows of lanes, that could not be evaluated and were not known to be so
    std::vector<execution_id> ended{};               // executions that ended SKIPPED, outside their windows

    int made() const { return fired + caught_up + queued; }
};

// What the evaluation of all schedules has in common.
struct fire_rules {
    zone_database& zones;
    int catchup_limit = 10;                          // SCHEDULER_CATCHUP_LIMIT
    std::optional<schedule_watch> watch{};
};

// Evaluates these schedules, and decides their ticks by one statement. One that cannot be evaluated is recorded in scheduling_errors, and so is one whose executions the
// database refuses: then those beside it are decided without it. On a database thread; throws what the session throws where the database is away.
fire_tally fire_due(storage::session& s, const storage::due_schedules& due, const fire_rules& rules);

// Computes from when to when these lanes are open, and tells the database. The same of errors.
fire_tally refresh_due(storage::session& s, const storage::due_lanes& due, zone_database& zones);

}
