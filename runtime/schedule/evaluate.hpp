#pragma once

#include "runtime/schedule/next_fire.hpp"
#include "storage/model/schedule.hpp"
#include "storage/model/time.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::runtime {

// Where a schedule stands: every tick up to and with decided_to has been decided.
struct schedule_standing {
    timestamp decided_to{};
    std::optional<timestamp> passed_to{};            // ticks up to here went by while nobody was to decide them
    std::string passed_why{};                        // PAUSED or DISABLED
};

// Since when an instance has looked after schedules without a break, by two clocks: at `since`, by the database's clock, nothing was left undecided, and since then
// `elapsed` has really gone by. A clock that was set ahead meanwhile makes nothing late that could not be seen before.
struct schedule_watch {
    timestamp since{};
    std::chrono::microseconds elapsed{0};
};

// A clock is believed to have been set by mistake up to this far. More of it is time that has gone by, as where a machine stood still.
inline constexpr auto largest_clock_jump = std::chrono::hours{2};

// Who has looked no longer ago than this has missed nothing, however small a tolerance: the looks themselves take their time, and no tick is seen at its very instant.
inline constexpr auto longest_look = std::chrono::seconds{5};

enum class tick_verdict : std::uint8_t { fire, catch_up, skip };

// One tick; or, where they are skipped, all ticks from `at` to `last`, of which there are `count`.
struct evaluated_tick {
    timestamp at{};
    tick_verdict verdict = tick_verdict::fire;
    std::string reason{};                            // of a skip: MISSED, CATCHUP_LIMIT, PAUSED, DISABLED
    timestamp last{};
    std::int64_t count = 1;
};

struct evaluation {
    std::vector<evaluated_tick> ticks;               // ascending, at most 1 + the limits below
    timestamp decided_to{};
    std::optional<timestamp> next{};                 // the first tick after decided_to
    std::optional<timestamp> look_at{};              // when there is something to decide again; none: never. Not after `now` where the limits have cut it short
};

// So many ticks make executions at once, and so many are counted as skipped, in one evaluation; the next goes on.
inline constexpr std::size_t most_fired_at_once = 1000;
inline constexpr std::size_t most_skipped_at_once = 100'000;

// What becomes of the ticks of a schedule up to `now`, by rules 1 and 4: what is later than its tolerance was missed, and what was missed is skipped, or caught up where
// the schedule says so: the latest max_catchup_runs of it, else `catchup_limit`. `seed` tells schedules apart: jitter is a function of it and of the tick. Pure.
evaluation evaluate(const compiled_schedule& schedule, const schedule_spec& spec, const schedule_standing& standing, timestamp now, int catchup_limit, std::uint64_t seed,
                    const std::optional<schedule_watch>& watch = std::nullopt);

// The schedule that the database keeps, from its JSON. Errors: as of compile; invalid_request where it cannot be read.
result<schedule_spec> read_stored_schedule(std::string_view spec);
result<compiled_schedule> compile_stored(std::string_view spec, zone_database& zones, timestamp registered);

// How much later than its tick an execution is made: from 0 to `most`. Pure.
std::chrono::microseconds jitter_of(timestamp tick, std::chrono::milliseconds most, std::uint64_t seed);

}
