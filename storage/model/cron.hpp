#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace rowlock {

// A cron expression, parsed: which seconds, minutes, hours, days and months fit, as bits. Says nothing of zones.
struct cron_pattern {
    std::uint64_t seconds = 0;                      // bits 0..59
    std::uint64_t minutes = 0;                      // bits 0..59
    std::uint32_t hours = 0;                        // bits 0..23
    std::uint32_t days = 0;                         // bits 1..31
    std::uint16_t months = 0;                       // bits 1..12
    std::uint8_t weekdays = 0;                      // bits 0..6, Sunday is 0
    // Of each month: bit n, the day n days before its last (L is bit 0, L-3 is bit 3).
    std::uint32_t days_before_last = 0;
    bool last_workday = false;                      // LW
    std::uint32_t nearest_workdays = 0;             // bit n: nW, the workday of the month nearest to its day n
    // Bit 8 * n + w: the n-th weekday w of the month (w#n), n from 1 to 5; n = 0: the last (wL).
    std::uint64_t nth_weekdays = 0;
    bool any_day = false;                           // the day-of-month field begins with * or is ?
    bool any_weekday = false;                       // the day-of-week field does so
    bool any_hour = false;                          // the hour field begins with *

    bool operator==(const cron_pattern&) const = default;
};

// Why an expression was refused.
struct cron_error {
    std::string message;                            // "the hour field, at character 5: 25 is not within 0..23"
    std::size_t position = 0;                       // of the character in the expression, from 1
};

// Five fields (minute, hour, day of month, month, day of week) or six (second first), or a word like @daily. What each field may say is in
// api/contract.md, "Time". An expression that fits no day of the calendar is an error. Pure.
std::variant<cron_pattern, cron_error> parse_cron(std::string_view expression);

// The days of a month that fit, as bits 1..31. `first_weekday`: of its first day, Sunday is 0. Pure.
std::uint32_t fitting_days(const cron_pattern& pattern, unsigned first_weekday, unsigned days_in_month);

}
