#include "runtime/schedule/wall_search.hpp"

#include "runtime/schedule/civil.hpp"

#include <bit>
#include <cstdint>

namespace rowlock::runtime {

namespace {

constexpr std::int64_t last_year = 9999;

// The lowest bit of `bits` that is at or above `from`; -1: there is none.
template <class Bits>
int bit_from(Bits bits, int from)
{
    constexpr int size = static_cast<int>(sizeof(Bits)) * 8;
    if (from >= size) return -1;
    const Bits rest = bits & static_cast<Bits>(~Bits{0} << from);
    return rest == 0 ? -1 : std::countr_zero(rest);
}

std::int64_t first_time(const cron_pattern& pattern)
{
    return std::countr_zero(pattern.hours) * 3600 + std::countr_zero(pattern.minutes) * 60 + std::countr_zero(pattern.seconds);
}

// The first second of a day that fits, at or after `from`; -1: there is none.
std::int64_t time_from(const cron_pattern& pattern, std::int64_t from)
{
    const int hour = static_cast<int>(from / 3600);
    const int minute = static_cast<int>(from / 60 % 60);
    const int second = static_cast<int>(from % 60);
    if (pattern.hours >> hour & 1) {
        if (pattern.minutes >> minute & 1) {
            if (const int s = bit_from(pattern.seconds, second); s >= 0) return hour * 3600 + minute * 60 + s;
        }
        if (const int m = bit_from(pattern.minutes, minute + 1); m >= 0) return hour * 3600 + m * 60 + std::countr_zero(pattern.seconds);
    }
    const int h = bit_from(pattern.hours, hour + 1);
    return h < 0 ? -1 : h * 3600 + std::countr_zero(pattern.minutes) * 60 + std::countr_zero(pattern.seconds);
}

// The first day that fits, at or after `from`; both are days since 1970.
std::optional<std::int64_t> day_from(const cron_pattern& pattern, std::int64_t from, std::int64_t last)
{
    civil_date date = date_of(from);
    for (std::int64_t first = from - static_cast<std::int64_t>(date.day) + 1; first <= last;) {
        const unsigned length = days_in(date.year, date.month);
        if (pattern.months >> date.month & 1) {
            const auto fit = fitting_days(pattern, weekday_of(first), length);
            if (const int day = bit_from(fit, static_cast<int>(date.day)); day >= 0) return first + day - 1;
        }
        first += length;
        date.day = 1;
        if (++date.month > 12) {
            date.month = 1;
            if (++date.year > last_year) break;
        }
    }
    return std::nullopt;
}

}

std::optional<epoch_seconds> next_reading(const cron_pattern& pattern, epoch_seconds from, epoch_seconds until)
{
    if (from >= until) return std::nullopt;
    const std::int64_t today = floor_div(from, day_seconds);
    const std::int64_t last = floor_div(until - 1, day_seconds);
    auto day = day_from(pattern, today, last);
    if (day == today) {
        if (const auto time = time_from(pattern, from - today * day_seconds); time >= 0) {
            const epoch_seconds found = today * day_seconds + time;
            return found < until ? std::optional(found) : std::nullopt;
        }
        day = day_from(pattern, today + 1, last);
    }
    if (!day) return std::nullopt;
    const epoch_seconds found = *day * day_seconds + first_time(pattern);
    return found < until ? std::optional(found) : std::nullopt;
}

}
