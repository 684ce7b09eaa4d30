#include "runtime/schedule/plain_days.hpp"
#include "runtime/schedule/zone_database.hpp"
#include "storage/model/json_text.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace rowlock;
using namespace rowlock::runtime;

TEST_CASE("a plain day stands for the instant at which it begins by the clocks of the schedule's zone", "[unit][schedule]")
{
    struct row {
        const char* why;
        const char* given;
        const char* expected;
    };
    auto r = GENERATE(values<row>({
        {"the zone of the settings, in winter", R"({"start_date":"2026-11-22"})", R"({"start_date":"2026-11-21T23:00:00.000000Z"})"},
        {"both ends, in summer", R"({"start_date":"2026-07-01","end_date":"2026-07-02"})", R"({"start_date":"2026-06-30T22:00:00.000000Z","end_date":"2026-07-01T22:00:00.000000Z"})"},
        {"a zone of its own", R"({"end_date":"2026-11-22","timezone":"UTC"})", R"({"end_date":"2026-11-22T00:00:00.000000Z","timezone":"UTC"})"},
        {"far east", R"({"end_date":"2026-11-22","timezone":"Pacific/Kiritimati"})", R"({"end_date":"2026-11-21T10:00:00.000000Z","timezone":"Pacific/Kiritimati"})"},
        {"clocks go forward at midnight, so it begins at one", R"({"start_date":"2018-11-04","timezone":"America/Sao_Paulo"})",
         R"({"start_date":"2018-11-04T03:00:00.000000Z","timezone":"America/Sao_Paulo"})"},
        {"a midnight that comes twice is the first", R"({"start_date":"2018-11-04","timezone":"America/Havana"})", R"({"start_date":"2018-11-04T04:00:00.000000Z","timezone":"America/Havana"})"},
        {"a day that the clocks leave out begins after it", R"({"start_date":"2011-12-30","timezone":"Pacific/Apia"})", R"({"start_date":"2011-12-30T10:00:00.000000Z","timezone":"Pacific/Apia"})"},
    }));
    INFO(r.why);
    zone_database zones;
    const auto made = with_days_as_times(parse_json(r.given)->as_object(), zones, "Europe/Berlin");
    REQUIRE(made);
    CHECK(to_text(*made) == r.expected);
}

TEST_CASE("what is no plain day, or of no known zone, stays as it was given", "[unit][schedule]")
{
    zone_database zones;
    const auto* given = GENERATE(R"({})", R"({"start_date":"2026-11-22T00:00:00Z"})", R"({"start_date":"2026-02-30"})", R"({"start_date":"1969-12-31"})", R"({"start_date":20261122})",
                                 R"({"start_date":null})", R"({"run_at":"2026-11-22"})", R"({"start_date":"2026-11-22","timezone":"Europe/Berln"})");
    INFO(given);
    const auto schedule = parse_json(given)->as_object();
    CHECK_FALSE(with_days_as_times(schedule, zones, "UTC"));
    CHECK_FALSE(definition_with_days_as_times({{"schedule", schedule}}, zones, "UTC"));
    CHECK_FALSE(definition_with_days_as_times({{"schedule", 1}}, zones, "UTC"));
}
