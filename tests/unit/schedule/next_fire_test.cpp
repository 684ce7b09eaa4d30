#include "runtime/schedule/next_fire.hpp"
#include "runtime/schedule/zone_database.hpp"

#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace rowlock;
using namespace rowlock::runtime;
using namespace std::chrono_literals;

namespace {

timestamp at(std::string_view rfc3339)
{
    const auto t = parse_rfc3339(rfc3339);
    REQUIRE(t);
    return *t;
}

schedule_spec cron(std::string text, std::string zone = "UTC")
{
    schedule_spec spec;
    spec.cron_expression = std::move(text);
    spec.timezone = std::move(zone);
    return spec;
}

schedule_spec every(std::chrono::seconds interval)
{
    schedule_spec spec;
    spec.type = schedule_type::interval;
    spec.interval = interval;
    return spec;
}

const timestamp registered = timestamp{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

compiled_schedule compiled(const schedule_spec& spec)
{
    zone_database zones;
    auto made = compile(spec, zones, registered);
    if (!made) FAIL(made.error().detail);
    return *made;
}

// The next few, without their fractions of a second.
std::vector<std::string> next(const schedule_spec& spec, std::string_view after, std::size_t count)
{
    std::vector<std::string> shown;
    for (const auto t : ticks_between(compiled(spec), at(after), timestamp::max(), count)) shown.push_back(to_rfc3339(t).substr(0, 19));
    return shown;
}

using times = std::vector<std::string>;

}

TEST_CASE("a schedule fires after the time that is asked, and not at it", "[unit][schedule]")
{
    CHECK(next(cron("*/15 * * * *"), "2026-03-01T10:15:00Z", 2) == times{"2026-03-01T10:30:00", "2026-03-01T10:45:00"});
    CHECK(next(cron("*/15 * * * *"), "2026-03-01T10:14:59.999999Z", 1) == times{"2026-03-01T10:15:00"});
    CHECK(next(cron("*/20 * * * * *"), "2026-12-31T23:59:39Z", 2) == times{"2026-12-31T23:59:40", "2027-01-01T00:00:00"});
    CHECK(next(cron("0 0 29 2 *"), "2096-03-01T00:00:00Z", 2) == times{"2104-02-29T00:00:00", "2108-02-29T00:00:00"});
    CHECK(next(cron("0 9 * * MON-FRI", "America/New_York"), "2026-11-20T15:00:00Z", 1) == times{"2026-11-23T14:00:00"});
}

TEST_CASE("a fixed time that the clocks skip fires at the end of the gap, once", "[unit][schedule]")
{
    // 2026-03-29 in Berlin: 02:00 to 03:00 are left out, at 01:00 UTC.
    CHECK(next(cron("30 2 * * *", "Europe/Berlin"), "2026-03-28T12:00:00Z", 2) == times{"2026-03-29T01:00:00", "2026-03-30T00:30:00"});
    CHECK(next(cron("*/10 2 * * *", "Europe/Berlin"), "2026-03-28T12:00:00Z", 2) == times{"2026-03-29T01:00:00", "2026-03-30T00:00:00"});
    CHECK(next(cron("0 3 * * *", "Europe/Berlin"), "2026-03-28T12:00:00Z", 2) == times{"2026-03-29T01:00:00", "2026-03-30T01:00:00"});
    CHECK(next(cron("0 2,3 * * *", "Europe/Berlin"), "2026-03-28T12:00:00Z", 2) == times{"2026-03-29T01:00:00", "2026-03-30T00:00:00"});

    auto skips = cron("30 2 * * *", "Europe/Berlin");
    skips.gap = dst_gap::skip;
    CHECK(next(skips, "2026-03-28T12:00:00Z", 1) == times{"2026-03-30T00:30:00"});
}

TEST_CASE("a fixed time that comes twice fires once, the first time, or as the schedule chooses", "[unit][schedule]")
{
    // 2026-10-25 in Berlin: 02:00 to 03:00 come twice, from 00:00 and from 01:00 UTC on.
    struct row {
        std::optional<dst_overlap> overlap;
        times expected;
    };
    auto r = GENERATE(values<row>({
        {std::nullopt, {"2026-10-25T00:30:00", "2026-10-26T01:30:00"}},
        {dst_overlap::first, {"2026-10-25T00:30:00", "2026-10-26T01:30:00"}},
        {dst_overlap::second, {"2026-10-25T01:30:00", "2026-10-26T01:30:00"}},
        {dst_overlap::both, {"2026-10-25T00:30:00", "2026-10-25T01:30:00"}},
    }));
    auto spec = cron("30 2 * * *", "Europe/Berlin");
    spec.overlap = r.overlap;
    CHECK(next(spec, "2026-10-24T12:00:00Z", 2) == r.expected);
}

TEST_CASE("a schedule whose hour field begins with * follows elapsed time", "[unit][schedule]")
{
    CHECK(next(cron("*/30 * * * *", "Europe/Berlin"), "2026-03-29T00:29:00Z", 3) == times{"2026-03-29T00:30:00", "2026-03-29T01:00:00", "2026-03-29T01:30:00"});
    CHECK(next(cron("*/30 * * * *", "Europe/Berlin"), "2026-10-24T23:59:00Z", 5) ==
          times{"2026-10-25T00:00:00", "2026-10-25T00:30:00", "2026-10-25T01:00:00", "2026-10-25T01:30:00", "2026-10-25T02:00:00"});
    CHECK(next(cron("@hourly", "America/New_York"), "2026-11-01T04:30:00Z", 3) == times{"2026-11-01T05:00:00", "2026-11-01T06:00:00", "2026-11-01T07:00:00"});

    auto once = cron("30 * * * *", "Europe/Berlin");
    once.overlap = dst_overlap::first;
    CHECK(next(once, "2026-10-24T23:59:00Z", 2) == times{"2026-10-25T00:30:00", "2026-10-25T02:30:00"});
}

TEST_CASE("zones that change by half an hour, at midnight, or by a day do so right", "[unit][schedule]")
{
    // Lord Howe: 02:00 to 02:30 on 2026-10-04 are left out, at 15:30 UTC the day before.
    CHECK(next(cron("15 2 * * *", "Australia/Lord_Howe"), "2026-10-03T00:00:00Z", 1) == times{"2026-10-03T15:30:00"});
    // Cairo skips 00:00 to 01:00 on 2026-04-24.
    CHECK(next(cron("0 0 * * *", "Africa/Cairo"), "2026-04-22T23:00:00Z", 2) == times{"2026-04-23T22:00:00", "2026-04-24T21:00:00"});
    // Samoa had no 30 December 2011: it fires where the gap ends, as the 31st begins.
    CHECK(next(cron("0 12 30 12 *", "Pacific/Apia"), "2011-12-01T00:00:00Z", 2) == times{"2011-12-30T10:00:00", "2012-12-29T22:00:00"});
}

TEST_CASE("the rules of a zone hold beyond the table of its file", "[unit][schedule]")
{
    CHECK(next(cron("0 12 1 7 *", "America/New_York"), "2040-01-01T00:00:00Z", 1) == times{"2040-07-01T16:00:00"});
    CHECK(next(cron("0 12 1 7 *", "America/New_York"), "2999-01-01T00:00:00Z", 1) == times{"2999-07-01T16:00:00"});
    CHECK(next(cron("30 2 * * *", "Europe/Berlin"), "2100-03-27T12:00:00Z", 1) == times{"2100-03-28T01:00:00"});
}

TEST_CASE("an interval is anchored, at start_date or where the schedule was put, and does not drift", "[unit][schedule]")
{
    CHECK(next(every(90s), "2026-01-01T00:00:00Z", 2) == times{"2026-01-01T00:01:30", "2026-01-01T00:03:00"});
    CHECK(next(every(90s), "2026-01-01T00:03:17Z", 1) == times{"2026-01-01T00:04:30"});
    CHECK(next(every(90s), "2025-06-01T00:00:00Z", 1) == times{"2026-01-01T00:01:30"});
    auto started = every(3600s);
    started.start_date = at("2026-05-01T00:20:00Z");
    CHECK(next(started, "2026-01-01T00:00:00Z", 2) == times{"2026-05-01T00:20:00", "2026-05-01T01:20:00"});
    CHECK(next(started, "2031-05-01T00:00:00Z", 1) == times{"2031-05-01T00:20:00"});
}

TEST_CASE("ONCE fires once", "[unit][schedule]")
{
    schedule_spec spec;
    spec.type = schedule_type::once;
    spec.run_at = at("2026-05-01T12:00:00.5Z");
    CHECK(next(spec, "2026-01-01T00:00:00Z", 5) == times{"2026-05-01T12:00:00"});
    CHECK(next(spec, "2026-05-01T12:00:00.5Z", 5).empty());
}

TEST_CASE("nothing fires before start_date, and nothing at end_date or after it", "[unit][schedule]")
{
    auto spec = cron("0 * * * *");
    spec.start_date = at("2026-02-01T05:00:00Z");
    spec.end_date = at("2026-02-01T08:00:00Z");
    CHECK(next(spec, "2026-01-01T00:00:00Z", 9) == times{"2026-02-01T05:00:00", "2026-02-01T06:00:00", "2026-02-01T07:00:00"});
    auto interval = every(3600s);
    interval.start_date = spec.start_date;
    interval.end_date = spec.end_date;
    CHECK(next(interval, "2026-01-01T00:00:00Z", 9) == times{"2026-02-01T05:00:00", "2026-02-01T06:00:00", "2026-02-01T07:00:00"});
}

TEST_CASE("the calendar ends with the year 9999", "[unit][schedule]")
{
    CHECK(next(cron("0 0 * * *"), "9999-12-30T12:00:00Z", 5) == times{"9999-12-31T00:00:00"});
    CHECK(next(every(86400s), "9999-12-30T12:00:00Z", 5) == times{"9999-12-31T00:00:00"});
}

TEST_CASE("a schedule that its zone never lets fire is refused", "[unit][schedule]")
{
    zone_database zones;
    auto spec = cron("30 2 ? 3 SUNL", "Europe/Berlin");
    spec.gap = dst_gap::skip;
    const auto never = compile(spec, zones, registered);
    REQUIRE_FALSE(never.has_value());
    CHECK(never.error().code == errc::invalid_cron);
    CHECK_THAT(never.error().detail, Catch::Contains("never fires in Europe/Berlin"));
    spec.gap = dst_gap::fire_after;
    CHECK(compile(spec, zones, registered).has_value());
}

TEST_CASE("the latest of many missed ticks are found without the others, which are counted", "[unit][schedule]")
{
    const auto minutely = compiled(cron("* * * * *"));
    const auto latest = latest_ticks_between(minutely, at("2026-01-01T00:00:00Z"), at("2026-01-02T00:00:30Z"), 3);
    REQUIRE(latest.ticks.size() == 3);
    CHECK(latest.ticks.front() == at("2026-01-01T23:58:00Z"));
    CHECK(latest.ticks.back() == at("2026-01-02T00:00:00Z"));
    CHECK(latest.earlier == 1437);
    CHECK(latest.earlier_is_exact);

    const auto bounded = latest_ticks_between(minutely, at("2020-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z"), 1, 1000);
    CHECK(bounded.ticks == std::vector{at("2026-01-01T00:00:00Z")});
    CHECK(bounded.earlier == 1000);
    CHECK_FALSE(bounded.earlier_is_exact);

    const auto few = latest_ticks_between(compiled(cron("0 0 1 1 *")), at("2020-06-01T00:00:00Z"), at("2023-06-01T00:00:00Z"), 10);
    CHECK(few.ticks == std::vector{at("2021-01-01T00:00:00Z"), at("2022-01-01T00:00:00Z"), at("2023-01-01T00:00:00Z")});
    CHECK(few.earlier == 0);
    CHECK(latest_ticks_between(minutely, at("2026-01-01T00:00:10Z"), at("2026-01-01T00:00:50Z"), 5).ticks.empty());
    CHECK(latest_ticks_between(minutely, at("2026-01-01T00:00:00Z"), at("2026-01-01T00:10:00Z"), 0).earlier == 10);
}
