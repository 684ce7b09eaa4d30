#include "tests/support/database_rows.hpp"
#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <thread>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

const json::object once{{"retry_policy", {{"max_attempts", 1}}}};

json::object failing(int times) { return {{"type", "fail"}, {"error_code", "BROKEN"}, {"times", times}}; }

std::string path(const std::string& id, const char* action) { return "/v1/executions/" + id + "/" + action; }

}

TEST_CASE("a run that has failed is tried again by hand, as its next attempt", "[e2e][retry]")
{
    auto& server = open_server();
    server.define("again", failing(1), once);
    const auto id = server.submit("again", {{"n", 7}});
    CHECK(server.ended(id).at("status") == "FAILED");
    const auto reply = server.post(path(id, "retry"), json::object{});
    INFO(reply.body);
    REQUIRE(reply.status == 201);
    const auto next = reply.json();
    CHECK(reply.field("Location") == "/v1/executions/" + text_at(next, "/execution_id"));
    CHECK(text_at(next, "/execution_id") != id);
    CHECK(text_at(next, "/run_id") == id);
    CHECK(next.at("attempt_number") == 2);
    CHECK(next.at("trigger_type") == "RETRY");
    CHECK(text_at(next, "/parent_execution_id") == id);
    CHECK(next.at_pointer("/parameters/n") == 7);
    const auto end = server.ended(id);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at("execution_id") == next.at("execution_id"));
    const auto run = server.get("/v1/runs/" + id).json();
    CHECK(run.at("attempts").as_array().size() == 2);
    const auto why = server.get(path(id, "explain")).json();
    CHECK(why.at_pointer("/why/next_execution_id") == next.at("execution_id"));
    CHECK(why.at_pointer("/why/will_retry") == true);
    CHECK(violations_at(open_server_database()) == std::vector<std::string>{});
}

TEST_CASE("what was cancelled can be retried; what runs, waits or has completed cannot, and is told why", "[e2e][retry]")
{
    auto& server = open_server();
    server.define("again-sleep", {{"type", "sleep"}, {"seconds", 300}}, once);
    server.define("again-done", {{"type", "noop"}});
    const auto refused = [&](const std::string& id, const char* word) {
        const auto reply = server.post(path(id, "retry"), json::object{});
        INFO(reply.body);
        CHECK(reply.status == 409);
        CHECK(reply.json().at("code") == "NOT_RETRYABLE");
        CHECK(text_at(reply.json(), "/detail").find(word) != std::string::npos);
    };
    const auto id = server.submit("again-sleep");
    server.await_status(id, "RUNNING");
    refused(id, "RUNNING");
    CHECK(server.post(path(id, "cancel"), json::object{}).status == 202);
    server.await_status(id, "CANCELLED");
    const auto retried = server.post(path(id, "retry"), json::object{});
    REQUIRE(retried.status == 201);
    const auto next = text_at(retried.json(), "/execution_id");
    refused(id, next.c_str());
    server.await_status(next, "RUNNING");
    CHECK(server.post(path(next, "cancel"), json::object{}).status == 202);
    server.await_status(next, "CANCELLED");

    const auto done = server.submit("again-done");
    server.ended(done);
    refused(done, "COMPLETED");
    refused(done, "replay");

    CHECK(server.post(path("0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10", "retry"), json::object{}).status == 404);
    CHECK(server.post(path("nonsense", "retry"), json::object{}).status == 404);
    CHECK(server.post(path(id, "retry?colour=red"), json::object{}).status == 422);
    CHECK(server.get(path(id, "retry")).status == 405);
}

TEST_CASE("of many who retry the same run at once exactly one makes the next attempt", "[e2e][retry]")
{
    auto& server = open_server();
    server.define("again-raced", failing(1), once);
    for (int round = 0; round < 5; ++round) {
        const auto id = server.submit("again-raced");
        server.ended(id);
        std::array<int, 6> statuses{};
        {
            std::vector<std::thread> clients;
            for (std::size_t i = 0; i < statuses.size(); ++i) {
                clients.emplace_back([&, i] { statuses[i] = server.post((i % 2 == 0 ? "/v1/dead-letters/" : "/v1/executions/") + id + "/retry", json::object{}).status; });
            }
            for (auto& client : clients) client.join();
        }
        CHECK(std::count(statuses.begin(), statuses.end(), 201) == 1);
        CHECK(std::count(statuses.begin(), statuses.end(), 409) == 5);
        server.ended(id);
        CHECK(server.get("/v1/runs/" + id).json().at("attempts").as_array().size() == 2);
    }
    CHECK(violations_at(open_server_database()) == std::vector<std::string>{});
}

TEST_CASE("a replay is a new run that names its original, with its version and its parameters", "[e2e][replay]")
{
    auto& server = open_server();
    server.define("replayed", {{"type", "noop"}}, {{"parameters", {{"a", 1}, {"b", {{"deep", true}}}}}});
    const auto submitted = server.post("/v1/executions", {{"job_id", "replayed"}, {"parameters", {{"n", 1}}}, {"priority", 5}, {"correlation_id", "c"}, {"tags", {{"k", "v"}}}});
    REQUIRE(submitted.status == 201);
    const auto id = text_at(submitted.json(), "/execution_id");
    const auto original = server.ended(id);
    server.define("replayed", {{"type", "sleep"}, {"seconds", 0.001}});

    const auto reply = server.post(path(id, "replay"), {{"parameters", {{"n", 2}, {"b", nullptr}}}});
    INFO(reply.body);
    REQUIRE(reply.status == 201);
    const auto made = reply.json();
    CHECK(reply.field("Location") == "/v1/executions/" + text_at(made, "/execution_id"));
    CHECK(text_at(made, "/replay_of") == id);
    CHECK(made.at("trigger_type") == "REPLAY");
    CHECK(made.at("run_id") == made.at("execution_id"));
    CHECK(text_at(made, "/run_id") != id);
    CHECK(made.at("attempt_number") == 1);
    CHECK(made.at("job_version") == original.at("job_version"));
    CHECK(made.at("parameters") == json::value{{"a", 1}, {"b", nullptr}, {"n", 2}});
    CHECK(made.at("priority") == 5);
    CHECK(made.at("correlation_id") == "c");
    CHECK(made.at("tags") == original.at("tags"));
    CHECK(made.at("fingerprint") != original.at("fingerprint"));
    CHECK(server.ended(text_at(made, "/execution_id")).at("status") == "COMPLETED");

    // Without a body, as curl -X POST does it: equal inputs have equal fingerprints.
    const auto same = http_request(server.address(), "POST", path(id, "replay"));
    REQUIRE(same.status == 201);
    CHECK(same.json().at("fingerprint") == original.at("fingerprint"));
    CHECK(server.execution(id) == original);
}

TEST_CASE("what has not ended can be replayed too, what is disabled or unknown cannot", "[e2e][replay]")
{
    auto& server = open_server();
    server.define("replayed-live", {{"type", "noop"}});
    const auto waiting = server.post("/v1/executions", {{"job_id", "replayed-live"}, {"scheduled_time", "2999-01-01T00:00:00Z"}});
    const auto id = text_at(waiting.json(), "/execution_id");
    const auto made = server.post(path(id, "replay"), json::object{});
    REQUIRE(made.status == 201);
    CHECK(server.ended(text_at(made.json(), "/execution_id")).at("status") == "COMPLETED");
    CHECK(server.status_of(id) == "PENDING");

    const http_fields key{{"Idempotency-Key", "replay-key"}};
    const auto first = server.post(path(id, "replay"), {{"parameters", {{"x", 1}}}}, key);
    REQUIRE(first.status == 201);
    server.ended(text_at(first.json(), "/execution_id"));
    REQUIRE(server.post("/v1/jobs/replayed-live/disable", json::object{}).status == 200);
    const auto again = server.post(path(id, "replay"), {{"parameters", {{"x", 1.0}}}}, key);
    CHECK(again.status == 200);
    CHECK(again.json().at("execution_id") == first.json().at("execution_id"));
    const auto disabled = server.post(path(id, "replay"), json::object{});
    CHECK(disabled.status == 409);
    CHECK(disabled.json().at("code") == "JOB_DISABLED");
    REQUIRE(server.post("/v1/jobs/replayed-live/enable", json::object{}).status == 200);
    CHECK(server.post(path(id, "replay"), {{"parameters", {{"x", 1}}}}, key).status == 200);
    const auto other = server.post(path(id, "replay"), {{"parameters", {{"x", 2}}}}, key);
    CHECK(other.status == 409);
    CHECK(other.json().at("code") == "IDEMPOTENCY_KEY_REUSED");

    CHECK(server.post(path("0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10", "replay"), json::object{}).status == 404);
    CHECK(server.post(path(id, "replay"), {{"parameters", 7}}).status == 422);
    CHECK(server.post(path(id, "replay"), {{"colour", "red"}}).status == 422);
    CHECK(server.post(path(id, "replay"), {{"parameters", {{"x", std::string("\0", 1)}}}}).status == 422);
    CHECK(server.post(path(id, "replay"), json::object{}, {{"Idempotency-Key", "not visible"}}).status == 422);
    CHECK(http_request(server.address(), "POST", path(id, "replay"), "{").status == 400);
    CHECK(server.post(path(id, "cancel"), json::object{}).status == 202);
}
