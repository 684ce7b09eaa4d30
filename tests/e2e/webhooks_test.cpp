#include "tests/support/signed_report.hpp"
#include "tests/support/triggers.hpp"

#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

const std::string secret = "a secret of the test";

http_reply call(const server_process& at, const std::string& trigger_id, const std::string& body, const http_fields& headers)
{
    return http_request(at.address(), "POST", "/v1/webhooks/" + trigger_id, body, headers);
}

void define_hook(const server_process& at, const std::string& job_id)
{
    define_triggered(at, job_id, {{{"trigger_type", "WEBHOOK"}, {"trigger_id", job_id}, {"source", "src-" + job_id}, {"secret", secret}}});
}

}

TEST_CASE("a signed call of a webhook is an event, and starts the job", "[e2e][webhooks]")
{
    auto& server = open_server();
    define_hook(server, "hook-1");
    const std::string body = R"({"ref": "main", "commits": [1, 2]})";
    const auto reply = call(server, "hook-1", body, signed_with(secret, body));
    REQUIRE(reply.status == 202);
    CHECK(reply.json().at("activated") == json::array{"hook-1"});
    const auto run = last_of(server, "hook-1");
    CHECK(run.at("trigger_id") == "hook-1");
    CHECK(run.at("parameters").at("event").at("payload") == json::value{{"ref", "main"}, {"commits", json::array{1, 2}}});
    CHECK(run.at("parameters").at("event").at("source") == "src-hook-1");
    const auto event = server.get("/v1/events/" + text_at(reply.json(), "/event_id")).json();
    CHECK(event.at("origin") == "WEBHOOK");
    CHECK(event.at("submitter") == "webhook:hook-1");
    // A list, or a lone value, is a payload as well.
    CHECK(call(server, "hook-1", "[1]", signed_with(secret, "[1]")).status == 202);
}

TEST_CASE("a call of a webhook that is unsigned, forged, stale or repeated is refused, and no event", "[e2e][webhooks][hostile]")
{
    auto& server = open_server();
    define_hook(server, "hook-2");
    const std::string body = "{}";
    const auto right = signed_with(secret, body);
    struct row {
        const char* why;
        std::string body;
        http_fields headers;
        int status;
    };
    const auto without = [&](std::size_t at) { return http_fields{right[at]}; };
    const std::vector<row> all = {
        {"unsigned", body, {}, 401},
        {"without a timestamp", body, without(0), 401},
        {"without a signature", body, without(1), 401},
        {"of another secret", body, signed_with("guessed", body), 401},
        {"of an empty secret", body, signed_with("", body), 401},
        {"of another body", R"({"a": 1})", right, 401},
        {"stale", body, signed_with(secret, body, unix_now() - 301), 401},
        {"of the future", body, signed_with(secret, body, unix_now() + 302), 401},
        {"with a short signature", body, {{"X-Rowlock-Signature", right[0].second.substr(0, 40)}, right[1]}, 401},
        {"with a long signature", body, {{"X-Rowlock-Signature", right[0].second + "00"}, right[1]}, 401},
        {"of another scheme", body, {{"X-Rowlock-Signature", "sha1=" + right[0].second.substr(7)}, right[1]}, 401},
        {"with a timestamp that is none", body, {right[0], {"X-Rowlock-Timestamp", "now"}}, 401},
        {"no JSON, signed", "{", signed_with(secret, "{"), 400},
        {"with U+0000, signed", R"({"a": "\u0000"})", signed_with(secret, R"({"a": "\u0000"})"), 422},
    };
    for (const auto& r : all) {
        INFO(r.why);
        CHECK(call(server, "hook-2", r.body, r.headers).status == r.status);
    }
    const std::string huge(2u << 20, ' ');
    CHECK(call(server, "hook-2", huge, signed_with(secret, huge)).status == 413);
    CHECK(call(server, "nobody", body, right).status == 404);
    CHECK(call(server, "NoSlug", body, right).status == 404);
    CHECK(count_of(server, "hook-2") == 0);

    CHECK(call(server, "hook-2", body, right).status == 202);
    const auto again = call(server, "hook-2", body, right);
    CHECK(again.status == 409);
    CHECK(count_of(server, "hook-2") == 1);
    CHECK(server.metric("rowlock_webhooks_refused_total") >= 10);
}

TEST_CASE("nobody reads a webhook's secret, and a new version without it keeps it", "[e2e][webhooks]")
{
    auto& server = open_server();
    define_hook(server, "hook-3");
    for (const char* path : {"/v1/jobs/hook-3", "/v1/jobs/hook-3/versions", "/v1/triggers/hook-3", "/v1/triggers"}) {
        INFO(path);
        CHECK(server.get(path).body.find(secret) == std::string::npos);
    }
    CHECK(server.get("/v1/triggers/hook-3").json().at("has_secret") == true);
    // What GET shows can be put back.
    auto shown = server.get("/v1/jobs/hook-3").json().as_object();
    shown["description"] = "changed";
    REQUIRE(server.put("/v1/jobs/hook-3", shown).status == 200);
    CHECK(call(server, "hook-3", "{}", signed_with(secret, "{}")).status == 202);
    // A new secret alone is no new version, and the old one is good for nothing from then on.
    const auto version = shown.at("version");
    auto changed = server.get("/v1/jobs/hook-3").json().as_object();
    changed.at("triggers").at(0).as_object()["secret"] = "another";
    REQUIRE(server.put("/v1/jobs/hook-3", changed).status == 200);
    CHECK(call(server, "hook-3", "[1]", signed_with(secret, "[1]")).status == 401);
    CHECK(call(server, "hook-3", "[1]", signed_with("another", "[1]")).status == 202);
    CHECK(server.get("/v1/jobs/hook-3").json().at("version").as_int64() == version.as_int64() + 1);
}

TEST_CASE("an event that an operator sends does not pass for a signed call", "[e2e][webhooks]")
{
    auto& server = open_server();
    define_hook(server, "hook-4");
    CHECK(emit(server, "src-hook-4", {{"forged", true}}).at("activated") == json::array{});
    CHECK(count_of(server, "hook-4") == 0);
}

TEST_CASE("a webhook's secret may stand in the environment of the server", "[e2e][webhooks]")
{
    const test_database database;
    const server_process server({"serve", "--database", database.url(), "--auth", "none"}, {{"HOOK_SECRET", secret}});
    const auto put = [&](const std::string& name) {
        return server.put("/v1/jobs/" + name, {{"handler", {{"type", "noop"}}}, {"triggers", json::array{{{"trigger_type", "WEBHOOK"}, {"trigger_id", name}, {"secret_env", name}}}}});
    };
    const auto known = server.put("/v1/jobs/env-1", {{"handler", {{"type", "noop"}}}, {"triggers", json::array{{{"trigger_type", "WEBHOOK"}, {"trigger_id", "env-1"}, {"secret_env", "HOOK_SECRET"}}}}});
    CHECK(known.status == 201);
    CHECK(known.json().at("warnings").as_array().empty());
    CHECK(call(server, "env-1", "{}", signed_with(secret, "{}")).status == 202);
    CHECK(server.get("/v1/triggers/env-1").json().at("secret_env") == "HOOK_SECRET");
    const auto unknown = put("not_set");
    CHECK(unknown.status == 201);
    CHECK(unknown.json().at("warnings").as_array().size() == 1);
    CHECK(call(server, "not_set", "{}", signed_with("", "{}")).status == 401);
}
