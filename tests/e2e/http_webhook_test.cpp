#include "tests/support/server_process.hpp"
#include "tests/support/signed_report.hpp"
#include "tests/support/stub_http.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <pqxx/pqxx>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

json::object listening(const stub_http& target)
{
    return {{"type", "http"}, {"url", target.url() + "/jobs"}, {"completion", "webhook"}};
}

json::object attempts(int most)
{
    return {{"retry_policy", {{"max_attempts", most}, {"initial_delay_seconds", 0.01}}}, {"timeout_seconds", 300}};
}

stub_reply accepts(const stub_request&)
{
    return {.status = 202};
}

// The callback of the n-th start, from 1.
callback callback_of_start(const stub_http& target, std::size_t n)
{
    eventually("the target is called", [&] { return target.requests().size() >= n; });
    return callback_of(target.requests()[n - 1].body);
}

std::string code_of(const http_reply& reply)
{
    return std::to_string(reply.status) + (reply.status < 300 ? "" : " " + text_at(reply.json(), "/code"));
}

int rows_of(const std::string& url, const std::string& sql)
{
    pqxx::connection session(url);
    pqxx::nontransaction tx(session);
    return tx.exec(sql)[0][0].as<int>();
}

}

TEST_CASE("a job ends as its target reports, and shows the progress that it reports before", "[e2e][http][webhook]")
{
    const stub_http target(accepts);
    auto& server = open_server();
    server.define("told", listening(target), attempts(1));
    const auto id = server.submit("told");
    const auto to = callback_of_start(target, 1);
    CHECK(to.url == server.url() + "/v1/executions/" + id + "/complete");
    CHECK(to.secret.size() == 64);
    CHECK(code_of(report(to, {{"status", "RUNNING"}, {"progress", 0.5}})) == "202");
    eventually("the progress is shown", [&] { return json::serialize(server.execution(id).at("progress")) == "5E-1"; });
    const auto taken = report(to, {{"status", "COMPLETED"}, {"outputs", {{"rows", 3}}}, {"metrics", {{"score", 0.9}}}, {"records_processed", 3}, {"records_failed", 1}});
    CHECK(code_of(taken) == "202");
    CHECK(text_at(taken.json(), "/execution_id") == id);
    const auto end = server.ended(id);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at_pointer("/result/outputs") == json::value{{"rows", 3}});
    CHECK(end.at_pointer("/result/metrics/score") == 0.9);
    CHECK(end.at_pointer("/result/records_processed") == 3);
    CHECK(end.at_pointer("/result/records_failed") == 1);
    CHECK(json::serialize(end).find(to.secret) == std::string::npos);
    eventually("the secret is gone", [&] { return rows_of(open_server_database(), "select count(*) from rowlock.callbacks where execution_id = '" + id + "'") == 0; });
    CHECK(code_of(report(to, {{"status", "COMPLETED"}})) == "409 ALREADY_ENDED");
}

TEST_CASE("what a report says beside its words are the outputs", "[e2e][http][webhook]")
{
    const stub_http target(accepts);
    auto& server = open_server();
    server.define("told-plain", listening(target), attempts(1));
    const auto id = server.submit("told-plain");
    CHECK(code_of(report(callback_of_start(target, 1), {{"status", "COMPLETED"}, {"progress", 1}, {"path", "p"}})) == "202");
    CHECK(server.ended(id).at_pointer("/result/outputs") == json::value{{"path", "p"}});
}

TEST_CASE("a report that is not signed right changes nothing", "[e2e][http][webhook]")
{
    const stub_http target(accepts);
    auto& server = open_server();
    server.define("told-wrong", listening(target), attempts(1));
    const auto id = server.submit("told-wrong");
    const auto to = callback_of_start(target, 1);
    const std::string body = R"({"status":"COMPLETED"})";
    const auto send = [&](const http_fields& fields, const std::string& what = R"({"status":"COMPLETED"})") { return code_of(http_request(server.address(), "POST", path_of(to), what, fields)); };
    const auto now = unix_now();
    const auto right = signed_with(to.secret, body, now);
    CHECK(send({}) == "401 UNAUTHENTICATED");
    CHECK(send({right[0]}) == "401 UNAUTHENTICATED");
    CHECK(send({right[1]}) == "401 UNAUTHENTICATED");
    CHECK(send(signed_with("another secret", body, now)) == "401 UNAUTHENTICATED");
    CHECK(send(right, R"({"status":"FAILED"})") == "401 UNAUTHENTICATED");
    CHECK(send({right[0], {"X-Rowlock-Timestamp", std::to_string(now - 1)}}) == "401 UNAUTHENTICATED");
    CHECK(send(signed_with(to.secret, body, now - 400)) == "401 UNAUTHENTICATED");
    CHECK(send(signed_with(to.secret, body, now + 400)) == "401 UNAUTHENTICATED");
    CHECK(send({{"X-Rowlock-Signature", "sha256=00"}, right[1]}) == "401 UNAUTHENTICATED");
    // Signed right, and yet refused.
    const auto refused = [&](const std::string& what) { return send(signed_with(to.secret, what, now), what); };
    CHECK(refused("[]") == "400 MALFORMED_JSON");
    CHECK(refused("{") == "400 MALFORMED_JSON");
    CHECK(refused("{}") == "422 INVALID_REQUEST");
    CHECK(refused(R"({"status":"DONE"})") == "422 INVALID_REQUEST");
    CHECK(refused(R"({"status":"COMPLETED","outputs":[]})") == "422 INVALID_REQUEST");
    CHECK(refused(R"({"status":"COMPLETED","records_processed":-1})") == "422 INVALID_REQUEST");
    CHECK(refused(R"({"status":"RUNNING","progress":2})") == "422 INVALID_REQUEST");
    CHECK(refused(R"({"status":"COMPLETED","x":"\u0000"})") == "422 INVALID_REQUEST");
    CHECK(server.status_of(id) == "RUNNING");
    // And then the right one, once.
    const std::string running = R"({"status":"RUNNING"})";
    CHECK(send(signed_with(to.secret, running, now), running) == "202");
    CHECK(send(signed_with(to.secret, running, now), running) == "409 SIGNATURE_REUSED");
    CHECK(send(signed_with(to.secret, running, now + 1), running) == "202");
    CHECK(send(right) == "202");
    CHECK(server.ended(id).at("status") == "COMPLETED");
}

TEST_CASE("a report to what waits for none is refused", "[e2e][http][webhook]")
{
    auto& server = open_server();
    server.define("told-not", {{"type", "sleep"}, {"seconds", 3600}});
    const auto id = server.submit("told-not");
    server.await_status(id, "RUNNING");
    const auto send = [&](const std::string& execution) { return code_of(report({server.url() + "/v1/executions/" + execution + "/complete", "s"}, {{"status", "COMPLETED"}})); };
    CHECK(send(id) == "409 NOT_WAITING");
    CHECK(server.post("/v1/executions/" + id + "/cancel", json::object{}).status == 202);
    server.ended(id);
    CHECK(send(id) == "409 ALREADY_ENDED");
    CHECK(send("0198f3a2-7c41-7d2e-9a30-5b1c2d3e4f50") == "404 NOT_FOUND");
    CHECK(send("nobody") == "404 NOT_FOUND");
}

TEST_CASE("nobody needs a token to report, and nobody may send more than a report takes", "[e2e][http][webhook]")
{
    const stub_http target(accepts);
    const test_database database;
    server_process server({"serve", "--database", database.url()}, {{"ROWLOCK_HTTP_ALLOW_PRIVATE_ADDRESSES", "true"}, {"ROWLOCK_PUBLIC_URL", "http://rowlock.example:8443/behind/"}});
    server.always = {{"Authorization", "Bearer " + make_admin_token(database.url())}};
    server.define("told-token", listening(target), attempts(1));
    const auto id = server.submit("told-token");
    const auto to = callback_of_start(target, 1);
    CHECK(to.url == "http://rowlock.example:8443/behind/v1/executions/" + id + "/complete");
    const callback here{server.url() + "/v1/executions/" + id + "/complete", to.secret};
    CHECK(report(here, {{"status", "RUNNING"}, {"x", std::string(2'000'000, 'x')}}).status == 413);
    const std::string chunk = "200000\r\n" + std::string(0x200000, ' ') + "\r\n";
    http_connection slow(server.address());
    slow.send("POST " + path_of(here) + " HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk);
    CHECK(slow.receive().status == 413);
    CHECK(code_of(report(here, {{"status", "COMPLETED"}})) == "202");
    CHECK(server.ended(id).at("status") == "COMPLETED");
    CHECK(server.terminate() == 0);
}

TEST_CASE("a report may be made to any instance", "[e2e][http][webhook][instances]")
{
    const stub_http target(accepts);
    const test_database database;
    server_process runs({"serve", "--auth", "none", "--database", database.url()});
    runs.define("told-across", listening(target), attempts(1));
    const auto id = runs.submit("told-across");
    const auto to = callback_of_start(target, 1);
    server_process other({"serve", "--auth", "none", "--database", database.url()});
    CHECK(code_of(report(to, {{"status", "RUNNING"}, {"progress", 0.25}}, unix_now(), other.address())) == "202");
    eventually("the progress is shown", [&] { return json::serialize(other.execution(id).at("progress")) == "2.5E-1"; });
    CHECK(code_of(report(to, {{"status", "COMPLETED"}, {"rows", 1}}, unix_now(), other.address())) == "202");
    CHECK(other.ended(id).at_pointer("/result/outputs/rows") == 1);
    CHECK(runs.terminate() == 0);
    CHECK(other.terminate() == 0);
}

TEST_CASE("the next attempt has a secret of its own, and a late report to the one before changes nothing", "[e2e][http][webhook]")
{
    const stub_http target(accepts);
    auto& server = open_server();
    server.define("told-again", listening(target), attempts(2));
    const auto id = server.submit("told-again");
    const auto first = callback_of_start(target, 1);
    CHECK(code_of(report(first, {{"status", "FAILED"}, {"error_code", "TRY_AGAIN"}, {"error_message", "later"}})) == "202");
    const auto second = callback_of_start(target, 2);
    CHECK(second.secret != first.secret);
    CHECK(second.url != first.url);
    CHECK(code_of(report(first, {{"status", "COMPLETED"}})) == "409 ALREADY_ENDED");
    CHECK(report({second.url, first.secret}, {{"status", "COMPLETED"}}).status == 401);
    CHECK(code_of(report(second, {{"status", "COMPLETED"}})) == "202");
    const auto end = server.ended(id);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at("attempt_number") == 2);
    const auto before = server.execution(id);
    CHECK(before.at_pointer("/result/error_code") == "TRY_AGAIN");
    CHECK(before.at_pointer("/result/error_message") == "later");
}

TEST_CASE("a target that reports while its instance stops is heard by the instance that goes on", "[e2e][http][webhook][instances]")
{
    const stub_http target(accepts);
    const test_database database;
    const environment_map hasty{{"ROWLOCK_GRACEFUL_TIMEOUT_SECONDS", "0"}};
    server_process first({"serve", "--auth", "none", "--database", database.url()}, hasty);
    first.define("told-handed", listening(target), attempts(1));
    const auto id = first.submit("told-handed");
    const auto to = callback_of_start(target, 1);
    CHECK(first.terminate() == 0);
    server_process second({"serve", "--auth", "none", "--database", database.url()}, hasty);
    second.await_status(id, "RUNNING");
    // The same attempt: a target that knows its start by the key goes on with the secret that it has.
    const auto again = callback_of_start(target, 2);
    CHECK(again.secret == to.secret);
    CHECK(code_of(report(to, {{"status", "COMPLETED"}}, unix_now(), second.address())) == "202");
    const auto end = second.ended(id);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at("attempt_number") == 1);
    CHECK(second.terminate() == 0);
}

TEST_CASE("when the instance that waits for a report is lost, the next attempt waits for one of its own", "[e2e][http][webhook][instances]")
{
    const stub_http target(accepts);
    const test_database database;
    const environment_map impatient{{"ROWLOCK_LEASE_SECONDS", "2"}};
    server_process runs({"serve", "--auth", "none", "--database", database.url()}, impatient);
    runs.define("told-lost", listening(target), attempts(3));
    const auto id = runs.submit("told-lost");
    const auto first = callback_of_start(target, 1);
    server_process other({"serve", "--auth", "none", "--database", database.url()}, impatient);
    runs.kill_hard();
    // The attempt is lost with its instance; the next one is told of anew.
    other.await_status(id, "FAILED");
    const auto second = callback_of_start(target, 2);
    CHECK(code_of(report(first, {{"status", "COMPLETED"}}, unix_now(), other.address())) == "409 ALREADY_ENDED");
    CHECK(code_of(report(second, {{"status", "COMPLETED"}}, unix_now(), other.address())) == "202");
    const auto end = other.ended(id);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at("attempt_number") == 2);
    CHECK(other.terminate() == 0);
}

TEST_CASE("a webhook without a timeout, or without a way to sign, is warned of", "[e2e][http][webhook][jobs]")
{
    const auto reply = open_server().put("/v1/jobs/told-warned", {{"handler", {{"type", "http"}, {"url", "http://127.0.0.1:1/"}, {"completion", "webhook"}, {"body", {{"a", 1}}}}}});
    CHECK(reply.status == 201);
    const auto body = reply.json();
    const auto warnings = json::serialize(body.at("warnings"));
    CHECK_THAT(warnings, Catch::Contains("timeout_seconds") && Catch::Contains("callback.secret"));
}
