#include "tests/support/database_rows.hpp"
#include "tests/support/job_runs.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

const json::object noop{{"type", "noop"}};

// Windows of an hour that lie so many hours after this one.
json::array hour_from_now(int hours)
{
    const int now = std::stoi(rows_at(open_server_database(), "select extract(hour from clock() at time zone 'UTC')::int")[0][0].c_str());
    const auto clock = [](int hour) { return fmt::format("{:02}:00", hour % 24); };
    return {json::object{{"start", clock(now + hours)}, {"end", clock(now + hours + 1)}}};
}

}

TEST_CASE("an execution outside the windows of its job waits, and explain says until when; inside it runs", "[e2e][windows]")
{
    const auto& server = open_server();
    server.define("later", noop, {{"execution_windows", hour_from_now(3)}});
    const auto id = server.submit("later");
    CHECK(server.status_of(id) == "QUEUED");
    const auto why = explain(server, id).json();
    CHECK(text_at(why, "/blocked_by/0/rule") == "window");
    CHECK_FALSE(text_at(why, "/next_evaluation").empty());
    CHECK(text_at(why, "/next_evaluation") == text_at(why, "/blocked_by/0/opens_at"));
    // Without windows it goes on.
    server.define("later", noop);
    CHECK(text_at(server.ended(id), "/status") == "COMPLETED");
    server.define("sooner", noop, {{"execution_windows", json::array{hour_from_now(0).front(), hour_from_now(1).front()}}});
    CHECK(text_at(server.run("sooner"), "/status") == "COMPLETED");
}

TEST_CASE("what is submitted outside the windows of a job that skips is SKIPPED with its answer, and so is what depends on it and says so", "[e2e][windows][dependencies]")
{
    const auto& server = open_server();
    server.define("closed", noop, {{"execution_windows", hour_from_now(3)}, {"skip_outside_window", true}});
    server.define("goes-along", noop, depending({on("closed", {{"skip_on_upstream_skip", true}, {"dependency_type", "COMPLETION"}})}));
    const auto reply = server.post("/v1/executions?wait_seconds=30", json::object{{"job_id", "closed"}});
    CHECK(reply.status == 201);
    CHECK(text_at(reply.json(), "/status") == "SKIPPED");
    CHECK(text_at(reply.json(), "/result/status") == "SKIPPED");
    const auto plain = server.post("/v1/executions", json::object{{"job_id", "closed"}});
    CHECK(text_at(plain.json(), "/status") == "SKIPPED");
    eventually("what depends on them is skipped too", [&] { return count_of(server, "goes-along") == 2; });
    for (const auto& one : runs_of(server, "goes-along")) CHECK(text_at(one, "/status") == "SKIPPED");
}
