#include "tests/unit/cli/cli_run.hpp"

#include <boost/json/value.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace rowlock::test;

TEST_CASE("schedule next says without a server when an expression or an interval fires", "[unit][cli][schedule]")
{
    const auto as_json = run_line({"schedule", "next", "--cron", "30 2 * * *", "--timezone", "Europe/Berlin", "--after", "2026-03-28T12:00:00Z", "--count", "2", "--format", "json"});
    INFO(as_json.err);
    CHECK(as_json.code == 0);
    CHECK(json_of(as_json.out) == json_of(R"({"fire_times":["2026-03-29T01:00:00.000000Z","2026-03-30T00:30:00.000000Z"]})"));

    const auto shown = run_line({"schedule", "next", "--cron", "30 2 * * *", "--timezone", "Europe/Berlin", "--after", "2026-03-28T12:00:00Z", "--count", "2"});
    CHECK(shown.code == 0);
    CHECK(shown.out == "FIRES (UTC)          IN Europe/Berlin\n"
                       "2026-03-29 01:00:00  2026-03-29 03:00:00 +02:00\n"
                       "2026-03-30 00:30:00  2026-03-30 02:30:00 +02:00\n");

    const auto interval = run_line({"schedule", "next", "--interval", "90", "--after", "2026-01-01T00:00:00Z", "--count", "2"});
    CHECK(interval.out == "FIRES (UTC)\n2026-01-01 00:01:30\n2026-01-01 00:03:00\n");

    const auto skips = run_line({"schedule", "next", "--cron", "30 2 * * *", "--timezone", "Europe/Berlin", "--after", "2026-03-28T12:00:00Z", "--count", "1", "--dst-gap", "SKIP",
                                 "--format", "json"});
    CHECK(json_of(skips.out) == json_of(R"({"fire_times":["2026-03-30T00:30:00.000000Z"]})"));
}

TEST_CASE("schedule next refuses what is no schedule by the option, with exit code 2", "[unit][cli][schedule]")
{
    struct row {
        std::vector<std::string> options;
        const char* says;
    };
    const auto r = GENERATE(values<row>({
        {{"--cron", "61 * * * *"}, "--cron: the minute field, at character 1: 61 is not within 0..59"},
        {{"--cron", "0 0 30 2 *"}, "--cron: never fires"},
        {{"--cron", "@daily", "--timezone", "Europe/Berln"}, "--timezone: names no time zone; the nearest is Europe/Berlin"},
        {{"--cron", "@daily", "--after", "today"}, "--after: must be a time as in RFC 3339"},
        {{"--cron", "@daily", "--count", "0"}, "--count: must be an integer from 1 to 1000"},
        {{"--cron", "@daily", "--interval", "5"}, "--interval: is for schedules of type INTERVAL"},
        {{"--interval", "0"}, "--interval: must be an integer from 1"},
        {{}, "must say when: give it cron_expression, interval_seconds or run_at"},
    }));
    std::vector<std::string> line{"schedule", "next"};
    line.insert(line.end(), r.options.begin(), r.options.end());
    const auto e = run_line(line);
    CHECK(e.code == 2);
    CHECK(e.out.empty());
    CHECK_THAT(e.err, Catch::Contains(r.says));
}
