#include "tests/support/database_rows.hpp"
#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>

using namespace rowlock::test;
namespace json = boost::json;

TEST_CASE("an open breaker keeps executions waiting, says so, and lets them go when it is reset", "[e2e][breakers]")
{
    auto& server = open_server();
    server.define("broken-job", {{"type", "process"}, {"command", json::array{"/bin/sh", "-c", "grep -q good && exit 0; exit 1"}}},
                  {{"retry_policy", {{"max_attempts", 1}}}, {"circuit_breaker", {{"failure_threshold", 2}, {"window_seconds", 600}, {"open_seconds", 3600}, {"half_open_max", 3}}}});
    auto shown = server.get("/v1/breakers/broken-job");
    INFO(shown.body);
    REQUIRE(shown.status == 200);
    CHECK(shown.json().at("state") == "CLOSED");
    CHECK(shown.json().at("opened_at").is_null());
    server.run("broken-job");
    CHECK(server.get("/v1/breakers/broken-job").json().at("failures") == 1);
    server.run("broken-job");
    const auto open = server.get("/v1/breakers/broken-job").json();
    INFO(open);
    CHECK(open.at("key") == "broken-job");
    CHECK(open.at("state") == "OPEN");
    CHECK(open.at("failures") == 2);
    CHECK(open.at("failure_threshold") == 2);
    CHECK(open.at("open_seconds").to_number<double>() == 3600.0);
    CHECK(open.at("half_open_max") == 3);
    CHECK(open.at("jobs") == json::array{"broken-job"});
    CHECK(text_at(open, "/opened_at") < text_at(open, "/next_probe_at"));

    const auto waiting = server.submit("broken-job", {{"now", "good"}});
    CHECK(server.status_of(waiting) == "QUEUED");
    CHECK(server.execution(waiting).at_pointer("/waiting_on/rule") == "breaker");
    const auto told = server.get("/v1/executions/" + waiting + "/explain").json();
    INFO(told);
    CHECK(told.at_pointer("/blocked_by/0/rule") == "breaker");
    CHECK(told.at_pointer("/blocked_by/0/state") == "OPEN");
    CHECK(told.at_pointer("/blocked_by/0/max_running") == 3);
    CHECK(told.at_pointer("/blocked_by/0/in_use") == 0);
    CHECK(told.at("next_evaluation") == open.at("next_probe_at"));

    const auto reset = server.post("/v1/breakers/broken-job/reset", json::object{});
    INFO(reset.body);
    REQUIRE(reset.status == 200);
    CHECK(reset.json().at("state") == "CLOSED");
    CHECK(reset.json().at("failures") == 0);
    CHECK(server.ended(waiting).at("status") == "COMPLETED");
    // One that is closed may be reset too.
    CHECK(server.post("/v1/breakers/broken-job/reset", json::object{}).status == 200);
    CHECK(violations_at(open_server_database()) == std::vector<std::string>{});
}

TEST_CASE("jobs with the same target share a breaker, whose key is host:port", "[e2e][breakers]")
{
    auto& server = open_server();
    for (const char* job : {"target-a", "target-b"}) {
        server.define(job, {{"type", "http"}, {"url", "http://127.0.0.1:1/x"}},
                      {{"retry_policy", {{"max_attempts", 1}}}, {"circuit_breaker", {{"failure_threshold", 2}, {"open_seconds", 3600}, {"scope", "TARGET"}}}});
    }
    server.run("target-a");
    server.run("target-b");
    for (const char* path : {"/v1/breakers/127.0.0.1:1", "/v1/breakers/127.0.0.1%3A1"}) {
        const auto open = server.get(path);
        INFO(open.body);
        REQUIRE(open.status == 200);
        CHECK(open.json().at("key") == "127.0.0.1:1");
        CHECK(open.json().at("state") == "OPEN");
        CHECK(open.json().at("jobs") == json::array{"target-a", "target-b"});
    }
    const auto waiting = server.submit("target-b");
    CHECK(server.execution(waiting).at_pointer("/waiting_on/key") == "127.0.0.1:1");
    CHECK(server.post("/v1/breakers/127.0.0.1:1/reset", json::object{}).json().at("state") == "CLOSED");
    CHECK(server.ended(waiting).at("status") == "FAILED");
}

TEST_CASE("breakers are listed by key, in pages; unknown ones are 404", "[e2e][breakers]")
{
    auto& server = open_server();
    for (const char* job : {"listed-c", "listed-a", "listed-b"}) server.define(job, {{"type", "noop"}}, {{"circuit_breaker", {{"failure_threshold", 3}}}});
    std::vector<std::string> keys;
    std::string cursor;
    do {
        const auto page = server.get("/v1/breakers?limit=2" + (cursor.empty() ? "" : "&cursor=" + cursor)).json();
        for (const auto& item : page.at("items").as_array()) {
            const auto key = text_at(item, "/key");
            if (key.rfind("listed-", 0) == 0) keys.push_back(key);
        }
        cursor = page.at("next_cursor").is_null() ? "" : text_at(page, "/next_cursor");
    } while (!cursor.empty());
    CHECK(keys == std::vector<std::string>{"listed-a", "listed-b", "listed-c"});
    CHECK(server.get("/v1/breakers?limit=0").status == 422);
    CHECK(server.get("/v1/breakers?state=OPEN").status == 422);
    for (const char* key : {"nobody", "No%20Slug", "%ff"}) {
        INFO(key);
        CHECK(server.get(std::string("/v1/breakers/") + key).status == 404);
        CHECK(server.post(std::string("/v1/breakers/") + key + "/reset", json::object{}).status == 404);
    }
}
