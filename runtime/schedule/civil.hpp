#pragma once

#include <cstdint>

namespace rowlock::runtime {

// The calendar in plain numbers, for the loops of next_fire. The formulas are those of Howard Hinnant's "chrono-Compatible Low-Level Date
// Algorithms".

inline constexpr std::int64_t day_seconds = 86'400;
inline constexpr std::int64_t cycle_seconds = 146'097 * day_seconds;    // 400 years, after which dates and weekdays come again

struct civil_date {
    std::int64_t year;
    unsigned month;        // 1..12
    unsigned day;          // 1..31
};

constexpr std::int64_t floor_div(std::int64_t a, std::int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

constexpr bool is_leap(std::int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

constexpr unsigned days_in(std::int64_t year, unsigned month)
{
    if (month == 2) return is_leap(year) ? 29 : 28;
    return 30 + ((month + (month >> 3)) & 1);
}

// Days since 1970-01-01.
constexpr std::int64_t days_of(std::int64_t year, unsigned month, unsigned day)
{
    const std::int64_t y = year - (month <= 2 ? 1 : 0);
    const std::int64_t era = floor_div(y, 400);
    const std::int64_t year_of_era = y - era * 400;
    const std::int64_t day_of_year = (153 * (static_cast<std::int64_t>(month) + (month > 2 ? -3 : 9)) + 2) / 5 + static_cast<std::int64_t>(day) - 1;
    return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719'468;
}

constexpr civil_date date_of(std::int64_t days)
{
    const std::int64_t shifted = days + 719'468;
    const std::int64_t era = floor_div(shifted, 146'097);
    const std::int64_t day_of_era = shifted - era * 146'097;
    const std::int64_t year_of_era = (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
    const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const std::int64_t shifted_month = (5 * day_of_year + 2) / 153;
    const auto month = static_cast<unsigned>(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month, static_cast<unsigned>(day_of_year - (153 * shifted_month + 2) / 5 + 1)};
}

// Sunday is 0.
constexpr unsigned weekday_of(std::int64_t days)
{
    return static_cast<unsigned>(days + 4 - floor_div(days + 4, 7) * 7);
}

}
