#include "storage/model/json_text.hpp"
#include "storage/model/schedule.hpp"
#include "tests/unit/storage/model/definition_text.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

using namespace rowlock;
using namespace std::chrono_literals;

namespace {

std::string with(const std::string& members)
{
    return R"({"handler":{"type":"noop"},)" + members + '}';
}

job_definition read(const std::string& members)
{
    auto made = parse(with(members));
    if (!made) FAIL(made.error().detail << " " << (made.error().fields.empty() ? "" : made.error().fields[0].message));
    return *made;
}

// Messages by field.
std::map<std::string, std::string> refused(const std::string& members)
{
    const auto made = parse(with(members));
    REQUIRE_FALSE(made.has_value());
    std::map<std::string, std::string> all;
    for (const auto& each : made.error().fields) all.emplace(each.field, each.message);
    return all;
}

errc code_of(const std::string& members)
{
    const auto made = parse(with(members));
    REQUIRE_FALSE(made.has_value());
    return made.error().code;
}

}

TEST_CASE("a schedule says when, by one of three members, and its type follows from it", "[unit][definition][schedule]")
{
    struct row {
        const char* given;
        schedule_type type;
        const char* document;
    };
    auto r = GENERATE(values<row>({
        {R"({"cron_expression":"0 */5 * * * *","timezone":"Europe/Berlin","schedule_type":"CRON"})", schedule_type::cron,
         R"({"schedule_id":"j","schedule_type":"CRON","cron_expression":"0 */5 * * * *","timezone":"Europe/Berlin"})"},
        {R"({"cron":"@hourly"})", schedule_type::cron, R"({"schedule_id":"j","schedule_type":"CRON","cron_expression":"@hourly","timezone":"UTC"})"},
        {R"({"interval_seconds":90,"schedule_id":"often"})", schedule_type::interval, R"({"schedule_id":"often","schedule_type":"INTERVAL","interval_seconds":90,"timezone":"UTC"})"},
        {R"({"run_at":"2026-05-01T14:00:00+02:00"})", schedule_type::once,
         R"({"schedule_id":"j","schedule_type":"ONCE","run_at":"2026-05-01T12:00:00.000000Z","timezone":"UTC"})"},
    }));
    INFO(r.given);
    const auto made = read(std::string(R"("schedule":)") + r.given);
    REQUIRE(made.schedule);
    CHECK(made.schedule->type == r.type);
    CHECK(made.document.at("schedule") == parse_json(r.document).value());
    const auto again = parse_schedule(made.document.at("schedule").as_object());
    REQUIRE(again.has_value());
    CHECK(again->schedule_id == made.schedule->schedule_id);
    CHECK(again->type == r.type);
    CHECK(again->interval == made.schedule->interval);
    CHECK(again->run_at == made.schedule->run_at);
}

TEST_CASE("a schedule's other members have the contract's defaults and ranges", "[unit][definition][schedule]")
{
    const auto plain = read(R"("schedule":{"cron":"@daily"})").schedule.value();
    CHECK_FALSE(plain.skip_if_running);
    CHECK_FALSE(plain.catchup_enabled);
    CHECK(plain.tolerance == 60s);
    CHECK(plain.enabled);
    CHECK_FALSE(plain.gap);
    CHECK_FALSE(plain.max_catchup_runs);

    const auto full = read(R"("schedule":{"cron":"@daily","start_date":"2026-01-01T00:00:00Z","end_date":"2027-01-01T00:00:00Z","queue_if_running":true,"catchup_enabled":true,
        "max_catchup_runs":3,"tolerance_seconds":1.5,"jitter_seconds":30,"max_concurrent_runs":2,"enabled":false,"dst_gap":"SKIP","dst_overlap":"BOTH","tags":{"a":"b"}})").schedule.value();
    CHECK(full.queue_if_running);
    CHECK(full.max_catchup_runs == 3);
    CHECK(full.tolerance == 1500ms);
    CHECK(full.jitter == 30s);
    CHECK(full.max_concurrent_runs == 2);
    CHECK_FALSE(full.enabled);
    CHECK(full.gap == dst_gap::skip);
    CHECK(full.overlap == dst_overlap::both);
    CHECK(full.tags.at("a") == "b");
}

TEST_CASE("a schedule that is refused says each reason by its field", "[unit][definition][schedule]")
{
    struct row {
        const char* given;
        const char* field;
        const char* says;
    };
    auto r = GENERATE(values<row>({
        {R"({})", "schedule", "must say when: give it cron_expression, interval_seconds or run_at"},
        {R"({"schedule_type":"CRON"})", "schedule.cron_expression", "is required"},
        {R"({"schedule_type":"HOURLY","cron":"@hourly"})", "schedule.schedule_type", "must be one of CRON, INTERVAL, ONCE"},
        {R"({"schedule_type":"ONCE","run_at":"2026-02-01T00:00:00Z","cron":"@hourly"})", "schedule.cron", "is for schedules of type CRON, and this one is ONCE"},
        {R"({"cron":"@hourly","interval_seconds":5})", "schedule.interval_seconds", "is for schedules of type INTERVAL, and this one is CRON"},
        {R"({"cron":"@hourly","cron_expression":"@daily"})", "schedule.cron", "is another name of cron_expression"},
        {R"({"cron_expression":"61 * * * *"})", "schedule.cron_expression", "the minute field, at character 1: 61 is not within 0..59"},
        {R"({"cron_expression":5})", "schedule.cron_expression", "must be a string"},
        {R"({"interval_seconds":0})", "schedule.interval_seconds", "must be an integer from 1 to"},
        {R"({"interval_seconds":1.5})", "schedule.interval_seconds", "must be an integer from 1 to"},
        {R"({"run_at":"tomorrow"})", "schedule.run_at", "must be a time as in RFC 3339"},
        {R"({"cron":"@daily","start_date":"2026-02-01T00:00:00Z","end_date":"2026-02-01T00:00:00Z"})", "schedule.end_date", "must be after start_date"},
        {R"({"run_at":"2026-02-01T00:00:00Z","end_date":"2026-02-01T00:00:00Z"})", "schedule.run_at", "must not be before start_date, and must be before end_date"},
        {R"({"cron":"@daily","skip_if_running":true,"queue_if_running":true})", "schedule.queue_if_running", "contradicts skip_if_running"},
        {R"({"interval_seconds":5,"dst_gap":"SKIP"})", "schedule.dst_gap", "is for schedules of type CRON"},
        {R"({"cron":"@daily","dst_overlap":"LAST"})", "schedule.dst_overlap", "must be one of FIRST, SECOND, BOTH"},
        {R"({"cron":"@daily","max_concurrent_runs":0})", "schedule.max_concurrent_runs", "must be an integer from 1"},
        {R"({"cron":"@daily","crom":"@daily"})", "schedule.crom", "is not a known field"},
        {R"("@daily")", "schedule", "must be an object"},
    }));
    INFO(r.given);
    const auto all = refused(std::string(R"("schedule":)") + r.given);
    REQUIRE(all.count(r.field) == 1);
    CHECK_THAT(all.at(r.field), Catch::Contains(r.says));
    CHECK(all.size() == 1);
}

TEST_CASE("the code of a refusal is that of the schedule where nothing else is wrong", "[unit][definition][schedule]")
{
    CHECK(code_of(R"("schedule":{"cron":"x"})") == errc::invalid_cron);
    CHECK(code_of(R"("schedule":{"cron":"@daily","interval_seconds":5})") == errc::schedule_conflict);
    CHECK(code_of(R"("schedule":{"cron":"x"},"timeout_seconds":-1)") == errc::invalid_request);
}

TEST_CASE("the flat names of the rules go into the schedule", "[unit][definition][schedule]")
{
    const auto made = read(R"("cron_expression":"0 */15 * * * *","timezone":"UTC","tolerance_seconds":30,"skip_if_running":true,"queue_if_running":false,
        "catchup_enabled":true,"max_catchup_runs":10)").schedule.value();
    CHECK(made.cron_expression == "0 */15 * * * *");
    CHECK(made.tolerance == 30s);
    CHECK(made.skip_if_running);
    CHECK(made.catchup_enabled);
    CHECK(made.max_catchup_runs == 10);
    CHECK(refused(R"("cron_expression":"x")").count("cron_expression") == 1);
    CHECK_THAT(refused(R"("skip_if_running":true)").at("skip_if_running"), Catch::Contains("is for a schedule, and the definition has none"));
    CHECK_FALSE(read(R"("skip_if_running":false,"max_catchup_runs":0)").schedule);
}

TEST_CASE("execution windows are read with their days, past midnight, and by the second", "[unit][definition][schedule]")
{
    const auto made = read(R"("execution_windows":[{"start":"06:00","end":"22:00","days":["MON","tue","Wednesday","MON"]},{"start":"22:30:15","end":"24:00","timezone":"Asia/Tokyo"}],
        "skip_outside_window":true)");
    REQUIRE(made.windows.size() == 2);
    CHECK(made.skip_outside_window);
    CHECK(made.windows[0].start == 6h);
    CHECK(made.windows[0].end == 22h);
    CHECK(made.windows[0].days == (1 << 1 | 1 << 2 | 1 << 3));
    CHECK(made.windows[0].timezone == "UTC");
    CHECK(made.windows[1].start == 22h + 30min + 15s);
    CHECK(made.windows[1].end == 24h);
    CHECK(made.windows[1].days == every_weekday);
    CHECK(made.document.at("execution_windows").at(0).at("days") == parse_json(R"(["MON","TUE","WED"])").value());

    const auto all = refused(R"("execution_windows":[{"start":"6:00","end":"25:00","days":["MO"]},{"end":"10:00"},{"start":"24:00","end":"10:00","days":[]}])");
    for (const auto* field : {"execution_windows[0].start", "execution_windows[0].end", "execution_windows[0].days[0]", "execution_windows[1].start", "execution_windows[2].start",
                              "execution_windows[2].days"}) {
        INFO(field);
        CHECK(all.count(field) == 1);
    }
    CHECK(all.size() == 6);
}

TEST_CASE("the zones that a definition names are known before the rest of it is right", "[unit][definition][schedule]")
{
    const auto body = parse_json(R"({"schedule":{"cron":5,"timezone":"A/B"},"execution_windows":[1,{"timezone":"C/D"},{"timezone":7}]})");
    std::vector<std::string> found;
    for (const auto& [field, name] : zones_named_in(body->as_object())) found.push_back(field + ' ' + name);
    CHECK(found == std::vector<std::string>{"schedule.timezone A/B", "execution_windows[1].timezone C/D"});
}
