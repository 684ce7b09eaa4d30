#pragma once

#include "runtime/schedule/zone.hpp"
#include "storage/model/cron.hpp"
#include "storage/model/error.hpp"
#include "storage/model/schedule.hpp"
#include "storage/model/time.hpp"

#include <cstddef>
#include <optional>
#include <vector>

namespace rowlock::runtime {

class zone_database;

// A schedule made ready for questions: parsed once, with its zone as it was at that time. A value; questions to it allocate nothing but what they
// answer. Compiling costs about a microsecond, so it need not be kept; one that is kept does not see new tz data.
class compiled_schedule {
public:
    schedule_type type() const { return type_; }

private:
    friend result<compiled_schedule> compile(const schedule_spec& spec, zone_database& zones, timestamp registered);
    friend std::optional<timestamp> next_fire(const compiled_schedule& schedule, timestamp after);

    schedule_type type_ = schedule_type::once;
    cron_pattern cron_{};
    zone_ptr zone_;
    dst_gap gap_ = dst_gap::fire_after;
    dst_overlap overlap_ = dst_overlap::first;
    timestamp anchor_{};                            // INTERVAL: tick 0; ONCE: the tick
    std::chrono::seconds interval_{0};
    timestamp not_before_{};
    timestamp end_{};                               // no tick at or after it
};

// `registered`: the anchor of an INTERVAL schedule that has no start_date; keep it with the schedule, so that its ticks do not drift. Ticks of such
// a schedule begin one interval after it; with a start_date that is the first tick.
// Errors: invalid_request, its `fields` relative to the schedule ("timezone": there is no such zone; "cron_expression": it cannot be read, or
// never fires because its times lie in what the zone leaves out).
result<compiled_schedule> compile(const schedule_spec& spec, zone_database& zones, timestamp registered);

// The first tick after `after`, and not at it; nullopt: there is none. Pure.
std::optional<timestamp> next_fire(const compiled_schedule& schedule, timestamp after);

// The first `limit` ticks after `after`, up to and with `until`, in order. Pure.
std::vector<timestamp> ticks_between(const compiled_schedule& schedule, timestamp after, timestamp until, std::size_t limit);

// The ticks after `after`, up to and with `until`, of which there may be very many, for catch-up: the last `keep` of them, in order, and how many
// there are before those, counted up to `count_limit`. Pure.
struct latest_ticks {
    std::vector<timestamp> ticks;
    std::size_t earlier = 0;                        // so many more came before them
    bool earlier_is_exact = true;                   // false: at least so many
};
latest_ticks latest_ticks_between(const compiled_schedule& schedule, timestamp after, timestamp until, std::size_t keep, std::size_t count_limit = 100'000);

}
