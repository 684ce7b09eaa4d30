#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <regex>
#include <set>

using namespace rowlock::test;
namespace json = boost::json;

TEST_CASE("a submission is answered 201 with its place, and runs", "[e2e][submit]")
{
    auto& server = open_server();
    server.define("submit-one", {{"type", "noop"}}, {{"parameters", {{"a", 1}, {"b", {{"c", 1}}}}}});
    const auto reply = server.post("/v1/executions", {{"job_id", "submit-one"}, {"parameters", {{"b", {{"d", 2}}}, {"e", 3}}}, {"priority", 7},
                                                      {"correlation_id", "c-1"}, {"tags", {{"team", "x"}}}, {"scheduled_time", nullptr}, {"idempotency_key", nullptr},
                                                      {"job_version", nullptr}});
    INFO(reply.body);
    REQUIRE(reply.status == 201);
    const auto body = reply.json();
    const auto id = text_at(body, "/execution_id");
    CHECK(std::regex_match(id, std::regex("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")));
    CHECK(text_at(body, "/run_id") == id);
    CHECK(body.at("job_id") == "submit-one");
    CHECK(body.at("job_version") == 1);
    CHECK(body.at("replayed") == false);
    CHECK(std::set<std::string>{"QUEUED", "RUNNING", "PENDING"}.count(text_at(body, "/status")) == 1);
    CHECK(reply.field("Location") == "/v1/executions/" + id);

    const auto end = server.ended(id);
    CHECK(end.at("status") == "COMPLETED");
    // Defaults are merged at the top level only.
    CHECK(end.at("parameters") == json::value({{"a", 1}, {"b", {{"d", 2}}}, {"e", 3}}));
    CHECK(end.at("priority") == 7);
    CHECK(end.at("correlation_id") == "c-1");
    CHECK(end.at("tags") == json::value({{"team", "x"}}));
    CHECK(end.at("tenant_id") == "default");
    CHECK(end.at("trigger_type") == "MANUAL");
    CHECK(end.at("attempt_number") == 1);
    CHECK(end.at_pointer("/result/status") == "SUCCESS");
    for (const char* member : {"parent_execution_id", "fingerprint", "checkpoint", "trigger_id", "fence", "instance_id", "replay_of", "waiting_on"}) CHECK(end.as_object().contains(member));
    for (const char* member : {"exit_code", "error_code", "error_message", "records_processed", "records_failed", "duration_seconds", "metrics", "outputs"}) {
        CHECK(end.at("result").as_object().contains(member));
    }
    const std::regex time("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{6}Z");
    for (const char* member : {"queued_time", "started_time", "completed_time"}) {
        INFO(member);
        CHECK(std::regex_match(text_at(end, std::string("/") + member), time));
    }
    CHECK(text_at(end, "/queued_time") <= text_at(end, "/started_time"));
    CHECK(text_at(end, "/started_time") <= text_at(end, "/completed_time"));
}

TEST_CASE("a fingerprint is the same for the same version and parameters, and another for others", "[e2e][submit]")
{
    auto& server = open_server();
    server.define("submit-print", {{"type", "noop"}}, {{"parameters", {{"a", 1}}}});
    const auto print = [&](const json::object& parameters) { return text_at(server.execution(server.submit("submit-print", parameters)), "/fingerprint"); };
    const auto first = print({{"b", 2}});
    CHECK(print({{"a", 1}, {"b", 2}}) == first);
    CHECK(print({{"b", 2}, {"a", 1}}) == first);
    CHECK(print({{"b", 3}}) != first);
    server.define("submit-print", {{"type", "noop"}}, {{"parameters", {{"a", 1}}}, {"name", "changed"}});
    CHECK(print({{"b", 2}}) != first);
}

TEST_CASE("with wait_seconds the reply is the whole execution, ended", "[e2e][submit]")
{
    auto& server = open_server();
    server.define("submit-wait", {{"type", "sleep"}, {"seconds", 0.2}});
    const auto reply = server.post("/v1/executions?wait_seconds=30", {{"job_id", "submit-wait"}});
    REQUIRE(reply.status == 201);
    CHECK(reply.json().at("status") == "COMPLETED");
    CHECK(reply.json().at_pointer("/result/status") == "SUCCESS");
    CHECK(reply.json().at_pointer("/result/duration_seconds").to_number<double>() >= 0.2);

    server.define("submit-wait-long", {{"type", "sleep"}, {"seconds", 60}});
    const auto unfinished = server.post("/v1/executions?wait_seconds=0.1", {{"job_id", "submit-wait-long"}});
    INFO(unfinished.body);
    REQUIRE(unfinished.status == 201);
    CHECK(unfinished.json().at("result").is_null());
    CHECK(server.post("/v1/executions/" + text_at(unfinished.json(), "/execution_id") + "/cancel", json::object{}).status == 202);
    const auto at_once = server.post("/v1/executions?wait_seconds=0", {{"job_id", "submit-wait"}});
    CHECK(at_once.status == 201);
}

TEST_CASE("a wait ends with the run, over its retries, or when its time is up", "[e2e][submit]")
{
    auto& server = open_server();
    server.define("submit-wait-run", {{"type", "fail"}, {"error_code", "ONCE"}, {"times", 1}}, {{"retry_policy", {{"max_attempts", 2}, {"initial_delay_seconds", 0.3}}}});
    const auto end = server.post("/v1/executions?wait_seconds=30", {{"job_id", "submit-wait-run"}});
    REQUIRE(end.status == 201);
    CHECK(end.json().at("status") == "COMPLETED");
    CHECK(end.json().at("attempt_number") == 2);
    const auto first = text_at(end.json(), "/run_id");
    CHECK(server.get("/v1/executions/" + first + "/wait").json().at("attempt_number") == 2);
    CHECK(server.get("/v1/executions/" + first + "/wait?timeout_seconds=0").json().at("status") == "COMPLETED");

    server.define("submit-wait-later", {{"type", "noop"}});
    const auto later = server.post("/v1/executions", {{"job_id", "submit-wait-later"}, {"scheduled_time", "2999-01-01T00:00:00Z"}});
    REQUIRE(later.status == 201);
    CHECK(later.json().at("status") == "PENDING");
    const auto id = text_at(later.json(), "/execution_id");
    const auto waited = server.get("/v1/executions/" + id + "/wait?timeout_seconds=0.05");
    CHECK(waited.status == 200);
    CHECK(waited.json().at("status") == "PENDING");
    CHECK(waited.json().at("waiting_on").is_object());
    CHECK(server.get("/v1/executions/" + id + "/wait?timeout_seconds=-1").status == 422);
    CHECK(server.get("/v1/executions/" + id + "/wait?timeout_seconds=x").status == 422);
}

TEST_CASE("a batch answers in the order given, and is stored whole", "[e2e][submit]")
{
    auto& server = open_server();
    server.define("submit-batch-a", {{"type", "noop"}});
    server.define("submit-batch-b", {{"type", "noop"}});
    json::array list;
    for (int i = 0; i < 300; ++i) list.push_back({{"job_id", i % 3 == 0 ? "submit-batch-b" : "submit-batch-a"}, {"parameters", {{"i", i}}}, {"priority", i % 5}});
    const auto reply = server.post("/v1/executions/batch", {{"executions", list}});
    REQUIRE(reply.status == 201);
    const auto body = reply.json();
    const auto& items = body.at("executions").as_array();
    REQUIRE(items.size() == 300);
    std::set<std::string> ids;
    for (std::size_t i = 0; i < items.size(); ++i) {
        ids.insert(text_at(items[i], "/execution_id"));
        CHECK(items[i].at("job_id") == (i % 3 == 0 ? "submit-batch-b" : "submit-batch-a"));
        CHECK(items[i].at("replayed") == false);
    }
    CHECK(ids.size() == 300);
    for (const std::size_t i : {0U, 1U, 17U, 299U}) CHECK(server.ended(text_at(items[i], "/execution_id")).at_pointer("/parameters/i") == i);
    for (const auto& id : ids) server.await_status(id, "COMPLETED");
}

TEST_CASE("a batch with a bad one is refused whole, and each bad one is named by its place", "[e2e][submit]")
{
    auto& server = open_server();
    server.define("submit-all-or-none", {{"type", "noop"}});
    json::array list(20, json::object{{"job_id", "submit-all-or-none"}});
    list[3] = {{"job_id", "submit-all-or-none"}, {"priority", 5000}};
    list[17] = {{"job_id", "submit-nobody"}};
    list[19] = 7;
    const auto reply = server.post("/v1/executions/batch", {{"executions", list}});
    INFO(reply.body);
    REQUIRE(reply.status == 422);
    std::set<std::string> fields;
    const auto problem = reply.json();
    for (const auto& one : problem.at("errors").as_array()) fields.insert(text_at(one, "/field"));
    CHECK(fields == std::set<std::string>{"executions[3].priority", "executions[17].job_id", "executions[19]"});
    CHECK(server.get("/v1/executions?job_id=submit-all-or-none").json().at("items").as_array().empty());

    server.define("submit-off", {{"type", "noop"}}, {{"enabled", false}});
    json::array with_disabled{json::object{{"job_id", "submit-all-or-none"}}, json::object{{"job_id", "submit-off"}}};
    CHECK(server.post("/v1/executions/batch", {{"executions", with_disabled}}).status == 409);
    CHECK(server.get("/v1/executions?job_id=submit-all-or-none").json().at("items").as_array().empty());
}

TEST_CASE("a batch has 1 to 10000 executions", "[e2e][submit]")
{
    auto& server = open_server();
    server.define("submit-many", {{"type", "noop"}});
    const auto field = [](const http_reply& reply) {
        INFO(reply.body.substr(0, 500));
        REQUIRE(reply.status == 422);
        return text_at(reply.json(), "/errors/0/field");
    };
    CHECK(field(server.post("/v1/executions/batch", json::object{})) == "executions");
    CHECK(field(server.post("/v1/executions/batch", {{"executions", json::array{}}})) == "executions");
    CHECK(field(server.post("/v1/executions/batch", {{"executions", 1}})) == "executions");
    CHECK(field(server.post("/v1/executions/batch", {{"executions", json::array(10'001, json::object{{"job_id", "submit-many"}})}})) == "executions");
    const auto most = server.post("/v1/executions/batch", {{"executions", json::array(10'000, json::object{{"job_id", "submit-many"}})}});
    REQUIRE(most.status == 201);
    CHECK(most.json().at("executions").as_array().size() == 10'000);
    server.await_status(text_at(most.json(), "/executions/9999/execution_id"), "COMPLETED");
}

TEST_CASE("higher priority goes first where executions wait for a slot", "[e2e][submit]")
{
    const test_database database;
    server_process server({"serve", "--auth", "none", "--database", database.url(), "--executor-parallelism", "1"}, {{"ROWLOCK_PRIORITY_AGE_SECONDS", "3600"}});
    server.define("gate", {{"type", "sleep"}, {"seconds", 300}});
    server.define("ranked", {{"type", "noop"}});
    const auto gate = server.submit("gate");
    server.await_status(gate, "RUNNING");
    std::vector<std::string> ids;
    for (const int priority : {0, -5, 10, 3}) {
        ids.push_back(text_at(server.post("/v1/executions", {{"job_id", "ranked"}, {"priority", priority}}).json(), "/execution_id"));
    }
    CHECK(server.status_of(ids[0]) == "QUEUED");
    CHECK(server.post("/v1/executions/" + gate + "/cancel", json::object{}).status == 202);
    std::vector<std::string> started;
    for (const auto& id : ids) started.push_back(text_at(server.ended(id), "/started_time"));
    // Those that one claim takes together start at the same moment.
    CHECK(started[2] <= started[3]);
    CHECK(started[3] <= started[0]);
    CHECK(started[0] <= started[1]);
    CHECK(server.terminate() == 0);
}

TEST_CASE("traceparent is kept with the execution, and every reply has a request id", "[e2e][submit]")
{
    auto& server = open_server();
    server.define("submit-trace", {{"type", "noop"}});
    const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const auto reply = server.post("/v1/executions", {{"job_id", "submit-trace"}}, {{"traceparent", trace}});
    REQUIRE(reply.status == 201);
    CHECK_FALSE(reply.field("X-Request-Id").empty());
    CHECK(server.post("/v1/executions", {{"job_id", "submit-trace"}}, {{"traceparent", "nonsense"}}).status == 201);
    CHECK(json::serialize(server.execution(text_at(reply.json(), "/execution_id"))).find("4bf92f3577b34da6a3ce929d0e0e4736") != std::string::npos);
}
