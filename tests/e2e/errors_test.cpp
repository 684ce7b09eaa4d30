#include "tests/support/database_rows.hpp"
#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

const json::object once{{"retry_policy", {{"max_attempts", 1}}}};
constexpr const char* unknown = "0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10";

http_reply remove(const server_process& server, const std::string& target) { return http_request(server.address(), "DELETE", target); }

json::array items(const server_process& server, const std::string& query)
{
    const auto reply = server.get("/v1/errors?" + query);
    INFO(reply.body);
    REQUIRE(reply.status == 200);
    return reply.json().at("items").as_array();
}

}

TEST_CASE("each failed attempt is in execution_errors, with what follows and what to do", "[e2e][errors]")
{
    auto& server = open_server();
    server.define("errs", {{"type", "process"}, {"command", json::array{"/bin/sh", "-c", "exit 3"}}}, {{"retry_policy", {{"max_attempts", 2}, {"initial_delay_seconds", 0}}}});
    const auto posted = server.post("/v1/executions", {{"job_id", "errs"}, {"correlation_id", "order-7"}});
    const auto id = text_at(posted.json(), "/execution_id");
    const auto last = text_at(server.ended(id), "/execution_id");
    const auto list = items(server, "job_id=errs&queue=execution_errors");
    REQUIRE(list.size() == 2);
    CHECK(text_at(list[0], "/error_id") == last);
    CHECK(text_at(list[1], "/error_id") == id);
    for (const auto& item : list) {
        INFO(item);
        for (const char* member : {"error_id", "queue", "execution_id", "run_id", "job_id", "error_category", "error_code", "error_message", "attempt_number", "will_retry",
                                   "next_retry_time", "stack_trace", "context", "hint", "created_time"}) {
            INFO(member);
            CHECK(item.as_object().contains(member));
        }
        CHECK(item.at("queue") == "execution_errors");
        CHECK(item.at("error_code") == "EXIT_3");
        CHECK(item.at("error_category") == "TRANSIENT");
        CHECK(text_at(item, "/hint").find("log") != std::string::npos);
        CHECK(item.at_pointer("/context/correlation_id") == "order-7");
    }
    CHECK(list[1].at("attempt_number") == 1);
    CHECK(list[1].at("will_retry") == true);
    CHECK(list[1].at("next_retry_time").is_string());
    CHECK(list[0].at("attempt_number") == 2);
    CHECK(list[0].at("will_retry") == false);
    CHECK(list[0].at("next_retry_time").is_null());
    CHECK(server.get("/v1/errors/" + id).json() == list[1]);
    CHECK(items(server, "job_id=errs&queue=scheduling_errors").empty());
    CHECK(items(server, "job_id=errs&error_code=EXIT_3&error_category=TRANSIENT").size() == 2);
    CHECK(items(server, "job_id=errs&error_code=EXIT_4").empty());
    CHECK(items(server, "job_id=errs&error_category=TIMEOUT").empty());

    const auto page = server.get("/v1/errors?job_id=errs&limit=1").json();
    REQUIRE(page.at("next_cursor").is_string());
    CHECK(items(server, "job_id=errs&limit=1&cursor=" + text_at(page, "/next_cursor")) == json::array{list[1]});

    const auto next = server.post("/v1/errors/" + id + "/retry", json::object{});
    INFO(next.body);
    REQUIRE(next.status == 201);
    CHECK(next.json().at("attempt_number") == 3);
    CHECK(next.field("Location") == "/v1/executions/" + text_at(next.json(), "/execution_id"));
    server.ended(id);
    CHECK(server.get("/v1/errors/" + last).json().at("will_retry") == true);
    CHECK(violations_at(open_server_database()) == std::vector<std::string>{});
}

TEST_CASE("a timeout has the structure of a TimeoutError", "[e2e][errors]")
{
    auto& server = open_server();
    server.define("errs-timeout", {{"type", "sleep"}, {"seconds", 300}}, {{"retry_policy", {{"max_attempts", 1}}}, {"timeout_seconds", 0.2}});
    const auto id = text_at(server.run("errs-timeout"), "/execution_id");
    const auto item = server.get("/v1/errors/" + id).json();
    INFO(item);
    CHECK(item.at("error_category") == "TIMEOUT");
    CHECK(item.at("error_code") == "TIMEOUT");
    CHECK(item.at("timeout_seconds").to_number<double>() == 0.2);
    CHECK(item.at("elapsed_seconds").to_number<double>() >= 0.2);
    for (const char* member : {"last_heartbeat", "checkpoint_available", "termination_method"}) {
        INFO(member);
        CHECK(item.as_object().contains(member));
    }
}

TEST_CASE("errors of other kinds show their own members, and what belongs to no execution cannot be retried", "[e2e][errors]")
{
    auto& server = open_server();
    server.define("errs-kinds", {{"type", "noop"}});
    const auto id = text_at(server.run("errs-kinds"), "/execution_id");
    const auto corrupt = rows_at(open_server_database(), "select record_error_1(3::int2, '" + id + "', 2::int2, 'STATE_CORRUPTION', 'checkpoint 2 is damaged', "
        "'{\"state_type\": \"CHECKPOINT\", \"corruption_type\": \"CHECKSUM_MISMATCH\", \"recovery_attempted\": true, \"recovery_successful\": true, \"data_loss_scope\": \"none\"}')");
    const std::string corruption = corrupt[0][0].c_str();
    auto item = server.get("/v1/errors/" + corruption).json();
    INFO(item);
    CHECK(text_at(item, "/execution_id") == id);
    CHECK(item.at("error_category") == "PERMANENT");
    CHECK(item.at("error_message") == "checkpoint 2 is damaged");
    CHECK(item.at("state_type") == "CHECKPOINT");
    CHECK(item.at("corruption_type") == "CHECKSUM_MISMATCH");
    CHECK(item.at("recovery_successful") == true);
    CHECK(item.at("will_retry") == false);
    const auto completed = server.post("/v1/errors/" + corruption + "/retry", json::object{});
    CHECK(completed.status == 409);
    CHECK(completed.json().at("code") == "NOT_RETRYABLE");

    rows_at(open_server_database(), "insert into errors (error_id, queue, tenant_key, job_key, error_code, error_message, details) "
        "select '0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f77', 1, tenant_key, job_key, 'SCHED_001_INVALID_CRON', 'no', '{\"schedule_id\": \"s\"}' from jobs where job_id = 'errs-kinds'");
    const auto scheduling = items(server, "queue=scheduling_errors");
    REQUIRE(scheduling.size() == 1);
    CHECK(scheduling[0].at("schedule_id") == "s");
    CHECK(scheduling[0].at("execution_id").is_null());
    CHECK(text_at(scheduling[0], "/hint").find("cron") != std::string::npos);
    CHECK(items(server, "queue=dependency_errors&job_id=errs-kinds").empty());
    const auto refused = server.post("/v1/errors/0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f77/retry", json::object{});
    CHECK(refused.status == 409);
    CHECK(refused.json().at("code") == "NOT_RETRYABLE");
    CHECK(remove(server, "/v1/errors?queue=scheduling_errors").json() == json::value{{"purged", 1}, {"remaining", 0}});

    for (const char* query : {"queue=dead_letter", "queue=execution", "error_category=BAD", "job_id=No", "until=x", "cursor=x", "limit=0", "colour=red"}) {
        INFO(query);
        CHECK(server.get(std::string("/v1/errors?") + query).status == 422);
    }
    for (const auto& missing : {std::string(unknown), std::string("nonsense")}) {
        INFO(missing);
        CHECK(server.get("/v1/errors/" + missing).status == 404);
        CHECK(remove(server, "/v1/errors/" + missing).status == 404);
        CHECK(server.post("/v1/errors/" + missing + "/retry", json::object{}).status == 404);
    }
}

TEST_CASE("errors are deleted one by one or by filter, and history stays", "[e2e][errors]")
{
    auto& server = open_server();
    server.define("errs-purged", {{"type", "fail"}, {"error_code", "X"}}, once);
    const auto id = text_at(server.run("errs-purged"), "/execution_id");
    server.run("errs-purged");
    server.run("errs-purged");
    CHECK(remove(server, "/v1/errors/" + id).status == 204);
    CHECK(remove(server, "/v1/errors/" + id).status == 404);
    CHECK(remove(server, "/v1/errors?job_id=errs-purged&error_code=X&limit=1").json() == json::value{{"purged", 1}, {"remaining", 1}});
    CHECK(remove(server, "/v1/errors?job_id=errs-purged&error_category=TRANSIENT").json() == json::value{{"purged", 1}, {"remaining", 0}});
    CHECK(remove(server, "/v1/errors").status == 422);
    CHECK(remove(server, "/v1/errors?queue=nothing").status == 422);
    CHECK(server.execution(id).at_pointer("/result/error_code") == "X");
    CHECK(server.get("/v1/dead-letters/" + id).json().at("error_code") == "X");
    CHECK(remove(server, "/v1/errors?all=true").status == 200);
    CHECK(items(server, "limit=10").empty());
}
