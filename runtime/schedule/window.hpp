#pragma once

#include "runtime/schedule/zone.hpp"
#include "storage/model/error.hpp"
#include "storage/model/schedule.hpp"
#include "storage/model/time.hpp"

#include <vector>

namespace rowlock::runtime {

class zone_database;

// The windows of one definition with their zones, ready for questions. A value.
struct compiled_windows {
    struct one {
        execution_window window;
        zone_ptr clocks;
    };
    std::vector<one> all;                           // empty: starts are always allowed
};

// Errors: invalid_timezone, with the fields of the definition ("execution_windows[0].timezone").
result<compiled_windows> compile(const std::vector<execution_window>& windows, zone_database& zones);

// When executions may start: from `from` up to and without `until`.
struct open_interval {
    bool open_now = false;
    timestamp from{};                               // of the interval that holds the time asked for, else of the next one
    timestamp until{};
};

// The interval that holds `at`, else the next one. A window is open while the clocks of its zone show a time within it, however often they show
// it; windows that meet or overlap are one interval. Where there are no windows, starts are always allowed: from timestamp::min() to
// timestamp::max(). An interval that lasts for more than a week before or after `at` is cut there: at `until`, ask again, and it goes on. Where
// none opens within five weeks (a zone can leave out a day), from = until = that time, and open_now is false: ask again then. Pure.
open_interval window_at(const compiled_windows& windows, timestamp at);

}
