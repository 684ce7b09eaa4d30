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
        zone_ptr zone;
    };
    std::vector<one> all;                           // empty: starts are always allowed
};

// Errors: invalid_request, its `fields` relative to the definition ("execution_windows[0].timezone").
result<compiled_windows> compile(const std::vector<execution_window>& windows, zone_database& zones);

// When executions may start: from `from` up to and without `until`. Windows that meet or overlap are one. Where there are none, starts are always
// allowed: from = timestamp::min(), until = timestamp::max(). Otherwise an interval that lasts for more than a week on either side of what was asked
// is cut there; ask again at `until`, and it goes on.
struct open_interval {
    bool open_now = false;
    timestamp from{};                               // of the interval that holds the time asked for, else of the next one
    timestamp until{};
};

// The interval that holds `at`, else the next one. Windows open and close by the clocks of their zones: where those leave out the start, a window
// opens at the end of the gap; where they show it twice, at the first; an end that comes twice closes it the second time. Pure.
open_interval window_at(const compiled_windows& windows, timestamp at);

}
