#include "tests/support/guarded_server.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

guarded_server& guarded()
{
    private_postgres::of_this_run();
    static guarded_server one;
    return one;
}

}

TEST_CASE("without a token all is 401 but what is open, and the refusal says how", "[e2e][tokens]")
{
    auto& g = guarded();
    for (const char* path : {"/v1/executions", "/v1/jobs", "/v1/tokens", "/v1/instances", "/metrics", "/v1/health", "/v1/executions/0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10"}) {
        INFO(path);
        const auto reply = g.server.get(path);
        CHECK(reply.status == 401);
        CHECK(reply.field("Content-Type").find("application/problem+json") == 0);
        CHECK(reply.field("WWW-Authenticate").find("Bearer") == 0);
    }
    for (const auto& bad : {std::string("Bearer wrong"), std::string("Bearer "), std::string("Basic YTpi"), g.admin, "Bearer " + g.admin + "x", std::string("Bearer ") + std::string(5000, 'a')}) {
        INFO(bad.substr(0, 30));
        CHECK(g.server.get("/v1/jobs", {{"Authorization", bad}}).status == 401);
    }
    CHECK(g.server.put("/v1/jobs/intruder", {{"handler", {{"type", "noop"}}}}).status == 401);
    CHECK(g.server.post("/v1/executions", {{"job_id", "intruder"}}).status == 401);
    for (const char* open : {"/healthz", "/readyz", "/v1/openapi.json", "/"}) {
        INFO(open);
        CHECK(g.server.get(open).status == 200);
    }
    CHECK(g.server.get("/v1/jobs", g.as_admin()).status == 200);
    CHECK(g.server.get("/v1/jobs", {{"authorization", "bearer " + g.admin}}).status == 200);
}

TEST_CASE("each role may what the contract says, and the rest is 403", "[e2e][tokens]")
{
    auto& g = guarded();
    REQUIRE(g.server.put("/v1/jobs/roles", {{"handler", {{"type", "noop"}}}}, g.as_admin()).status < 300);
    struct row {
        const char* role;
        bool read;
        bool submit;
        bool define;
        bool administer;
    };
    const auto r = GENERATE(values<row>({
        {"viewer", true, false, false, false},
        {"operator", true, true, false, false},
        {"editor", true, true, true, false},
        {"approver", true, true, true, false},
        {"admin", true, true, true, true},
        {"worker", false, false, false, false},
    }));
    INFO(r.role);
    const auto fields = g.as(r.role, "default");
    const auto allowed = [](const http_reply& reply) {
        if (reply.status == 403) CHECK(reply.field("Content-Type").find("application/problem+json") == 0);
        return reply.status != 403;
    };
    CHECK(allowed(g.server.get("/v1/jobs", fields)) == r.read);
    CHECK(allowed(g.server.get("/v1/executions", fields)) == r.read);
    CHECK(allowed(g.server.post("/v1/executions", {{"job_id", "roles"}}, fields)) == r.submit);
    CHECK(allowed(g.server.post("/v1/executions/batch", {{"executions", json::array{json::object{{"job_id", "roles"}}}}}, fields)) == r.submit);
    CHECK(allowed(g.server.post("/v1/executions/0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10/cancel", json::object{}, fields)) == r.submit);
    // An approver approves; whether it may define is not said.
    if (std::string(r.role) != "approver") {
        CHECK(allowed(g.server.put("/v1/jobs/roles", {{"handler", {{"type", "noop"}}}, {"name", r.role}}, fields)) == r.define);
        CHECK(allowed(g.server.post("/v1/jobs/roles/disable", json::object{}, fields)) == r.define);
    }
    REQUIRE(g.server.post("/v1/jobs/roles/enable", json::object{}, g.as_admin()).status == 200);
    CHECK(allowed(g.server.get("/v1/tokens", fields)) == r.administer);
    CHECK(allowed(g.server.post("/v1/tokens", {{"role", "viewer"}, {"tenant_id", "default"}, {"name", "x"}}, fields)) == r.administer);
}

TEST_CASE("tenants see nothing of each other, and may use the same names", "[e2e][tokens]")
{
    auto& g = guarded();
    const auto acme = g.as("editor", "acme");
    const auto other = g.as("editor", "other");
    REQUIRE(g.server.put("/v1/jobs/tenants", {{"handler", {{"type", "noop"}}}, {"name", "of acme"}}, acme).status == 201);
    CHECK(g.server.get("/v1/jobs/tenants", other).status == 404);
    CHECK(g.server.get("/v1/jobs", other).json().at("items").as_array().empty());
    const auto unknown = g.server.post("/v1/executions", {{"job_id", "tenants"}}, other);
    CHECK(unknown.status == 422);
    CHECK(unknown.json().at("code") == "JOB_NOT_FOUND");
    REQUIRE(g.server.put("/v1/jobs/tenants", {{"handler", {{"type", "sleep"}, {"seconds", 0}}}, {"name", "of other"}}, other).status == 201);
    CHECK(g.server.get("/v1/jobs/tenants", acme).json().at("name") == "of acme");

    const auto mine = g.server.post("/v1/executions?wait_seconds=30", {{"job_id", "tenants"}}, {acme[0], {"Idempotency-Key", "the-same"}});
    const auto theirs = g.server.post("/v1/executions?wait_seconds=30", {{"job_id", "tenants"}}, {other[0], {"Idempotency-Key", "the-same"}});
    REQUIRE(mine.status == 201);
    REQUIRE(theirs.status == 201);
    CHECK(mine.json().at("tenant_id") == "acme");
    CHECK(theirs.json().at("tenant_id") == "other");
    const auto id = text_at(mine.json(), "/execution_id");
    CHECK(id != text_at(theirs.json(), "/execution_id"));
    for (const std::string rest : {"", "/log", "/transitions", "/checkpoints", "/wait?timeout_seconds=0"}) {
        INFO(rest);
        CHECK(g.server.get("/v1/executions/" + id + rest, other).status == 404);
        CHECK(g.server.get("/v1/executions/" + id + rest, acme).status == 200);
    }
    CHECK(g.server.get("/v1/runs/" + id, other).status == 404);
    CHECK(g.server.get("/v1/runs/" + id, acme).status == 200);
    CHECK(g.server.post("/v1/executions/" + id + "/cancel", json::object{}, other).status == 404);
    CHECK(g.server.post("/v1/executions/" + id + "/cancel", json::object{}, acme).status == 409);
    CHECK(g.server.get("/v1/executions?run_id=" + id, other).json().at("items").as_array().empty());
    // A token of one tenant does not become another's by asking.
    const auto asked = g.server.get("/v1/executions/" + id, {other[0], {"X-Rowlock-Tenant", "acme"}});
    CHECK((asked.status == 403 || asked.status == 404));

    // A token for all picks one, and has `default` otherwise.
    CHECK(g.server.get("/v1/executions/" + id, {g.as_admin()[0], {"X-Rowlock-Tenant", "acme"}}).status == 200);
    CHECK(g.server.get("/v1/executions/" + id, {g.as_admin()[0], {"X-Rowlock-Tenant", "other"}}).status == 404);
    CHECK(g.server.get("/v1/executions/" + id, g.as_admin()).status == 404);
    const auto no_slug = g.server.get("/v1/jobs", {g.as_admin()[0], {"X-Rowlock-Tenant", "No Slug"}});
    CHECK((no_slug.status == 422 || no_slug.status == 404));
}

TEST_CASE("a revoked token is refused within a second, on connections that are open as well", "[e2e][tokens]")
{
    auto& g = guarded();
    const auto made = g.server.post("/v1/tokens", {{"role", "viewer"}, {"tenant_id", "default"}, {"name", "short-lived"}}, g.as_admin()).json();
    const auto token = text_at(made, "/token");
    http_connection open(g.server.address());
    const auto ask = [&] {
        open.send(request_text("GET", "/v1/jobs", {}, g.with(token)));
        return open.receive().status;
    };
    REQUIRE(ask() == 200);
    const auto listed = g.server.get("/v1/tokens", g.as_admin());
    CHECK(listed.body.find("short-lived") != std::string::npos);
    CHECK(listed.body.find(token) == std::string::npos);
    CHECK(http_request(g.server.address(), "DELETE", "/v1/tokens/" + text_at(made, "/token_id"), {}, g.as_admin()).status == 204);
    eventually("the token is refused", [&] { return ask() == 401; }, std::chrono::milliseconds(1500));
    CHECK(http_request(g.server.address(), "DELETE", "/v1/tokens/0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10", {}, g.as_admin()).status == 404);
}

TEST_CASE("a token is refused where role or tenant are none", "[e2e][tokens]")
{
    auto& g = guarded();
    for (const json::object& body : {json::object{}, json::object{{"role", "king"}, {"tenant_id", "default"}, {"name", "x"}}, json::object{{"role", "viewer"}, {"tenant_id", "No Slug"}, {"name", "x"}},
                                     json::object{{"role", "viewer"}, {"tenant_id", "default"}, {"name", "x"}, {"colour", "red"}}}) {
        const auto reply = g.server.post("/v1/tokens", body, g.as_admin());
        INFO(reply.body);
        CHECK(reply.status == 422);
        CHECK_FALSE(reply.json().at("errors").as_array().empty());
    }
    const auto bad_role = run_rowlock({"token", "create", "--database", g.database.url(), "--role", "king"});
    CHECK(bad_role.code == 2);
    CHECK(bad_role.err.find("king") != std::string::npos);
}

TEST_CASE("no token means loopback only: serve refuses any other address without tokens", "[e2e][tokens]")
{
    const auto refused = run_rowlock({"serve", "--auth", "none", "--database", guarded().database.url(), "--listen", "0.0.0.0:0"});
    INFO(refused.err);
    CHECK(refused.code == 2);
    CHECK(refused.err.find("loopback") != std::string::npos);
}

TEST_CASE("the command line works with a token and ends with 5 when it is refused", "[e2e][tokens]")
{
    auto& g = guarded();
    const auto refused = run_rowlock({"job", "list", "--url", g.server.url()});
    INFO(refused.err);
    CHECK(refused.code == 5);
    CHECK(refused.out.empty());
    CHECK(run_rowlock({"job", "list", "--url", g.server.url(), "--token", g.admin}).code == 0);
    CHECK(run_rowlock({"job", "list"}, {{"ROWLOCK_URL", g.server.url()}, {"ROWLOCK_TOKEN", g.admin}}).code == 0);
    const auto made = run_rowlock({"token", "create", "--role", "viewer", "--tenant", "default", "--name", "by-cli", "--url", g.server.url(), "--token", g.admin});
    INFO(made.err);
    REQUIRE(made.code == 0);
    const auto viewer = made.out.substr(0, made.out.find('\n'));
    CHECK(g.server.get("/v1/jobs", g.with(viewer)).status == 200);
    CHECK(run_rowlock({"submit", "roles", "--url", g.server.url(), "--token", viewer}).code == 5);
    const auto listed = run_rowlock({"token", "list", "--url", g.server.url(), "--token", g.admin, "--format", "json"});
    CHECK(listed.code == 0);
    CHECK(listed.out.find("by-cli") != std::string::npos);
}
