#include "runtime/schedule/window.hpp"
#include "runtime/schedule/zone_database.hpp"
#include "tests/unit/schedule/naive_cron.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using namespace rowlock;
using namespace rowlock::runtime;
using namespace std::chrono_literals;

namespace {

constexpr weekday_set sunday = 1 << 0, monday = 1 << 1, friday = 1 << 5, saturday = 1 << 6;
constexpr weekday_set workdays = every_weekday & ~(sunday | saturday);

timestamp at(std::string_view rfc3339)
{
    const auto t = parse_rfc3339(rfc3339);
    REQUIRE(t);
    return *t;
}

compiled_windows compiled(const std::vector<execution_window>& windows)
{
    zone_database zones;
    auto made = compile(windows, zones);
    if (!made) FAIL(made.error().detail);
    return *made;
}

// "open 2026-03-02T06:00 2026-03-02T22:00"
std::string shown(const std::vector<execution_window>& windows, std::string_view when)
{
    const auto found = window_at(compiled(windows), at(when));
    return (found.open_now ? "open " : "shut ") + to_rfc3339(found.from).substr(0, 16) + ' ' + to_rfc3339(found.until).substr(0, 16);
}

// What the clock shows, asked minute by minute.
bool open_at(const std::vector<execution_window>& windows, std::int64_t reading)
{
    const auto day = reading / 86'400;
    const auto time = std::chrono::seconds{reading % 86'400};
    const auto weekday = static_cast<unsigned>((day + 4) % 7);
    return std::any_of(windows.begin(), windows.end(), [&](const execution_window& w) {
        const bool over_midnight = w.end <= w.start;
        const bool today = (w.days >> weekday & 1) && time >= w.start && (over_midnight || time < w.end);
        const bool since_yesterday = over_midnight && (w.days >> ((weekday + 6) % 7) & 1) && time < w.end;
        return today || since_yesterday;
    });
}

}

TEST_CASE("an execution window says until when it is open, or when it opens", "[unit][schedule]")
{
    // 2026-03-02 is a Monday.
    struct row {
        const char* why;
        std::vector<execution_window> windows;
        const char* when;
        const char* expected;
    };
    auto r = GENERATE(values<row>({
        {"within it", {{6h, 22h, workdays}}, "2026-03-02T12:00:00Z", "open 2026-03-02T06:00 2026-03-02T22:00"},
        {"its start belongs to it", {{6h, 22h, workdays}}, "2026-03-02T06:00:00Z", "open 2026-03-02T06:00 2026-03-02T22:00"},
        {"its end does not", {{6h, 22h, workdays}}, "2026-03-02T22:00:00Z", "shut 2026-03-03T06:00 2026-03-03T22:00"},
        {"the last instant does", {{6h, 22h, workdays}}, "2026-03-02T21:59:59.999999Z", "open 2026-03-02T06:00 2026-03-02T22:00"},
        {"over the weekend", {{6h, 22h, workdays}}, "2026-03-06T23:00:00Z", "shut 2026-03-09T06:00 2026-03-09T22:00"},
        {"past midnight it belongs to the day it starts", {{22h, 4h, friday}}, "2026-03-07T03:00:00Z", "open 2026-03-06T22:00 2026-03-07T04:00"},
        {"and not to the day after", {{22h, 4h, saturday}}, "2026-03-07T03:00:00Z", "shut 2026-03-07T22:00 2026-03-08T04:00"},
        {"windows that meet are one", {{6h, 12h, monday}, {12h, 18h, monday}}, "2026-03-02T07:00:00Z", "open 2026-03-02T06:00 2026-03-02T18:00"},
        {"windows that overlap are one", {{6h, 12h, monday}, {8h, 24h, monday}, {0h, 2h, 1 << 2}}, "2026-03-02T07:00:00Z", "open 2026-03-02T06:00 2026-03-03T02:00"},
        {"the next of several", {{6h, 7h, monday}, {9h, 10h, monday}}, "2026-03-02T08:00:00Z", "shut 2026-03-02T09:00 2026-03-02T10:00"},
        {"equal ends are a whole day", {{8h, 8h, monday}}, "2026-03-03T07:00:00Z", "open 2026-03-02T08:00 2026-03-03T08:00"},
        {"what is always open is cut after a week", {{0h, 24h}}, "2026-03-02T12:00:00Z", "open 2026-02-23T12:00 2026-03-09T12:00"},
        {"by the clocks of its zone", {{9h, 17h, monday, "America/New_York"}}, "2026-03-02T12:00:00Z", "shut 2026-03-02T14:00 2026-03-02T22:00"},
        {"an hour shorter when the clocks go forward", {{0h, 6h, sunday, "Europe/Berlin"}}, "2026-03-29T01:30:00Z", "open 2026-03-28T23:00 2026-03-29T04:00"},
        {"one that the clocks leave out opens the week after", {{130min, 150min, sunday, "Europe/Berlin"}}, "2026-03-28T12:00:00Z", "shut 2026-04-05T00:10 2026-04-05T00:30"},
        {"one that begins in the gap opens at its end", {{150min, 5h, sunday, "Europe/Berlin"}}, "2026-03-28T12:00:00Z", "shut 2026-03-29T01:00 2026-03-29T03:00"},
        {"what the clocks show twice is open twice", {{2h, 150min, sunday, "Europe/Berlin"}}, "2026-10-25T00:45:00Z", "shut 2026-10-25T01:00 2026-10-25T01:30"},
    }));
    INFO(r.why);
    CHECK(shown(r.windows, r.when) == r.expected);
}

TEST_CASE("without windows starts are always allowed", "[unit][schedule]")
{
    const auto always = window_at({}, at("2026-03-02T12:00:00Z"));
    CHECK(always.open_now);
    CHECK(always.from == timestamp::min());
    CHECK(always.until == timestamp::max());
}

TEST_CASE("an execution window in a zone that there is not is refused by its field", "[unit][schedule]")
{
    zone_database zones;
    const auto refused = compile({{6h, 22h}, {6h, 22h, every_weekday, "Europe/Berln"}}, zones);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == errc::invalid_timezone);
    REQUIRE(refused.error().fields.size() == 1);
    CHECK(refused.error().fields[0].field == "execution_windows[1].timezone");
}

TEST_CASE("window_at is what a walk over every minute finds", "[unit][schedule][naive]")
{
    std::mt19937 engine(3);
    const auto dice = [&engine](int n) { return static_cast<int>(engine() % static_cast<unsigned>(n)); };
    constexpr const char* zone_names[] = {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Cairo"};
    constexpr std::int64_t day = 86'400;
    for (int round = 0; round < 30; ++round) {
        const char* name = zone_names[dice(5)];
        std::vector<execution_window> windows;
        for (int i = 0; i <= dice(3); ++i) {
            windows.push_back({std::chrono::minutes{dice(1440)}, std::chrono::minutes{dice(1441)}, static_cast<weekday_set>(1 + dice(127)), name});
        }
        const auto made = compiled(windows);
        const naive::zone_in_force zone(name);
        const auto begin = (20'000 + static_cast<std::int64_t>(dice(4000))) * day;
        std::vector<bool> open;
        for (std::int64_t t = begin; t < begin + 9 * day; t += 60) open.push_back(open_at(windows, naive::zone_in_force::reading_at(t)));
        for (int q = 0; q < 100; ++q) {
            const int minute = dice(24 * 60);
            const auto now = timestamp{std::chrono::seconds{begin + minute * 60 + dice(60)}};
            const auto found = window_at(made, now);
            REQUIRE(found.open_now == open[static_cast<std::size_t>(minute)]);
            // Where it is open: until it is not; where it is not: from when it is.
            std::size_t next = static_cast<std::size_t>(minute);
            while (next < open.size() && open[next] == found.open_now) ++next;
            const auto change = timestamp{std::chrono::seconds{begin + static_cast<std::int64_t>(next) * 60}};
            if (next < open.size() && change < now + std::chrono::days{7}) REQUIRE((found.open_now ? found.until : found.from) == change);
        }
    }
}
