#include "tests/support/server_process.hpp"
#include "tests/support/stub_http.hpp"

#include <atomic>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

json::object polling(const stub_http& target, json::object more = {})
{
    json::object handler{{"type", "http"}, {"url", target.url() + "/jobs"}, {"completion", "poll"}, {"poll_interval_seconds", 0.1}};
    for (const auto& [name, value] : more) handler[name] = value;
    return handler;
}

json::object attempts(int most)
{
    return {{"retry_policy", {{"max_attempts", most}, {"initial_delay_seconds", 0.01}}}};
}

// Starts with 202; says how a job is by `status`.
stub_http::answerer target_with(std::function<stub_reply()> status)
{
    return [status = std::move(status)](const stub_request& request) {
        return request.method == "POST" ? stub_reply{.status = 202, .body = R"({"id": 7})", .location = "/jobs/7"} : status();
    };
}

}

TEST_CASE("a polled job ends as the SQL/JSON paths of its definition say, and shows its progress meanwhile", "[e2e][http]")
{
    std::atomic<int> phase{0};
    const stub_http target(target_with([&] {
        if (phase == 0) return stub_reply{.body = R"({"phase": "LOADING", "rows": 25, "of": 100})"};
        return phase == 1 ? stub_reply{.body = R"({"phase": "LOADED", "rows": 100, "of": 100, "outputs": {"path": "p"}, "records_processed": 100})"}
                          : stub_reply{.body = R"({"phase": "BROKEN", "error_code": "SOURCE", "error_message": "gone"})"};
    }));
    auto& server = open_server();
    server.define("polled", polling(target, {{"success", "$.phase == \"LOADED\""}, {"failure", "$.phase like_regex \"^BROK\""}, {"progress", "$.rows / $.of"}}), attempts(1));
    const auto id = server.submit("polled");
    eventually("the progress is shown", [&] {
        const auto now = server.execution(id);
        const auto* progress = now.as_object().if_contains("progress");
        return progress && progress->is_double() && progress->get_double() > 0.2;
    });
    phase = 1;
    const auto end = server.ended(id);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at_pointer("/result/outputs/path") == "p");
    CHECK(end.at_pointer("/result/records_processed") == 100);

    phase = 2;
    const auto failed = server.run("polled");
    CHECK(failed.at("status") == "FAILED");
    CHECK(failed.at_pointer("/result/error_code") == "SOURCE");
    CHECK(failed.at_pointer("/result/error_message") == "gone");
}

TEST_CASE("a path that has no boolean answer fails the attempt after five bad answers", "[e2e][http]")
{
    const stub_http target(target_with([] { return stub_reply{.body = R"({"phase": "LOADED"})"}; }));
    auto& server = open_server();
    server.define("polled-odd", polling(target, {{"success", GENERATE("$.phase", "$.phase == 1 / 0", "$.nothing.at.all")}}), attempts(1));
    const auto end = server.run("polled-odd");
    CHECK(end.at_pointer("/result/error_code") == "INVALID_RESULT");
    CHECK(target.requests().size() == 6);
}

TEST_CASE("hostile status bodies fail the attempt and nothing else", "[e2e][http]")
{
    struct row {
        const char* why;
        std::string body;
        std::string code;
    };
    const auto r = GENERATE(values<row>({
        {"larger than the definition takes", R"({"x": ")" + std::string(2'000'000, 'x') + "\"}", "OUTPUT_LIMIT"},
        {"deeper than JSON goes", std::string(100'000, '['), "INVALID_RESULT"},
        {"not JSON", "<html>", "INVALID_RESULT"},
        {"U+0000 in it", R"({"status": "\u0000"})", "INVALID_RESULT"},
        {"broken UTF-8", "{\"status\": \"\xff\"}", "INVALID_RESULT"},
    }));
    INFO(r.why);
    const stub_http target(target_with([&] { return stub_reply{.body = r.body}; }));
    auto& server = open_server();
    server.define("polled-hostile", polling(target, {{"success", "$.status == \"DONE\""}}), attempts(1));
    CHECK(text_at(server.run("polled-hostile"), "/result/error_code") == r.code);
    CHECK(server.get("/readyz").status == 200);
}

TEST_CASE("a definition whose paths are none is refused, each by its field and in PostgreSQL's words", "[e2e][http][jobs]")
{
    const auto reply = open_server().put("/v1/jobs/polled-refused", {{"handler", {{"type", "http"}, {"url", "http://127.0.0.1:1/"}, {"completion", "poll"},
                                                                                 {"success", "$.phase = \"LOADED\""}, {"failure", "$.phase like_regex \"(\""}, {"progress", "$.p"}}}});
    CHECK(reply.status == 422);
    const auto body = reply.json();
    INFO(body);
    const auto& errors = body.at("errors").as_array();
    REQUIRE(errors.size() == 2);
    CHECK(errors[0].at("field") == "handler.success");
    CHECK_THAT(text_at(errors[0], "/message"), Catch::Contains("syntax error"));
    CHECK(errors[0].at("value") == "$.phase = \"LOADED\"");
    CHECK(errors[1].at("field") == "handler.failure");
    CHECK(open_server().get("/v1/jobs/polled-refused").status == 404);
}

TEST_CASE("a polled job that is cancelled or times out is told so", "[e2e][http]")
{
    std::atomic<bool> told{false};
    const stub_http target([&](const stub_request& request) {
        if (request.target == "/jobs/7/cancel") {
            told = true;
            return stub_reply{.status = 202};
        }
        if (request.method == "POST") return stub_reply{.status = 202, .body = R"({"id": 7})", .location = "/jobs/7"};
        return stub_reply{.body = told ? R"({"status": "CANCELLED"})" : R"({"status": "RUNNING"})"};
    });
    auto& server = open_server();
    const bool by_timeout = GENERATE(true, false);
    auto more = attempts(1);
    if (by_timeout) more["timeout_seconds"] = 1;
    server.define("polled-cancel", polling(target, {{"cancel_url", "/jobs/{{ reply.id }}/cancel"}}), more);
    const auto id = server.submit("polled-cancel");
    eventually("it runs at its target", [&] { return target.requests().size() > 1; });
    if (!by_timeout) CHECK(server.post("/v1/executions/" + id + "/cancel", json::object{}).status == 202);
    const auto end = server.ended(id);
    CHECK(end.at("status") == (by_timeout ? "TIMEOUT" : "CANCELLED"));
    CHECK(end.at_pointer("/result/termination") == "GRACEFUL");
    std::string body;
    for (const auto& each : target.requests()) {
        if (each.target == "/jobs/7/cancel") body = each.body;
    }
    CHECK(json::parse(body).at("reason") == (by_timeout ? "TIMEOUT" : "CANCELLED"));
    CHECK(json::parse(body).at("execution_id") == end.at("execution_id"));
}

TEST_CASE("what a killed instance was polling is started again by the next attempt, under the same key", "[e2e][http][instances]")
{
    std::atomic<bool> done{false};
    const stub_http target(target_with([&] { return stub_reply{.body = done ? R"({"status": "DONE"})" : R"({"status": "RUNNING"})"}; }));
    const test_database database;
    const environment_map impatient{{"ROWLOCK_LEASE_SECONDS", "2"}};
    server_process first({"serve", "--auth", "none", "--database", database.url()}, impatient);
    first.define("polled-lost", polling(target), attempts(3));
    const auto id = first.submit("polled-lost");
    eventually("it is asked for its status", [&] { return target.requests().size() > 2; });
    server_process second({"serve", "--auth", "none", "--database", database.url()}, impatient);
    first.kill_hard();
    second.await_status(id, "FAILED");
    done = true;
    const auto end = second.ended(id);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at("attempt_number") == 2);
    CHECK(second.execution(id).at_pointer("/result/error_code") == "LEASE_LOST");
    std::vector<std::string> keys;
    for (const auto& each : target.requests()) {
        if (each.method == "POST") keys.push_back(each.idempotency_key);
    }
    CHECK(keys == std::vector<std::string>{id, id});
    CHECK(second.terminate() == 0);
}

TEST_CASE("hooks go before and after the work, and without the first one there is no work", "[e2e][http][hooks]")
{
    std::atomic<int> warm_up{200};
    const stub_http target([&](const stub_request& request) { return stub_reply{.status = request.target == "/warm" ? warm_up.load() : 200}; });
    auto& server = open_server();
    auto more = attempts(1);
    more["hooks"] = {{"before", {{"url", target.url() + "/warm"}}}, {"after", {{"url", target.url() + "/done"}}}};
    server.define("hooked", {{"type", "noop"}}, more);
    const auto end = server.run("hooked");
    CHECK(end.at("status") == "COMPLETED");
    auto requests = target.requests();
    REQUIRE(requests.size() == 2);
    CHECK(requests[0].target == "/warm");
    CHECK(json::parse(requests[0].body).at("execution_id") == end.at("execution_id"));
    CHECK(requests[1].target == "/done");
    CHECK(json::parse(requests[1].body).at("status") == "COMPLETED");

    warm_up = 503;
    const auto refused = server.run("hooked");
    CHECK(refused.at("status") == "FAILED");
    CHECK(refused.at_pointer("/result/error_code") == "HOOK_FAILED");
    CHECK_THAT(text_at(refused, "/result/error_message"), Catch::Contains("503"));
    CHECK(target.requests().size() == 3);

    more["hooks"] = {{"after", {{"url", "http://127.0.0.1:1/"}}}};
    server.define("hooked", {{"type", "noop"}}, more);
    const auto untold = server.run("hooked");
    CHECK(untold.at("status") == "COMPLETED");
    const auto log = server.get("/v1/executions/" + text_at(untold, "/execution_id") + "/log").body;
    CHECK_THAT(log, Catch::Contains("hooks.after failed"));
}
