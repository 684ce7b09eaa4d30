#pragma once

#include "runtime/schedule/zone.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace rowlock::runtime {

// How a zone changes its clocks in each year after its table ends: the footer of a TZif file, which is the TZ variable of POSIX with the extension of
// RFC 8536, section 3.3.1 ("CET-1CEST,M3.5.0,M10.5.0/3").
struct zone_rule {
    struct day_of_change {
        enum class form : std::uint8_t { weekday_of_month, day_without_leap, day_with_leap };
        form kind = form::weekday_of_month;
        int month = 0;
        int week = 0;                               // 5: the last
        int day = 0;                                // a weekday, Sunday is 0; or of the year: from 1, 29 February not counted; or from 0
        std::int32_t at = 2 * 3600;                 // seconds after the midnight, of the clocks before the change; may be of another day

        // By the clocks before the change.
        epoch_seconds in(std::int64_t year) const;
    };

    std::int32_t standard = 0;                      // ahead of UTC
    std::int32_t daylight = 0;
    bool has_daylight = false;
    day_of_change starts{};                         // of daylight saving time
    day_of_change ends{};

    // In UTC.
    epoch_seconds daylight_begins(std::int64_t year) const { return starts.in(year) - standard; }
    epoch_seconds daylight_ends(std::int64_t year) const { return ends.in(year) - daylight; }
};

// nullopt: it is no such text. Pure.
std::optional<zone_rule> parse_zone_rule(std::string_view text);

}
