#include "tests/support/database_rows.hpp"
#include "tests/support/job_runs.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <set>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

const json::object noop{{"type", "noop"}};
const json::object every_second{{"schedule_type", "INTERVAL"}, {"interval_seconds", 1}};
const json::object each_new_year{{"schedule_type", "CRON"}, {"cron_expression", "0 0 1 1 *"}, {"timezone", "Europe/Berlin"}};

json::object scheduled(const json::object& schedule, const json::object& more = {})
{
    return with({{"schedule", schedule}}, more);
}

json::value schedule_at(const server_process& at, const std::string& id)
{
    return at.get("/v1/schedules/" + id).json();
}

json::array ticks_at(const server_process& at, const std::string& id)
{
    return at.get("/v1/schedules/" + id + "/ticks?limit=1000").json().at("items").as_array();
}

std::vector<std::string> flags_for(const server_process& at, std::vector<std::string> words)
{
    words.insert(words.end(), {"--url", at.url()});
    return words;
}

}

TEST_CASE("a schedule makes an execution at each of its times, and the job is told the time", "[e2e][schedules]")
{
    const auto& server = open_server();
    server.define("ticking", {{"type", "process"}, {"command", json::array{"/bin/sh", "-c", R"(printf '{"output": {"at": "%s"}}\n' "$ROWLOCK_SCHEDULED_TIME" >&3)"}}}, scheduled(every_second));
    CHECK_FALSE(schedule_at(server, "ticking").at("next_fire_time").is_null());
    eventually("it has fired twice", [&] { return count_of(server, "ticking") >= 2; });
    CHECK(server.post("/v1/schedules/ticking/pause", json::object{{"reason", "enough"}}).json().at("state") == "PAUSED");
    const auto all = runs_of(server, "ticking");
    std::set<std::string> times;
    for (const auto& one : all) {
        const auto ended = server.ended(text_at(one, "/execution_id"));
        CHECK(text_at(ended, "/status") == "COMPLETED");
        CHECK(text_at(ended, "/trigger_type") == "SCHEDULED");
        CHECK(text_at(ended, "/trigger_id") == "ticking");
        CHECK(text_at(ended, "/result/outputs/at") == text_at(ended, "/scheduled_time"));
        times.insert(text_at(ended, "/scheduled_time"));
    }
    CHECK(times.size() == all.size());
    CHECK(ticks_at(server, "ticking").size() == all.size());
    CHECK(text_at(ticks_at(server, "ticking").front(), "/outcome") == "FIRED");
    CHECK(server.metric("rowlock_schedule_ticks_total") >= 2);
}

TEST_CASE("a schedule is seen, paused, resumed and run by hand", "[e2e][schedules]")
{
    const auto& server = open_server();
    server.define("yearly", noop, scheduled(with(each_new_year, {{"schedule_id", "new-year"}, {"tolerance_seconds", 5}})));
    const auto seen = schedule_at(server, "new-year");
    CHECK(text_at(seen, "/job_id") == "yearly");
    CHECK(text_at(seen, "/state") == "ACTIVE");
    CHECK(seen.at("tolerance_seconds") == 5);
    const auto next = server.get("/v1/schedules/new-year/next?count=3").json().at("fire_times").as_array();
    REQUIRE(next.size() == 3);
    CHECK(next[0] == seen.at("next_fire_time"));
    CHECK(text_at(json::value(next), "/0").ends_with("-12-31T23:00:00.000000Z"));
    CHECK(server.get("/v1/schedules/new-year/next?count=1&after=2030-06-01T00:00:00Z").json().at("fire_times").at(0) == "2030-12-31T23:00:00.000000Z");

    const auto paused = server.post("/v1/schedules/new-year/pause", json::object{{"reason", "holidays"}}).json();
    CHECK(text_at(paused, "/state") == "PAUSED");
    CHECK(text_at(paused, "/pause_reason") == "holidays");
    CHECK(paused.at("next_fire_time").is_null());
    server.define("yearly", noop, scheduled(with(each_new_year, {{"schedule_id", "new-year"}, {"tolerance_seconds", 6}})));
    CHECK(text_at(schedule_at(server, "new-year"), "/state") == "PAUSED");
    const auto resumed = server.post("/v1/schedules/new-year/resume", json::object{}).json();
    CHECK(text_at(resumed, "/state") == "ACTIVE");
    CHECK(resumed.at("next_fire_time") == next[0]);

    const auto made = server.post("/v1/schedules/new-year/run", json::object{{"parameters", {{"n", 1}}}});
    CHECK(made.status == 201);
    CHECK(text_at(server.ended(text_at(made.json(), "/execution_id")), "/parameters/n") == "1");
    CHECK(rows_at(open_server_database(), "select string_agg(action, ' ' order by at) from v_schedule_actions where schedule_id = 'new-year'")[0][0].c_str() == std::string("PAUSE RESUME RUN"));

    CHECK(server.get("/v1/schedules/nobody").status == 404);
    CHECK(server.get("/v1/schedules/nobody/next").status == 404);
    CHECK(server.post("/v1/schedules/nobody/pause", json::object{}).status == 404);
    CHECK(server.get("/v1/schedules/new-year/next?count=0").status == 422);
    CHECK(server.post("/v1/schedules/new-year/pause", json::object{{"why", "x"}}).status == 422);
    server.define("yearly", noop);
    CHECK(server.get("/v1/schedules/new-year").status == 404);
}

TEST_CASE("a preview says over HTTP when a schedule would fire, or all that is wrong with it, and stores nothing", "[e2e][schedules]")
{
    const auto& server = open_server();
    const auto shown = server.post("/v1/schedules/preview", json::object{{"cron_expression", "30 2 * * *"}, {"timezone", "Europe/Berlin"}, {"start_date", "2026-07-01"}, {"end_date", "2026-07-03"},
                                                                        {"after", "2026-01-01T00:00:00Z"}});
    REQUIRE(shown.status == 200);
    CHECK(json::serialize(shown.json()) == R"({"fire_times":["2026-07-01T00:30:00.000000Z","2026-07-02T00:30:00.000000Z"]})");

    struct row {
        json::object body;
        const char* field;
    };
    for (const auto& [body, field] : std::vector<row>{{{}, "schedule_type"},
                                                      {{{"cron_expression", "61 * * * *"}}, "cron_expression"},
                                                      {{{"run_at", "2026-07-01"}}, "run_at"},
                                                      {{{"interval_seconds", 1}, {"start_date", "2026-02-30"}}, "start_date"},
                                                      {{{"interval_seconds", 1}, {"count", 0}}, "count"},
                                                      {{{"interval_seconds", 1}, {"timezone", "Europe/Berln"}}, "timezone"}}) {
        INFO(json::serialize(body));
        const auto refused = server.post("/v1/schedules/preview", body);
        CHECK(refused.status == 422);
        CHECK(refused.json().at("errors").as_array().size() == 1);
        CHECK(text_at(refused.json(), "/errors/0/field") == field);
    }
    CHECK(server.post("/v1/schedules/preview", json::array{}).status == 400);
    CHECK(server.get("/v1/schedules/preview").status == 404);
}

TEST_CASE("a schedule may start and end with a plain day, which begins by the clocks of its zone", "[e2e][schedules]")
{
    const auto& server = open_server();
    server.define("of-a-day", noop, scheduled(with(each_new_year, {{"start_date", "2030-07-01"}, {"end_date", "2040-07-01"}})));
    CHECK(text_at(schedule_at(server, "of-a-day"), "/start_date") == "2030-06-30T22:00:00.000000Z");
    CHECK(text_at(schedule_at(server, "of-a-day"), "/next_fire_time") == "2030-12-31T23:00:00.000000Z");
    CHECK(text_at(server.get("/v1/jobs/of-a-day").json(), "/schedule/end_date") == "2040-06-30T22:00:00.000000Z");
}

TEST_CASE("two schedules of the same id are refused, with the field and the other job", "[e2e][schedules]")
{
    const auto& server = open_server();
    server.define("first-of-two", noop, scheduled(with(each_new_year, {{"schedule_id", "shared"}})));
    const auto refused = server.put("/v1/jobs/second-of-two", with({{"handler", noop}}, scheduled(with(each_new_year, {{"schedule_id", "shared"}}))));
    CHECK(refused.status == 422);
    CHECK(text_at(refused.json(), "/errors/0/field") == "schedule.schedule_id");
    CHECK(refused.body.find("first-of-two") != std::string::npos);
    CHECK(server.get("/v1/jobs/second-of-two").status == 404);
}

TEST_CASE("skip_if_running skips times while a run has not ended; queue_if_running keeps them waiting, and says so", "[e2e][schedules]")
{
    const auto& server = open_server();
    const scratch_folder scratch;
    const auto gate = scratch.path() / "gate";
    const json::object held{{"type", "process"}, {"command", json::array{"/bin/sh", "-c", "while ! test -e " + gate.string() + "; do sleep 0.05; done"}}, {"grace_seconds", 0}};
    server.define("skipping", held, scheduled(with(every_second, {{"skip_if_running", true}})));
    server.define("queueing", held, scheduled(with(every_second, {{"queue_if_running", true}})));
    eventually("a time has been skipped, and one waits", [&] {
        return ticks_at(server, "skipping").size() >= 2 && count_of(server, "queueing") >= 2;
    });
    server.post("/v1/schedules/skipping/pause", json::object{});
    server.post("/v1/schedules/queueing/pause", json::object{});
    CHECK(count_of(server, "skipping") == 1);
    CHECK(text_at(ticks_at(server, "skipping").front(), "/reason") == "SKIP_IF_RUNNING");
    const auto waiting = text_at(runs_of(server, "queueing").front(), "/execution_id");
    const auto why = explain(server, waiting).json();
    CHECK(text_at(why, "/status") == "PENDING");
    CHECK(text_at(why, "/blocked_by/0/rule") == "skip_if_running");
    write_file(gate, "");
    CHECK(text_at(server.ended(waiting), "/status") == "COMPLETED");
}

TEST_CASE("a backfill makes one execution for each past time, and the same again makes none", "[e2e][schedules]")
{
    const auto& server = open_server();
    server.define("filled", noop, scheduled({{"schedule_type", "CRON"}, {"cron_expression", "0 * * * *"}}));
    server.post("/v1/schedules/filled/pause", json::object{});
    const json::object day{{"from", "2026-01-31T00:00:00Z"}, {"to", "2026-02-01T00:00:00Z"}};
    const auto would = server.post("/v1/jobs/filled/backfill", with(day, {{"dry_run", true}})).json();
    CHECK(would.at("total") == 24);
    CHECK(count_of(server, "filled") == 0);
    const auto part = server.post("/v1/jobs/filled/backfill", with(day, {{"limit", 10}})).json();
    CHECK(part.at("submitted") == 10);
    CHECK(text_at(part, "/next_from") == "2026-01-31T10:00:00.000000Z");
    const auto done = server.post("/v1/jobs/filled/backfill", day).json();
    CHECK(done.at("submitted") == 14);
    CHECK(done.at("replayed") == 10);
    CHECK(done.at("next_from").is_null());
    CHECK(text_at(done, "/executions/0/execution_id") == text_at(part, "/executions/0/execution_id"));
    CHECK(count_of(server, "filled") == 24);
    const auto first = server.ended(text_at(done, "/executions/0/execution_id"));
    CHECK(text_at(first, "/scheduled_time") == "2026-01-31T00:00:00.000000Z");
    CHECK(text_at(first, "/correlation_id") == "backfill-filled");

    struct row {
        json::object body;
        const char* field;
    };
    for (const auto& [body, field] : std::vector<row>{{{{"from", "2026-01-31T00:00:00Z"}}, "to"},
                                                      {{{"from", "2026-01-31T00:00:00Z"}, {"to", "2026-01-31T00:00:00Z"}}, "to"},
                                                      {{{"from", "yesterday"}, {"to", "2026-01-31T00:00:00Z"}}, "from"},
                                                      {{{"from", "2026-01-30"}, {"to", "2026-01-31T00:00:00Z"}}, "from"},
                                                      {{{"from", "2026-01-31T00:00:00Z"}, {"to", "9000-01-31T00:00:00Z"}}, "to"},
                                                      {{{"from", "2000-01-31T00:00:00Z"}, {"to", "2026-01-31T00:00:00Z"}}, "to"},
                                                      {{{"from", "2026-01-30T00:00:00Z"}, {"to", "2026-01-31T00:00:00Z"}, {"limit", 0}}, "limit"}}) {
        INFO(json::serialize(body));
        const auto refused = server.post("/v1/jobs/filled/backfill", body);
        CHECK(refused.status == 422);
        CHECK(text_at(refused.json(), "/errors/0/field") == field);
    }
    server.define("unscheduled", noop);
    CHECK(server.post("/v1/jobs/unscheduled/backfill", day).status == 422);
    CHECK(server.post("/v1/jobs/nobody/backfill", day).status == 404);
    CHECK(count_of(server, "filled") == 24);
}

TEST_CASE("a pause outlives new versions, but not one that says enabled, nor the job", "[e2e][schedules]")
{
    const auto& server = open_server();
    const auto state = [&] { return text_at(server.get("/v1/schedules/held-up").json(), "/state"); };
    json::object when = each_new_year;
    server.define("held-up", noop, scheduled(when));
    REQUIRE(server.post("/v1/schedules/held-up/pause", json::object{}).status == 200);
    when["tolerance_seconds"] = 5;
    server.define("held-up", noop, scheduled(when));
    CHECK(state() == "PAUSED");
    when["enabled"] = true;
    server.define("held-up", noop, scheduled(when));
    CHECK(state() == "ACTIVE");

    REQUIRE(server.post("/v1/schedules/held-up/pause", json::object{}).status == 200);
    REQUIRE(http_request(server.address(), "DELETE", "/v1/jobs/held-up").status == 204);
    when.erase("enabled");
    server.define("held-up", noop, scheduled(when));
    CHECK(state() == "ACTIVE");
}

TEST_CASE("schedules on the command line: list, show, next, ticks, pause, resume, run, and backfill", "[e2e][schedules][cli]")
{
    const auto& server = open_server();
    server.define("by-hand", noop, scheduled(each_new_year));
    const auto rowlock = [&](std::vector<std::string> words) { return run_rowlock(flags_for(server, std::move(words))); };
    CHECK(rowlock({"schedule", "list"}).code == 0);
    CHECK(rowlock({"schedule", "list", "--format", "json"}).out.find("by-hand") != std::string::npos);
    CHECK(json::parse(rowlock({"schedule", "show", "by-hand", "--format", "json"}).out).at("state") == "ACTIVE");
    CHECK(rowlock({"schedule", "pause", "by-hand", "--reason", "why not"}).out == "by-hand is PAUSED\n");
    CHECK(json::parse(rowlock({"schedule", "show", "by-hand", "--format", "json"}).out).at("pause_reason") == "why not");
    CHECK(rowlock({"schedule", "resume", "by-hand"}).out.find("by-hand is ACTIVE, and fires next at ") == 0);
    const auto made = rowlock({"schedule", "run", "by-hand"});
    CHECK(made.code == 0);
    CHECK(text_at(server.ended(made.out.substr(0, 36)), "/status") == "COMPLETED");
    CHECK(rowlock({"schedule", "ticks", "by-hand"}).code == 0);
    CHECK(rowlock({"schedule", "show", "nobody"}).code == 3);
    CHECK(json::parse(rowlock({"schedule", "next", "by-hand", "--after", "2030-06-01T00:00:00Z", "--count", "1", "--format", "json"}).out).at("fire_times").at(0) == "2030-12-31T23:00:00.000000Z");
    CHECK(rowlock({"schedule", "next", "nobody"}).code == 3);
    CHECK(rowlock({"schedule", "next", "by-hand", "--cron", "@daily"}).code == 2);

    server.define("by-hand", noop, scheduled({{"schedule_type", "CRON"}, {"cron_expression", "0 * * * *"}}));
    const std::vector<std::string> range{"backfill", "by-hand", "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-12T00:00:00Z"};
    auto dry = range;
    dry.emplace_back("--dry-run");
    const auto shown = rowlock(dry);
    CHECK(std::count(shown.out.begin(), shown.out.end(), '\n') == 264);
    CHECK(rowlock(range).out == "264 executions submitted\n");
    CHECK(rowlock(range).out == "0 executions submitted\n");
    CHECK(rowlock({"backfill", "nobody", "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-12T00:00:00Z"}).code == 3);
    CHECK(rowlock({"backfill", "by-hand", "--from", "2026-01-01", "--to", "2026-01-12"}).code == 2);
}
