#pragma once

#include "storage/array.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/time.hpp"
#include "storage/session.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rowlock::storage {

// What the scheduler of an instance asks of the database. What it means stands in migrations/0017_schedules.sql.

// What there is to look at, without looking at it: costs the same however many schedules there are.
struct schedule_outlook {
    timestamp now;
    std::optional<timestamp> schedules;              // the first schedule is to be looked at then
    std::optional<timestamp> windows;                // so are the first windows of a lane
    bool queued_ticks = false;                       // some tick waits for the end of what runs
    bool may_skip = false;                           // some lane is closed, and skips what would start
    std::int64_t invalid = 0;                        // so many schedules cannot be evaluated
};
schedule_outlook look_at_schedules(session& s);

// A schedule that is to be looked at.
struct due_schedule {
    job_key job;
    std::int64_t revision = 0;
    std::string schedule_id;
    std::string job_id;
    std::string spec;                                // its JSON
    timestamp registered_at;
    timestamp decided_to;
    std::optional<timestamp> passed_to{};
    std::string passed_why{};
};
struct due_schedules {
    timestamp now;                                   // by the database's clock, when these were read
    std::vector<due_schedule> all;
};
// At most `most` of those that are due, longest due first, without the first `leave_out`.
due_schedules read_due_schedules(session& s, int most, int leave_out);
// The schedule of this job, if it is due.
due_schedules read_due_schedule(session& s, tenant_key tenant, const std::string& job_id);

// What fire_1 takes.
struct fire_batch {
    using e = array::element;
    // by schedule
    array job{e::int4}, revision{e::int8}, decided{e::timestamptz}, next{e::timestamptz}, look{e::timestamptz};
    // by tick
    array of{e::int4}, tick{e::timestamptz}, outcome{e::int2}, reason{e::text}, last{e::timestamptz}, ticks{e::int8};
};

// The codes of schedule_ticks.outcome.
enum class tick_outcome : std::uint8_t { fired = 1, caught_up = 2, queued = 3, skipped = 4 };

struct decided_tick {
    int of = 0;                                      // number (from 1) of the schedule in the batch
    timestamp at;
    tick_outcome outcome{};
    std::string reason{};
    std::optional<execution_id> execution{};
};
struct decided {
    int schedules = 0;                               // of the batch: what somebody else was faster with is left out
    std::vector<decided_tick> ticks;                 // theirs
};
decided fire(session& s, fire_batch& batch);

// Records why a schedule could not be evaluated, to be looked at again at `look`. false: it has changed meanwhile, or that was recorded before.
bool schedule_failed(session& s, job_key job, std::int64_t revision, std::string_view code, std::string_view type, std::string_view message, timestamp look);

// The windows of a lane that are to be looked at.
struct due_windows {
    lane_id lane;
    std::int64_t revision = 0;
    std::string windows;                             // see window_rules.hpp
};
struct due_lanes {
    timestamp now;
    std::vector<due_windows> all;
};
due_lanes read_due_windows(session& s, int most);
due_lanes read_due_windows(session& s, tenant_key tenant, const std::string& job_id);

struct window_batch {
    using e = array::element;
    array lane{e::int4}, revision{e::int8}, from{e::timestamptz}, until{e::timestamptz}, look{e::timestamptz};
};
int refresh_windows(session& s, window_batch& batch);
bool windows_failed(session& s, lane_id lane, std::int64_t revision, std::string_view message, timestamp look);

// Skips what waits in lanes that are closed and skip, see sweep_windows_1.
struct skipped_outside {
    std::vector<execution_id> executions;
    std::optional<lane_id> go_on_after{};            // none: all were seen
};
skipped_outside skip_outside_windows(session& s, lane_id after, int most);

// Lets ticks go that wait for the end of what ran, see release_running_1.
struct released_ticks {
    int released = 0;
    std::optional<job_key> go_on_after{};            // none: all were seen
};
released_ticks release_queued_ticks(session& s, job_key after, int most);

// Drops what became of ticks longer ago than this: at most `rows`. How many.
std::int64_t sweep_schedule_ticks(session& s, std::chrono::milliseconds kept_for, int rows);

}
