#pragma once

#include "runtime/schedule/zone.hpp"
#include "storage/model/cron.hpp"
#include "storage/model/error.hpp"
#include "storage/model/schedule.hpp"
#include "storage/model/time.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

namespace rowlock::runtime {

class zone_database;

// A schedule made ready for questions: parsed once, with its zone as it was at that time. A value; questions to it allocate nothing but what they
// answer. Compiling costs a few microseconds, so it need not be kept; one that is kept does not see new tz data.
struct compiled_schedule {
    schedule_type type = schedule_type::once;
    cron_pattern cron{};
    zone_ptr clocks;
    dst_gap gap = dst_gap::fire_after;
    dst_overlap overlap = dst_overlap::first;
    timestamp first{};                              // INTERVAL: its first tick; ONCE: its tick
    std::chrono::seconds interval{0};
    timestamp start = timestamp::min();             // no tick before it
    timestamp end = timestamp::max();               // no tick at or after it
};

// `registered`: when the schedule was put. It anchors an INTERVAL schedule that has no start_date, so it is kept with the schedule, and its ticks do
// not drift.
// Errors: invalid_cron, invalid_timezone, each with a field of the schedule ("timezone", "cron_expression"): what cannot be read, or is no zone, or
// never fires because the zone leaves out each of its times.
result<compiled_schedule> compile(const schedule_spec& spec, zone_database& zones, timestamp registered);

// The first tick after `after`, and not at it; nullopt: there is none before the year 10000. Pure.
std::optional<timestamp> next_fire(const compiled_schedule& schedule, timestamp after);

// The first `limit` ticks after `after`, up to and with `until`, in order. Pure.
std::vector<timestamp> ticks_between(const compiled_schedule& schedule, timestamp after, timestamp until, std::size_t limit);

// The ticks after `after`, up to and with `until`, of which there may be very many, for catch-up: the last `keep` of them, in order, and how many
// came before those. Pure.
struct latest_ticks {
    std::vector<timestamp> ticks;
    std::size_t earlier = 0;
    bool earlier_is_exact = true;                   // false: there were at least so many; counted no further than count_limit
};
latest_ticks latest_ticks_between(const compiled_schedule& schedule, timestamp after, timestamp until, std::size_t keep, std::size_t count_limit = 100'000);

}
