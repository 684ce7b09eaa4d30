#include "tests/support/server_process.hpp"
#include "tests/support/stub_http.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

json::object failing(const char* code, int times) { return {{"type", "fail"}, {"error_code", code}, {"times", times}}; }

json::object policy(json::object members)
{
    members.emplace("initial_delay_seconds", 0.01);
    return {{"retry_policy", members}};
}

}

TEST_CASE("a failure is retried until it succeeds or the attempts are used up", "[e2e][retries]")
{
    struct row {
        const char* why;
        int times;
        json::object retry;
        const char* status;
        int attempts;
    };
    const auto& r = GENERATE(values<row>({
        {"the third attempt succeeds", 2, {{"max_attempts", 3}}, "COMPLETED", 3},
        {"three attempts are all", 3, {{"max_attempts", 3}}, "FAILED", 3},
        {"one attempt is no retry", 1, {{"max_attempts", 1}}, "FAILED", 1},
        {"the first attempt is not counted if so wished", 3, {{"max_attempts", 3}, {"include_initial", false}}, "COMPLETED", 4},
        {"max_retries is one less than max_attempts", 2, {{"max_retries", 2}}, "COMPLETED", 3},
        {"a listed code is retried", 1, {{"max_attempts", 3}, {"retryable_errors", json::array{"BROKEN"}}}, "COMPLETED", 2},
        {"with a list, another code is not", 1, {{"max_attempts", 3}, {"retryable_errors", json::array{"OTHER"}}}, "FAILED", 1},
        {"what is not retryable wins", 1, {{"max_attempts", 3}, {"retryable_errors", json::array{"BROKEN"}}, {"non_retryable_errors", json::array{"BROKEN"}}}, "FAILED", 1},
        {"a pattern of the message counts", 1, {{"max_attempts", 3}, {"retryable_error_patterns", json::array{"^.*$"}}}, "COMPLETED", 2},
        {"an override allows fewer attempts", 3, {{"max_attempts", 4}, {"overrides", json::array{{{"match", {{"error_codes", json::array{"BROKEN"}}}}, {"max_attempts", 2}}}}}, "FAILED", 2},
        {"an override allows more", 3, {{"max_attempts", 2}, {"overrides", json::array{{{"match", {{"categories", json::array{"TRANSIENT"}}}}, {"max_attempts", 4}}}}}, "COMPLETED", 4},
        {"an override of something else changes nothing", 3, {{"max_attempts", 2}, {"overrides", json::array{{{"match", {{"exit_codes", json::array{75}}}}, {"max_attempts", 4}}}}}, "FAILED", 2},
    }));
    INFO(r.why);
    open_server().define("retried", failing("BROKEN", r.times), policy(r.retry));
    const auto end = open_server().run("retried");
    CHECK(end.at("status") == r.status);
    CHECK(end.at("attempt_number") == r.attempts);
    if (end.at("status") == "FAILED") CHECK(end.at_pointer("/result/error_code") == "BROKEN");
}

TEST_CASE("exit codes decide over a retry where they are listed", "[e2e][retries]")
{
    auto& server = open_server();
    server.define("retried-exit", {{"type", "process"}, {"command", json::array{"/bin/sh", "-c", "exit 75"}}}, policy({{"max_attempts", 2}, {"retryable_exit_codes", json::array{75}}}));
    CHECK(server.run("retried-exit").at("attempt_number") == 2);
    server.define("retried-exit", {{"type", "process"}, {"command", json::array{"/bin/sh", "-c", "exit 74"}}}, policy({{"max_attempts", 2}, {"retryable_exit_codes", json::array{75}}}));
    CHECK(server.run("retried-exit").at("attempt_number") == 1);
}

TEST_CASE("retries wait as the policy says, and name the attempt before them", "[e2e][retries]")
{
    auto& server = open_server();
    server.define("retried-delay", failing("X", 2), {{"retry_policy", {{"max_attempts", 3}, {"initial_delay_seconds", 0.4}, {"backoff_multiplier", 2}, {"jitter_mode", "NONE"}}}});
    const auto id = server.submit("retried-delay");
    server.ended(id);
    const auto run = server.get("/v1/runs/" + id).json();
    const auto& attempts = run.at("attempts").as_array();
    REQUIRE(attempts.size() == 3);
    const auto seconds = [](const std::string& time) { return std::stod(time.substr(17, 9)) + 60 * std::stod(time.substr(14, 2)); };
    for (std::size_t i = 1; i < 3; ++i) {
        CHECK(attempts[i].at("trigger_type") == "RETRY");
        CHECK(attempts[i].at("parameters") == attempts[0].at("parameters"));
        auto waited = seconds(text_at(attempts[i], "/started_time")) - seconds(text_at(attempts[i - 1], "/completed_time"));
        if (waited < 0) waited += 3600;
        CHECK(waited >= (i == 1 ? 0.4 : 0.8) - 0.005);
    }
    CHECK(text_at(attempts[1], "/parent_execution_id") == id);
}

TEST_CASE("an http job takes the reply as its result, and tells the target who asks", "[e2e][retries][http]")
{
    const stub_http target([](const stub_request&) { return stub_reply{.body = R"({"outputs": {"path": "p"}, "records_processed": 4, "records_failed": 1, "metrics": {"m": 2}})"}; });
    auto& server = open_server();
    server.define("http-good", {{"type", "http"}, {"url", target.url() + "/jobs/{{ parameters.name }}"}, {"method", "POST"}, {"completion", "reply"}});
    const auto end = server.run("http-good", {{"name", "n1"}});
    INFO(end);
    REQUIRE(end.at("status") == "COMPLETED");
    CHECK(end.at_pointer("/result/outputs/path") == "p");
    CHECK(end.at_pointer("/result/records_processed") == 4);
    CHECK(end.at_pointer("/result/metrics/m") == 2);
    const auto requests = target.requests();
    REQUIRE(requests.size() == 1);
    CHECK(requests[0].target == "/jobs/n1");
    CHECK(requests[0].idempotency_key == text_at(end, "/run_id"));
    const auto body = json::parse(requests[0].body);
    for (const char* member : {"execution_id", "run_id", "job_id", "attempt_number", "parameters", "deadline", "checkpoint"}) {
        INFO(member);
        CHECK(body.as_object().contains(member));
    }
    CHECK(body.at("execution_id") == end.at("execution_id"));
    CHECK(body.at("parameters") == end.at("parameters"));
}

TEST_CASE("an http status decides over failure and retry", "[e2e][retries][http]")
{
    struct row {
        int status;
        const char* code;
        int attempts;
    };
    const auto r = GENERATE(values<row>({{500, "HTTP_500", 2}, {503, "HTTP_503", 2}, {429, "RATE_LIMITED", 2}, {408, "HTTP_408", 2}, {404, "HTTP_404", 1}, {422, "HTTP_422", 1}}));
    INFO(r.status);
    const stub_http target([&](const stub_request&) { return stub_reply{.status = r.status}; });
    auto& server = open_server();
    server.define("http-bad", {{"type", "http"}, {"url", target.url()}, {"method", "POST"}}, policy({{"max_attempts", 2}}));
    const auto end = server.run("http-bad");
    CHECK(end.at("status") == "FAILED");
    CHECK(end.at_pointer("/result/error_code") == r.code);
    CHECK(end.at("attempt_number") == r.attempts);
}

TEST_CASE("a target that is not there is CONNECTION_FAILED", "[e2e][retries][http]")
{
    auto& server = open_server();
    server.define("http-nobody", {{"type", "http"}, {"url", "http://127.0.0.1:1/"}, {"method", "GET"}}, policy({{"max_attempts", 2}}));
    const auto end = server.run("http-nobody");
    CHECK(end.at_pointer("/result/error_code") == "CONNECTION_FAILED");
    CHECK(end.at("attempt_number") == 2);
}
