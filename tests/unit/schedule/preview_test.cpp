#include "runtime/schedule/preview.hpp"
#include "runtime/schedule/zone_database.hpp"
#include "storage/model/json_text.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace rowlock;
using namespace rowlock::runtime;

namespace {

const timestamp now = timestamp{std::chrono::sys_days{std::chrono::year{2026} / 3 / 28}};

result<schedule_preview> asked(const char* body, const std::string& zone = "UTC")
{
    zone_database zones;
    const auto parsed = parse_json(body);
    REQUIRE(parsed.has_value());
    return preview(parsed->as_object(), zones, now, zone);
}

}

TEST_CASE("a preview shows when a schedule would fire, from now on in the zone of the settings where nothing else is said", "[unit][schedule]")
{
    struct row {
        const char* body;
        const char* expected;
    };
    auto r = GENERATE(values<row>({
        {R"({"cron_expression":"30 2 * * *","count":1})", R"({"fire_times":["2026-03-28T01:30:00.000000Z"]})"},
        {R"({"cron":"30 2 * * *","timezone":"UTC","after":"2026-05-01T00:00:00+02:00","count":1})", R"({"fire_times":["2026-05-01T02:30:00.000000Z"]})"},
        {R"({"interval_seconds":60,"count":2})", R"({"fire_times":["2026-03-28T00:01:00.000000Z","2026-03-28T00:02:00.000000Z"]})"},
        {R"({"run_at":"2026-03-28T07:00:00Z"})", R"({"fire_times":["2026-03-28T07:00:00.000000Z"]})"},
        {R"({"run_at":"2025-03-28T07:00:00Z"})", R"({"fire_times":[]})"},
        {R"({"cron":"@daily","timezone":null,"count":null,"after":null,"end_date":"2026-03-29T12:00:00Z"})", R"({"fire_times":["2026-03-28T23:00:00.000000Z"]})"},
        {R"({"cron":"@daily","start_date":"2026-07-01","end_date":"2026-07-02"})", R"({"fire_times":["2026-06-30T22:00:00.000000Z"]})"},
    }));
    INFO(r.body);
    const auto found = asked(r.body, "Europe/Berlin");
    REQUIRE(found.has_value());
    CHECK(to_text(to_json(found->fire_times)) == r.expected);
}

TEST_CASE("a preview refuses all that is wrong with the question at once, as it was given", "[unit][schedule]")
{
    const auto refused = asked(R"({"cron_expression":"61 * * * *","timezone":"Europe/Berln","count":0,"after":"noon","more":1})");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == errc::invalid_request);
    std::vector<std::string> told;
    for (const auto& each : refused.error().fields) told.push_back(each.field + ' ' + each.value);
    CHECK(told == std::vector<std::string>{"count 0", "after \"noon\"", "cron_expression \"61 * * * *\"", "more 1", "timezone \"Europe/Berln\""});

    CHECK(asked(R"({"cron_expression":"x"})").error().code == errc::invalid_cron);
    CHECK(asked(R"({"cron_expression":"@daily","timezone":"x"})").error().code == errc::invalid_timezone);
    CHECK(asked(R"({"cron_expression":"30 2 ? 3 SUNL","timezone":"Europe/Berlin","dst_gap":"SKIP"})").error().code == errc::invalid_cron);
    const auto nothing = asked("{}");
    REQUIRE_FALSE(nothing.has_value());
    CHECK_THAT(nothing.error().detail, Catch::Contains("must say when"));
    REQUIRE(nothing.error().fields.size() == 1);
    CHECK(nothing.error().fields.front().field == "schedule_type");
    CHECK_FALSE(asked(R"({"cron_expression":"@daily","count":1001})").has_value());
}
