#include "tests/support/database_rows.hpp"
#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

json::value explained(const server_process& server, const std::string& id)
{
    const auto reply = server.get("/v1/executions/" + id + "/explain");
    INFO(reply.body);
    REQUIRE(reply.status == 200);
    return reply.json();
}

// The first rule is waiting_on, with figures added.
void check_first_rule(const server_process& server, const std::string& id, const json::value& told)
{
    const auto waiting = server.execution(id).at("waiting_on");
    INFO(told);
    REQUIRE(waiting.is_object());
    REQUIRE(!told.at("blocked_by").as_array().empty());
    for (const auto& member : waiting.as_object()) CHECK(told.at_pointer("/blocked_by/0").as_object().at(member.key()) == member.value());
}

}

TEST_CASE("explain names what a waiting execution waits for, with figures", "[e2e][explain]")
{
    auto& server = open_server();
    server.define("explain-later", {{"type", "noop"}});
    const auto later = text_at(server.post("/v1/executions", {{"job_id", "explain-later"}, {"scheduled_time", "2999-01-01T00:00:00Z"}}).json(), "/execution_id");
    auto told = explained(server, later);
    CHECK(told.at("status") == "PENDING");
    CHECK(told.at("next_evaluation") == "2999-01-01T00:00:00.000000Z");
    CHECK(told.at_pointer("/blocked_by/0/rule") == "schedule");
    CHECK(told.at("why").is_null());
    check_first_rule(server, later, told);

    rows_at(open_server_database(), "update lanes set paused = true where job_key = (select job_key from jobs where job_id = 'explain-later')");
    told = explained(server, later);
    REQUIRE(told.at("blocked_by").as_array().size() == 2);
    CHECK(told.at_pointer("/blocked_by/1/rule") == "paused");
    CHECK(told.at("next_evaluation").is_null());
    const auto paused = server.submit("explain-later");
    told = explained(server, paused);
    CHECK(told.at("status") == "QUEUED");
    CHECK(told.at_pointer("/blocked_by/0/rule") == "paused");
    check_first_rule(server, paused, told);
    rows_at(open_server_database(), "update lanes set paused = false");
    CHECK(server.post("/v1/executions/" + later + "/cancel", json::object{}).status == 202);
    CHECK(server.ended(paused).at("status") == "COMPLETED");

    server.define("explain-backoff", {{"type", "fail"}, {"error_code", "X"}}, {{"retry_policy", {{"max_attempts", 3}, {"initial_delay_seconds", 3000}, {"max_delay_seconds", 3600}}}});
    const auto first = server.submit("explain-backoff");
    server.await_status(first, "FAILED");
    told = explained(server, first);
    CHECK(told.at("blocked_by").as_array().empty());
    CHECK(told.at("next_evaluation").is_null());
    CHECK(told.at_pointer("/why/error_code") == "X");
    CHECK(told.at_pointer("/why/error_category") == "TRANSIENT");
    CHECK(told.at_pointer("/why/will_retry") == true);
    CHECK(told.at_pointer("/why/dead_letter").is_null());
    CHECK(told.at_pointer("/why/next_retry_time").is_string());
    const auto next = text_at(told, "/why/next_execution_id");
    told = explained(server, next);
    CHECK(told.at_pointer("/blocked_by/0/rule") == "backoff");
    CHECK(told.at_pointer("/blocked_by/0/max_attempts") == 3);
    CHECK(told.at("next_evaluation") == told.at_pointer("/blocked_by/0/eligible_at"));
    check_first_rule(server, next, told);
    CHECK(server.post("/v1/executions/" + next + "/cancel", json::object{}).status == 202);
    told = explained(server, next);
    CHECK(text_at(told, "/why/detail").find("cancelled") != std::string::npos);
}

TEST_CASE("explain says how an execution ended, and what follows", "[e2e][explain]")
{
    auto& server = open_server();
    server.define("explain-dead", {{"type", "fail"}, {"error_code", "GONE"}, {"error_message", "for good"}}, {{"retry_policy", {{"max_attempts", 1}}}});
    const auto dead = server.submit("explain-dead");
    server.ended(dead);
    auto told = explained(server, dead);
    INFO(told);
    CHECK(told.at("status") == "FAILED");
    CHECK(told.at("blocked_by").as_array().empty());
    CHECK(told.at_pointer("/why/error_code") == "GONE");
    CHECK(told.at_pointer("/why/error_message") == "for good");
    CHECK(told.at_pointer("/why/will_retry") == false);
    CHECK(told.at_pointer("/why/dead_letter/dead_letter_id") == dead.c_str());
    CHECK(told.at_pointer("/why/dead_letter/status") == "OPEN");
    CHECK(text_at(told, "/why/detail").find("dead letters") != std::string::npos);

    server.define("explain-well", {{"type", "noop"}});
    const auto well = server.submit("explain-well");
    server.ended(well);
    told = explained(server, well);
    CHECK(told.at_pointer("/why/error_code").is_null());
    CHECK(told.at_pointer("/why/detail") == "It has completed.");

    server.define("explain-runs", {{"type", "sleep"}, {"seconds", 300}});
    const auto running = server.submit("explain-runs");
    server.await_status(running, "RUNNING");
    told = explained(server, running);
    CHECK(told.at("blocked_by").as_array().empty());
    CHECK(told.at("why").is_null());
    CHECK(server.post("/v1/executions/" + running + "/cancel", json::object{}).status == 202);

    CHECK(server.get("/v1/executions/0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10/explain").status == 404);
    CHECK(server.get("/v1/executions/nonsense/explain").status == 404);
    CHECK(server.get("/v1/executions/" + well + "/explain?colour=red").status == 422);
}

TEST_CASE("explain counts who goes first where there is no free slot", "[e2e][explain]")
{
    const test_database database;
    const server_process server({"serve", "--auth", "none", "--database", database.url(), "--executor-parallelism", "1"});
    server.define("explain-slot", {{"type", "sleep"}, {"seconds", 300}});
    const auto running = server.submit("explain-slot");
    server.await_status(running, "RUNNING");
    std::vector<std::string> queued;
    for (int i = 0; i < 3; ++i) queued.push_back(server.submit("explain-slot"));
    for (std::size_t i = 0; i < queued.size(); ++i) {
        const auto told = explained(server, queued[i]);
        INFO(told);
        CHECK(told.at_pointer("/blocked_by/0/rule") == "capacity");
        CHECK(told.at_pointer("/blocked_by/0/max_running") == 1);
        CHECK(told.at_pointer("/blocked_by/0/in_use") == 1);
        CHECK(told.at_pointer("/blocked_by/0/position") == static_cast<int>(i) + 1);
        check_first_rule(server, queued[i], told);
    }
}
