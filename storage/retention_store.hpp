#pragma once

#include "storage/model/ids.hpp"
#include "storage/session.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace rowlock::storage {

// The bounded steps by which retention deletes; migrations/0013_retention.sql says what each may take. All work in the name of the tables' owner.

// How long things are kept, as an instance enforces it. 0 of the last three: for ever, or as long as the history.
struct kept {
    int errors_per_queue = 0;
    std::chrono::milliseconds errors{0};
    std::chrono::milliseconds history{0};            // where a job says nothing
    std::chrono::milliseconds logs{0};
    std::chrono::milliseconds checkpoints{0};
};

// Only the instance that has the turn sweeps. Takes or keeps it for so long; false: another one has it.
bool take_retention_turn(session& s, instance_id self, std::chrono::milliseconds turn, const kept& how_long);
// The holder of the turn has come to the end of a round.
void note_retention_round(session& s, instance_id self);

struct swept_failures {
    std::int64_t errors = 0;
    std::int64_t dead_letters = 0;
};
// At most `rows` of each kind. As many as that: there may be more.
swept_failures sweep_failures(session& s, const kept& how_long, int rows);

enum class run_record : std::uint8_t { log, checkpoint };
struct swept_records {
    std::int64_t looked = 0;                         // 0: it has seen all of them
    std::int64_t dropped = 0;
};
// Looks at the next `rows`, and deletes those whose run ended longer ago than `kept_for`, which is a day at least.
swept_records sweep_records(session& s, run_record what, std::chrono::milliseconds kept_for, int rows);

struct history_step {
    enum class deed : std::uint8_t {
        nothing,       // there is nothing to do now
        busy,          // somebody else is at it
        blocked,       // a reader is in the way: this day is tried again later
        looked,
        surveyed,      // `rows` executions were read
        runs,          // runs of `rows` executions were deleted, one by one
        records,       // `rows` of what hangs on a day that goes
        day,           // a whole day with `rows` executions was dropped
    };
    deed did = deed::nothing;
    std::string day;                                 // 2026-11-21; empty for `nothing` and `busy`
    std::int64_t rows = 0;
};
// One step: at most `rows` runs, or `rows` of what hangs on them.
history_step drop_history(session& s, std::chrono::milliseconds kept_for, int rows);

struct swept_plans {
    std::int64_t looked = 0;                         // rows; 0: it has seen all of them
    std::int64_t dropped = 0;                        // plan runs
};
// Looks at the next plan runs, and deletes those that ended for longer than history is kept and of which no execution is left: at most about `rows`
// nodes.
swept_plans sweep_plans(session& s, std::chrono::milliseconds kept_for, int rows);

// Which of these runs are gone because retention dropped them? Runs that the database never knew are not among them.
std::vector<execution_id> dropped_runs(session& s, const std::vector<execution_id>& runs);

}
