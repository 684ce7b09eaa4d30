#include "runtime/schedule/next_fire.hpp"
#include "runtime/schedule/zone_database.hpp"
#include "storage/model/cron.hpp"
#include "tests/unit/schedule/naive_cron.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using namespace rowlock;
using namespace rowlock::runtime;

namespace {

constexpr std::int64_t day = 86'400;

// Seeded: a failure comes again.
class dice {
public:
    explicit dice(std::uint32_t seed) : engine_(seed) {}
    int from(int least, int most) { return least + static_cast<int>(engine_() % static_cast<std::uint32_t>(most - least + 1)); }
    bool once_in(int n) { return from(1, n) == 1; }
    template <class List>
    const auto& one_of(const List& list) { return list[static_cast<std::size_t>(from(0, static_cast<int>(std::size(list)) - 1))]; }

private:
    std::mt19937 engine_;
};

std::string random_item(dice& d, int least, int most)
{
    switch (d.from(0, 4)) {
    case 0: return fmt::format("*/{}", d.from(1, most - least));
    case 1: {
        const int first = d.from(least, most);
        return fmt::format("{}-{}", first, d.from(first, most));
    }
    case 2: {
        const int first = d.from(least, most);
        return fmt::format("{}-{}/{}", first, d.from(first, most), d.from(1, 5));
    }
    case 3: return fmt::format("{}/{}", d.from(least, most), d.from(1, most - least));
    default: return fmt::format("{}", d.from(least, most));
    }
}

std::string random_field(dice& d, int least, int most)
{
    if (d.once_in(3)) return "*";
    std::string field = random_item(d, least, most);
    while (d.once_in(3)) field += ',' + random_item(d, least, most);
    return field;
}

std::string random_day(dice& d)
{
    switch (d.from(0, 9)) {
    case 0: return "L";
    case 1: return "LW";
    case 2: return fmt::format("L-{}", d.from(1, 30));
    case 3: return fmt::format("{}W", d.from(1, 31));
    case 4: return "?";
    case 5: return fmt::format("{},L,{}W", d.from(1, 31), d.from(1, 31));
    default: return random_field(d, 1, 31);
    }
}

std::string random_weekday(dice& d)
{
    constexpr std::array<std::string_view, 7> names{"sun", "MON", "Tue", "WED", "THU", "FRI", "SAT"};
    switch (d.from(0, 9)) {
    case 0: return fmt::format("{}L", d.from(0, 7));
    case 1: return fmt::format("{}#{}", d.one_of(names), d.from(1, 5));
    case 2: return "?";
    case 3: return "7";
    case 4: return "FRI-SUN";
    case 5: return fmt::format("{},{}", d.one_of(names), d.from(0, 7));
    case 6: return fmt::format("{}-7", d.from(1, 6));
    case 7: return "*";
    default: return random_field(d, 0, 6);
    }
}

std::string random_month(dice& d)
{
    constexpr std::array<std::string_view, 4> names{"JAN", "feb-Mar", "OCT,NOV", "SEP-DEC/2"};
    if (d.once_in(5)) return std::string(d.one_of(names));
    return d.once_in(2) ? "*" : random_field(d, 1, 12);
}

// Days are often free, so that there are ticks within a few days.
std::string random_expression(dice& d, bool with_seconds)
{
    std::string text = with_seconds ? random_field(d, 0, 59) + ' ' : std::string();
    text += random_field(d, 0, 59) + ' ' + random_field(d, 0, 23) + ' ';
    text += d.once_in(2) ? "* * " : random_day(d) + ' ' + random_month(d) + ' ';
    return text + (d.once_in(2) ? "*" : random_weekday(d));
}

schedule_spec cron_of(const std::string& text, const std::string& zone)
{
    schedule_spec spec;
    spec.cron_expression = text;
    spec.timezone = zone;
    return spec;
}

timestamp at(std::int64_t seconds)
{
    return timestamp{std::chrono::seconds{seconds}};
}

// Any month of any year in which changes are known or follow a rule.
std::int64_t random_moment(dice& d)
{
    return static_cast<std::int64_t>(d.from(0, 365 * 130)) * day + std::int64_t{d.from(10, 20)} * 365 * day;
}

// The change of the clocks nearest after `from`, where there is one.
std::int64_t near_change(dice& d, zone_database& zones, const std::string& name, std::int64_t from)
{
    const auto period = zones.find(name).value()->at(from);
    return period.end == zone::always ? from : period.end - std::int64_t{d.from(0, 1)} * day / 2 - std::int64_t{d.from(1, 1439)} * 60;
}

constexpr std::array<const char*, 20> zone_names{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Cairo", "America/Sao_Paulo", "Asia/Kathmandu",
                                                 "Europe/Dublin", "Africa/Casablanca", "America/St_Johns", "Pacific/Chatham", "Asia/Gaza", "Europe/London", "America/Santiago",
                                                 "Antarctica/Troll", "Asia/Tehran", "America/Scoresbysund", "Atlantic/Azores", "UTC", "Australia/Sydney"};

// One stretch of time in one zone, with as many expressions and as many questions each. Returns how many questions were asked.
std::size_t compare(dice& d, zone_database& zones, std::int64_t step, std::size_t steps, int expressions, int questions)
{
    const std::string name = d.one_of(zone_names);
    const naive::zone_in_force zone(name);
    const auto begin = near_change(d, zones, name, random_moment(d)) / step * step;
    // A reading may have come before the stretch, or come again after it: only what lies hours within it is asked about.
    const auto margin = static_cast<std::int64_t>(steps) * step / 4;
    const auto all = naive::read_clock(begin - margin, step, steps + static_cast<std::size_t>(2 * margin / step));
    const auto end = begin + static_cast<std::int64_t>(steps) * step;
    std::size_t asked = 0;
    for (int i = 0; i < expressions; ++i) {
        const auto text = random_expression(d, step == 1);
        if (std::holds_alternative<cron_error>(parse_cron(text))) continue;
        auto spec = cron_of(text, name);
        if (d.once_in(2)) spec.gap = d.once_in(2) ? dst_gap::skip : dst_gap::fire_after;
        if (d.once_in(2)) spec.overlap = d.one_of(std::array{dst_overlap::first, dst_overlap::second, dst_overlap::both});
        const auto compiled = compile(spec, zones, at(begin));
        if (!compiled) continue;
        const naive::expression plain(text);
        const auto ticks = naive::ticks_in(all, plain, spec.gap.value_or(plain.any_hour() ? dst_gap::skip : dst_gap::fire_after),
                                           spec.overlap.value_or(plain.any_hour() ? dst_overlap::both : dst_overlap::first));
        for (int q = 0; q < questions; ++q) {
            const auto after = begin + d.from(0, static_cast<int>(end - begin) - 1);
            const auto expected = std::upper_bound(ticks.begin(), ticks.end(), after);
            const auto found = next_fire(*compiled, at(after));
            ++asked;
            const bool in_stretch = expected != ticks.end() && *expected < end;
            const bool right = in_stretch ? found == at(*expected) : !found || *found >= at(end);
            if (right) continue;
            FAIL("'" << text << "' in " << name << " after " << to_rfc3339(at(after)) << " is " << (found ? to_rfc3339(*found) : "never") << ", and by the naive way "
                     << (in_stretch ? to_rfc3339(at(*expected)) : "not before " + to_rfc3339(at(end))));
        }
    }
    return asked;
}

}

TEST_CASE("next_fire is what a walk over every minute finds: 100,000 questions over zones, changes of their clocks, and policies", "[unit][schedule][naive]")
{
    dice d(20261122);
    zone_database zones;
    std::size_t asked = 0;
    while (asked < 100'000) asked += compare(d, zones, 60, 36 * 60, 10, 100);
}

TEST_CASE("next_fire is what a walk over every second finds, around changes of the clocks", "[unit][schedule][naive]")
{
    dice d(7);
    zone_database zones;
    std::size_t asked = 0;
    while (asked < 10'000) asked += compare(d, zones, 1, 3 * 3600, 10, 100);
}

TEST_CASE("the days that fit an expression are those that a look at each day of a calendar finds", "[unit][schedule][naive]")
{
    dice d(11);
    int compared = 0;
    while (compared < 1'000) {
        const auto text = fmt::format("0 0 {} {} {}", random_day(d), random_month(d), random_weekday(d));
        const auto parsed = parse_cron(text);
        const naive::expression plain(text);
        const int year = d.from(1970, 2400);
        const int month = d.from(1, 12);
        const int length = static_cast<int>(static_cast<unsigned>((std::chrono::year{year} / month / std::chrono::last).day()));
        const unsigned first_weekday = std::chrono::weekday{std::chrono::year{year} / month / 1}.c_encoding();
        ++compared;
        INFO(text << " in " << year << '-' << month);
        const auto* pattern = std::get_if<cron_pattern>(&parsed);
        std::uint32_t expected = 0;
        for (int n = 1; n <= length; ++n) expected |= plain.fits_day(year, month, n) ? 1U << n : 0;
        if (!pattern) {
            INFO(std::get<cron_error>(parsed).message);
            REQUIRE(expected == 0);
        } else if (pattern->months >> month & 1) {
            REQUIRE(fitting_days(*pattern, first_weekday, static_cast<unsigned>(length)) == expected);
        } else {
            REQUIRE(expected == 0);
        }
    }
}
