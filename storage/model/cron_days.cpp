#include "storage/model/cron.hpp"

#include <bit>

namespace rowlock {

namespace {

// The days of a month are bits 1..31.
constexpr std::uint32_t one_day_a_week = 1U << 0 | 1U << 7 | 1U << 14 | 1U << 21 | 1U << 28;

// The month that is asked about.
struct month_shape {
    unsigned first_weekday;
    unsigned days;

    std::uint32_t all() const { return static_cast<std::uint32_t>((std::uint64_t{2} << days) - 2); }
    unsigned weekday_of(unsigned day) const { return (first_weekday + day - 1) % 7; }
    unsigned first(unsigned weekday) const { return 1 + (weekday + 7 - first_weekday) % 7; }
};

constexpr unsigned sunday = 0;
constexpr unsigned saturday = 6;

// A Saturday goes to the Friday before, a Sunday to the Monday after, but never into another month.
unsigned nearest_workday(const month_shape& month, unsigned day)
{
    switch (month.weekday_of(day)) {
    case saturday: return day > 1 ? day - 1 : day + 2;
    case sunday: return day < month.days ? day + 1 : day - 2;
    default: return day;
    }
}

std::uint32_t days_by_date(const cron_pattern& pattern, const month_shape& month)
{
    std::uint32_t fit = pattern.days & month.all();
    for (std::uint32_t rest = pattern.days_before_last; rest != 0; rest &= rest - 1) {
        const auto before = static_cast<unsigned>(std::countr_zero(rest));
        if (before < month.days) fit |= 1U << (month.days - before);
    }
    for (std::uint32_t rest = pattern.nearest_workdays & month.all(); rest != 0; rest &= rest - 1) {
        fit |= 1U << nearest_workday(month, static_cast<unsigned>(std::countr_zero(rest)));
    }
    if (pattern.last_workday) fit |= 1U << nearest_workday(month, month.days);
    return fit;
}

std::uint32_t days_by_weekday(const cron_pattern& pattern, const month_shape& month)
{
    std::uint32_t fit = 0;
    for (std::uint32_t rest = pattern.weekdays; rest != 0; rest &= rest - 1) {
        fit |= one_day_a_week << month.first(static_cast<unsigned>(std::countr_zero(rest)));
    }
    for (std::uint64_t rest = pattern.nth_weekdays; rest != 0; rest &= rest - 1) {
        const auto bit = static_cast<unsigned>(std::countr_zero(rest));
        const unsigned nth = bit / 8;
        const unsigned first = month.first(bit % 8);
        const unsigned last = first + (month.days - first) / 7 * 7;
        const unsigned day = nth == 0 ? last : first + 7 * (nth - 1);
        if (day <= month.days) fit |= 1U << day;
    }
    return fit & month.all();
}

}

std::uint32_t fitting_days(const cron_pattern& pattern, unsigned first_weekday, unsigned days_in_month)
{
    const month_shape month{first_weekday, days_in_month};
    const bool both = pattern.any_day || pattern.any_weekday;
    const std::uint32_t by_date = days_by_date(pattern, month);
    const std::uint32_t by_weekday = days_by_weekday(pattern, month);
    return both ? by_date & by_weekday : by_date | by_weekday;
}

}
