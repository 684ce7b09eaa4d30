#include "tests/support/server_process.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <set>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

std::vector<std::string> ids_of(const http_reply& reply)
{
    INFO(reply.body);
    REQUIRE(reply.status == 200);
    std::vector<std::string> out;
    const auto body = reply.json();
    for (const auto& one : body.at("items").as_array()) out.push_back(text_at(one, "/execution_id"));
    return out;
}

std::set<std::string> set_of(const http_reply& reply)
{
    const auto ids = ids_of(reply);
    return {ids.begin(), ids.end()};
}

std::string encoded(const std::string& time)
{
    std::string out;
    for (const char c : time) out += c == ':' ? "%3A" : c == '+' ? "%2B" : std::string(1, c);
    return out;
}

}

TEST_CASE("the list of executions is newest first, in pages of which none overlap and none is missing", "[e2e][lists]")
{
    auto& server = open_server();
    server.define("lists-pages", {{"type", "noop"}});
    std::vector<std::string> made;
    for (int i = 0; i < 5; ++i) made.push_back(server.submit("lists-pages"));
    json::array batch(20, json::object{{"job_id", "lists-pages"}});
    const auto more = server.post("/v1/executions/batch", {{"executions", batch}}).json();
    for (const auto& one : more.at("executions").as_array()) made.push_back(text_at(one, "/execution_id"));

    std::vector<std::string> seen;
    std::string cursor;
    do {
        const auto page = server.get("/v1/executions?job_id=lists-pages&limit=4" + (cursor.empty() ? "" : "&cursor=" + cursor));
        const auto ids = ids_of(page);
        CHECK(ids.size() <= 4);
        seen.insert(seen.end(), ids.begin(), ids.end());
        cursor = page.json().at("next_cursor").is_null() ? "" : text_at(page.json(), "/next_cursor");
        // What is submitted meanwhile is newer than the cursor.
        if (seen.size() == 4) server.submit("lists-pages");
    } while (!cursor.empty());
    CHECK(seen.size() == made.size());
    CHECK(std::is_sorted(seen.rbegin(), seen.rend()));
    CHECK(std::set<std::string>(seen.begin(), seen.end()) == std::set<std::string>(made.begin(), made.end()));
    CHECK(server.get("/v1/executions?job_id=lists-pages&limit=1000").json().at("next_cursor").is_null());
}

TEST_CASE("each filter of the list finds its own and nothing else", "[e2e][lists]")
{
    auto& server = open_server();
    server.define("lists-good", {{"type", "noop"}});
    server.define("lists-bad", {{"type", "fail"}, {"error_code", "X"}, {"times", 1}}, {{"retry_policy", {{"max_attempts", 2}, {"initial_delay_seconds", 0}}}});
    server.define("lists-later", {{"type", "noop"}});
    const auto post = [&](const json::object& body) { return text_at(server.post("/v1/executions", body).json(), "/execution_id"); };
    const auto good = post({{"job_id", "lists-good"}, {"correlation_id", "lists-c"}, {"tags", {{"colour", "red"}, {"size", "a:b"}}}});
    const auto blue = post({{"job_id", "lists-good"}, {"tags", {{"colour", "blue"}, {"size", "a:b"}}}});
    const auto bad = post({{"job_id", "lists-bad"}, {"correlation_id", "lists-c"}});
    const auto later = post({{"job_id", "lists-later"}, {"scheduled_time", "2999-01-01T00:00:00Z"}});
    server.ended(good);
    server.ended(blue);
    const auto second = text_at(server.ended(bad), "/execution_id");
    REQUIRE(second != bad);

    using ids = std::set<std::string>;
    CHECK(set_of(server.get("/v1/executions?job_id=lists-good")) == ids{good, blue});
    CHECK(set_of(server.get("/v1/executions?job_id=lists-bad&status=FAILED")) == ids{bad});
    CHECK(set_of(server.get("/v1/executions?job_id=lists-bad&status=FAILED&status=COMPLETED")) == ids{bad, second});
    CHECK(set_of(server.get("/v1/executions?job_id=lists-bad&trigger_type=RETRY")) == ids{second});
    CHECK(set_of(server.get("/v1/executions?job_id=lists-bad&trigger_type=MANUAL")) == ids{bad});
    CHECK(set_of(server.get("/v1/executions?run_id=" + bad)) == ids{bad, second});
    CHECK(set_of(server.get("/v1/executions?run_id=" + second)).empty());
    CHECK(set_of(server.get("/v1/executions?job_id=lists-good&correlation_id=lists-c")) == ids{good});
    CHECK(set_of(server.get("/v1/executions?correlation_id=lists-c")) == ids{good, bad, second});
    CHECK(set_of(server.get("/v1/executions?tag=colour:red&job_id=lists-good")) == ids{good});
    CHECK(set_of(server.get("/v1/executions?tag=size:a:b&job_id=lists-good")) == ids{good, blue});
    CHECK(set_of(server.get("/v1/executions?tag=size%3Aa%3Ab&tag=colour:blue&job_id=lists-good")) == ids{blue});
    CHECK(set_of(server.get("/v1/executions?job_id=lists-later&status=PENDING")) == ids{later});
    CHECK(set_of(server.get("/v1/executions?job_id=lists-later&status=QUEUED")).empty());
    CHECK(set_of(server.get("/v1/executions?job_id=lists-good&status=QUEUED&status=RUNNING")).empty());

    const auto at = encoded(text_at(server.execution(blue), "/submitted_time"));
    CHECK(set_of(server.get("/v1/executions?job_id=lists-good&until=" + at)).count(blue) == 0);
    CHECK(set_of(server.get("/v1/executions?job_id=lists-good&since=" + at)).count(blue) == 1);
    CHECK(set_of(server.get("/v1/executions?job_id=lists-good&since=2999-01-01T00%3A00%3A00Z")).empty());
    CHECK(set_of(server.get("/v1/executions?job_id=lists-good&since=2000-01-01T00%3A00%3A00%2B02%3A00&until=2999-01-01T00%3A00%3A00Z")) == ids{good, blue});
    CHECK(server.post("/v1/executions/" + later + "/cancel", json::object{}).status == 202);
}

TEST_CASE("a run shows its attempts, oldest first, and the status of the last", "[e2e][lists]")
{
    auto& server = open_server();
    server.define("lists-run", {{"type", "fail"}, {"error_code", "X"}, {"times", 2}}, {{"retry_policy", {{"max_attempts", 5}, {"initial_delay_seconds", 0}}}});
    const auto first = server.submit("lists-run");
    CHECK(server.ended(first).at("attempt_number") == 3);
    const auto run = server.get("/v1/runs/" + first);
    REQUIRE(run.status == 200);
    const auto body = run.json();
    CHECK(text_at(body, "/run_id") == first);
    CHECK(body.at("status") == "COMPLETED");
    const auto& attempts = body.at("attempts").as_array();
    REQUIRE(attempts.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(attempts[i].at("attempt_number") == i + 1);
        CHECK(text_at(attempts[i], "/run_id") == first);
        CHECK(attempts[i].at("status") == (i < 2 ? "FAILED" : "COMPLETED"));
        if (i > 0) CHECK(attempts[i].at("parent_execution_id").is_string());
    }
    CHECK(server.get("/v1/runs/" + text_at(attempts[1], "/execution_id")).status == 404);
}

TEST_CASE("the transitions of an execution are its whole story, oldest first", "[e2e][lists]")
{
    auto& server = open_server();
    server.define("lists-story", {{"type", "noop"}});
    const auto id = server.submit("lists-story");
    server.ended(id);
    const auto reply = server.get("/v1/executions/" + id + "/transitions");
    REQUIRE(reply.status == 200);
    const auto body = reply.json();
    CHECK(body.as_object().contains("next_cursor"));
    const auto& items = body.at("items").as_array();
    std::vector<std::string> states;
    std::string before;
    for (const auto& one : items) {
        for (const char* member : {"at", "from_status", "to_status", "actor", "fence", "reason"}) CHECK(one.as_object().contains(member));
        states.push_back(text_at(one, "/to_status"));
        CHECK(before <= text_at(one, "/at"));
        before = text_at(one, "/at");
    }
    CHECK(states == std::vector<std::string>{"QUEUED", "RUNNING", "COMPLETING", "COMPLETED"});
    CHECK(items[0].at("from_status").is_null());
    CHECK(items[1].at("fence").is_number());
    CHECK(items[3].at("from_status") == "COMPLETING");
}
