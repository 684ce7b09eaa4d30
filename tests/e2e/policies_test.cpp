#include "tests/support/database_rows.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/server_process.hpp"
#include "tests/support/sql_user.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

using namespace rowlock::test;
namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

// A policy that is gone with the test: the server is shared.
class held_policy {
public:
    held_policy(std::string name, const json::object& body) : name_(std::move(name))
    {
        const auto reply = open_server().put("/v1/policies/" + name_, body);
        INFO(reply.body);
        REQUIRE(reply.status == 201);
        shown = reply.json();
    }
    ~held_policy() { http_request(open_server().address(), "DELETE", "/v1/policies/" + name_); }

    held_policy(const held_policy&) = delete;
    held_policy& operator=(const held_policy&) = delete;

    json::value shown;

private:
    std::string name_;
};

json::object on_job(std::string_view job, std::string_view level, std::string_view type, json::object payload)
{
    return {{"type", type}, {"scope", {{"kind", "job"}, {"key", job}}}, {"enforcement_level", level}, {"payload", std::move(payload)}};
}

json::object allow(json::array names)
{
    return {{"allow", std::move(names)}};
}

json::array violations(const std::string& filter)
{
    return open_server().get("/v1/policy-violations?" + filter).json().at("items").as_array();
}

// The newest, once there are as many.
json::value violation(const std::string& filter, std::size_t count = 1)
{
    eventually("it is recorded or known", [&] { return violations(filter).size() >= count; });
    return violations(filter).front();
}

json::object retried(int attempts)
{
    return {{"retry_policy", {{"max_attempts", attempts}, {"initial_delay_seconds", 0.01}}}};
}

}

TEST_CASE("a policy that blocks refuses a definition, and names itself", "[e2e][policies]")
{
    auto& server = open_server();
    const held_policy only_http("only-http", on_job("shelled", "block", "ALLOWED_HANDLERS", allow({"http"})));
    CHECK(only_http.shown.at("version") == 1);
    CHECK(only_http.shown.at("enabled") == true);
    CHECK(only_http.shown.at_pointer("/scope/key") == "shelled");
    const json::object definition{{"handler", {{"type", "noop"}}}};
    const auto refused = server.put("/v1/jobs/shelled", definition);
    INFO(refused.body);
    CHECK(refused.status == 422);
    CHECK(refused.json().at("code") == "POLICY_VIOLATION");
    CHECK(refused.json().at_pointer("/errors/0/field") == "handler.type");
    CHECK(text_at(refused.json(), "/errors/0/message").find("only-http") != std::string::npos);
    CHECK(server.put("/v1/jobs/shelled?dry_run=true", definition).status == 422);
    const auto applied = server.post("/v1/jobs/apply", {{"jobs", json::array{json::object{{"job_id", "shelled"}, {"handler", {{"type", "noop"}}}}}}});
    CHECK(applied.status == 422);
    CHECK(applied.json().at_pointer("/errors/0/field") == "jobs[0].handler.type");
    CHECK(server.get("/v1/jobs/shelled").status == 404);
    const auto found = violation("policy_id=only-http");
    CHECK(found.at("stage") == "DEFINITION");
    CHECK(found.at("blocked") == true);
    CHECK(found.at("job_id") == "shelled");
    server.define("unshelled", {{"type", "noop"}});
}

TEST_CASE("a policy that warns is a warning of the definition, and records what starts", "[e2e][policies]")
{
    auto& server = open_server();
    const held_policy stable("only-stable", on_job("unripe", "warn", "ALLOWED_LIFECYCLES", allow({"stable"})));
    const auto put = server.put("/v1/jobs/unripe", {{"handler", {{"type", "noop"}}}, {"lifecycle", "experimental"}});
    INFO(put.body);
    REQUIRE(put.status == 201);
    CHECK(text_at(put.json(), "/warnings/0").find("only-stable") != std::string::npos);
    const auto end = server.run("unripe");
    CHECK(end.at("status") == "COMPLETED");
    const auto found = violation("policy_id=only-stable", 2);
    CHECK(found.at("stage") == "START");
    CHECK(found.at("blocked") == false);
    CHECK(found.at("execution_id") == end.at("execution_id"));
    CHECK(found.at("detail") == "the lifecycle experimental is not allowed (stable is)");
}

TEST_CASE("what was defined before a policy is refused when it is submitted, and fails when it starts otherwise", "[e2e][policies]")
{
    auto& server = open_server();
    server.define("older", {{"type", "noop"}}, retried(3));
    server.define("other", {{"type", "noop"}});
    const json::object keyed{{"job_id", "older"}, {"idempotency_key", "older-1"}};
    const auto accepted = server.post("/v1/executions", keyed);
    REQUIRE(accepted.status == 201);
    const held_policy none("none-older", on_job("older", "block", "ALLOWED_HANDLERS", allow({})));
    const auto refused = server.post("/v1/executions", {{"job_id", "older"}});
    INFO(refused.body);
    CHECK(refused.status == 422);
    CHECK(refused.json().at("code") == "POLICY_VIOLATION");
    CHECK(refused.json().at_pointer("/errors/0/field") == "job_id");
    const auto batch = server.post("/v1/executions/batch", {{"executions", json::array{json::object{{"job_id", "other"}}, json::object{{"job_id", "older"}}}}});
    CHECK(batch.status == 422);
    CHECK(batch.json().at_pointer("/errors/0/field") == "executions[1].job_id");
    CHECK(server.post("/v1/executions", keyed).status == 200);

    // SQL is one of the ways that are judged at the start.
    sql_user user(open_server_database());
    const auto id = user.value("select rowlock.submit('older')");
    const auto end = server.ended(id);
    INFO(end);
    CHECK(end.at("status") == "FAILED");
    CHECK(end.at("attempt_number") == 1);
    CHECK(end.at_pointer("/result/error_code") == "PERMISSION_DENIED");
    CHECK(text_at(end, "/result/error_message").find("none-older") != std::string::npos);
    bool at_start = false;
    eventually("it is recorded or known", [&] {
        for (const auto& each : violations("policy_id=none-older")) at_start = at_start || (each.at("stage") == "START" && each.at("execution_id") == id.c_str());
        return at_start;
    });
}

TEST_CASE("a budget of attempts ends a run before its retry policy does", "[e2e][policies]")
{
    auto& server = open_server();
    server.define("budgeted", {{"type", "fail"}, {"error_code", "BROKEN"}}, retried(5));
    const held_policy two("two-attempts", on_job("budgeted", "block", "BUDGET", {{"attempts", 2}, {"per", "run"}}));
    const auto end = server.run("budgeted");
    INFO(end);
    CHECK(end.at("attempt_number") == 2);
    CHECK(end.at_pointer("/result/error_code") == "BROKEN");
    CHECK(text_at(end, "/result/error_message").find("the budget of the policy two-attempts is used up (2 of 2 attempts)") != std::string::npos);
    const auto found = violation("policy_id=two-attempts");
    CHECK(found.at("stage") == "RUN");
    CHECK(found.at("blocked") == true);
    CHECK(found.at("run_id") == end.at("run_id"));
    CHECK(server.metric("rowlock_budget_exceeded_total") >= 1);
    // A retry by hand is an attempt of the same run.
    const auto again = server.post("/v1/executions/" + text_at(end, "/execution_id") + "/retry", json::object{});
    REQUIRE(again.status == 201);
    const auto third = server.ended(text_at(again.json(), "/execution_id"));
    CHECK(third.at("attempt_number") == 3);
    CHECK(third.at_pointer("/result/error_code") == "BUDGET_EXCEEDED");
    CHECK(rows_at(open_server_database(), "select actor from rowlock.v_transitions where execution_id = '" + text_at(third, "/execution_id") + "' and to_status = 'FAILED'")[0][0].as<std::string>() == "policy");
}

TEST_CASE("a budget of attempts that warns lets a run go on", "[e2e][policies]")
{
    auto& server = open_server();
    server.define("warned", {{"type", "fail"}, {"error_code", "BROKEN"}}, retried(3));
    const held_policy one("one-warned", on_job("warned", "warn", "BUDGET", {{"attempts", 1}, {"per", "run"}}));
    const auto end = server.run("warned");
    CHECK(end.at("attempt_number") == 3);
    const auto found = violation("policy_id=one-warned", 3);
    CHECK(found.at("blocked") == false);
}

TEST_CASE("a budget of seconds stops the attempt that uses it up, over the attempts of a run", "[e2e][policies]")
{
    auto& server = open_server();
    server.define("slow-budget", {{"type", "sleep"}, {"seconds", 30}}, retried(5));
    {
        const held_policy half("half-second", on_job("slow-budget", "block", "BUDGET", {{"seconds", 0.5}, {"per", "run"}}));
        const auto end = server.run("slow-budget");
        INFO(end);
        CHECK(end.at("status") == "TIMEOUT");
        CHECK(end.at("attempt_number") == 1);
        CHECK(end.at_pointer("/result/error_code") == "BUDGET_EXCEEDED");
        CHECK(text_at(end, "/result/error_message").find("half-second") != std::string::npos);
    }
    // Attempts of some 0.3 s each: the second is stopped on its way.
    server.define("slow-attempts", {{"type", "process"}, {"command", json::array{"/bin/sh", "-c", "sleep 0.6; exit 1"}}}, retried(5));
    const held_policy second("one-second", on_job("slow-attempts", "block", "BUDGET", {{"seconds", 1}, {"per", "run"}}));
    const auto end = server.run("slow-attempts");
    INFO(end);
    CHECK(end.at("attempt_number") == 2);
    CHECK(end.at_pointer("/result/error_code") == "BUDGET_EXCEEDED");
}

TEST_CASE("cost units that attempts report add up over a run", "[e2e][policies]")
{
    auto& server = open_server();
    server.define("dear", {{"type", "process"}, {"command", json::array{"/bin/sh", "-c", R"(echo '{"metrics": {"cost_units": 2.5}}' >&3; exit 1)"}}}, retried(5));
    const held_policy five("five-units", on_job("dear", "block", "BUDGET", {{"cost_units", 5}, {"per", "run"}}));
    const auto end = server.run("dear");
    INFO(end);
    CHECK(end.at("attempt_number") == 2);
    CHECK(text_at(end, "/result/error_message").find("5 of 5 cost units") != std::string::npos);
}

TEST_CASE("a budget of a plan stops the plan run that has used it up, and names itself", "[e2e][policies][plan]")
{
    auto& server = open_server();
    server.define("step-budgeted", {{"type", "noop"}});
    json::object node_b{{"node_id", "b"}, {"job_id", "step-budgeted"}, {"needs", json::array{"a"}}};
    json::object node_c{{"node_id", "c"}, {"job_id", "step-budgeted"}, {"needs", json::array{"b"}}};
    const json::object plan{{"nodes", json::array{json::object{{"node_id", "a"}, {"job_id", "step-budgeted"}}, node_b, node_c}}};
    REQUIRE(server.put("/v1/plans/budgeted-plan", plan).status == 201);
    const held_policy two("two-of-a-plan", {{"type", "BUDGET"}, {"scope", {{"kind", "plan"}, {"key", "budgeted-plan"}}}, {"enforcement_level", "block"}, {"payload", {{"attempts", 2}, {"per", "plan"}}}});
    const auto reply = server.post("/v1/plan-runs?wait_seconds=60", {{"plan_id", "budgeted-plan"}});
    INFO(reply.body);
    REQUIRE(reply.status == 201);
    const auto run = reply.json();
    const auto id = text_at(run, "/plan_run_id");
    CHECK(run.at("status") == "FAILED");
    // The last node is cancelled in the queue, or, where it was claimed before that, not let start.
    const auto refusal = text_at(run, "/nodes/2/error_message");
    CHECK(refusal.find("the plan has used 2 of 2 attempts") != std::string::npos);
    CHECK(refusal.find("two-of-a-plan") != std::string::npos);
    const auto found = violation("policy_id=two-of-a-plan");
    CHECK(found.at("stage") == "PLAN");
    CHECK(found.at("blocked") == true);
    CHECK(found.at("detail") == "the plan has used 2 of 2 attempts");
    CHECK(found.at("plan_run_id") == json::string(id));
}

TEST_CASE("a policy is changed, switched off and deleted, and each change is kept", "[e2e][policies]")
{
    auto& server = open_server();
    server.define("switched", {{"type", "noop"}});
    auto body = on_job("switched", "block", "ALLOWED_HANDLERS", allow({"http"}));
    body["reason"] = "to begin with";
    CHECK(server.put("/v1/policies/switch", body).status == 201);
    CHECK(server.put("/v1/policies/switch", body).json().at("version") == 1);
    CHECK(server.post("/v1/executions", {{"job_id", "switched"}}).status == 422);
    body["enabled"] = false;
    const auto off = server.put("/v1/policies/switch", body);
    CHECK(off.status == 200);
    CHECK(off.json().at("version") == 2);
    CHECK(server.run("switched").at("status") == "COMPLETED");
    CHECK(http_request(server.address(), "DELETE", "/v1/policies/switch?reason=done").status == 204);
    CHECK(http_request(server.address(), "DELETE", "/v1/policies/switch").status == 404);
    CHECK(server.get("/v1/policies/switch").status == 404);
    body["enabled"] = true;
    CHECK(server.put("/v1/policies/switch", body).json().at("version") == 4);
    CHECK(http_request(server.address(), "DELETE", "/v1/policies/switch").status == 204);
    const auto rows = rows_at(open_server_database(), "select version, document is null, reason, actor from rowlock.v_policy_changes where policy_id = 'switch' order by version");
    REQUIRE(rows.size() == 5);
    CHECK(std::string(rows[0][2].c_str()) == "to begin with");
    CHECK(rows[2][1].as<bool>());
    CHECK(std::string(rows[2][2].c_str()) == "done");
    CHECK(server.put("/v1/policies/bad", {{"type", "REGION"}}).status == 422);
    CHECK(server.put("/v1/policies/Not-A-Slug", body).status == 404);
}

TEST_CASE("another instance judges by a policy within a second", "[e2e][policies]")
{
    test_database database;
    const std::vector<std::string> serve{"serve", "--database", database.url(), "--auth", "none"};
    server_process one(serve, any_program());
    server_process other(serve, any_program());
    one.define("elsewhere", {{"type", "noop"}});
    CHECK(other.run("elsewhere").at("status") == "COMPLETED");
    CHECK(one.put("/v1/policies/none", on_job("elsewhere", "block", "ALLOWED_HANDLERS", allow({}))).status == 201);
    CHECK(one.post("/v1/executions", {{"job_id", "elsewhere"}}).status == 422);
    eventually("the other has heard of it", [&] { return other.post("/v1/executions", {{"job_id", "elsewhere"}}).status == 422; });
}

TEST_CASE("tenants write policies of their own, and see those that hold for them", "[e2e][policies]")
{
    test_database database;
    server_process server({"serve", "--database", database.url()}, any_program());
    const http_fields admin{{"Authorization", "Bearer " + make_admin_token(database.url())}};
    const auto token = [&](const char* tenant) {
        const auto made = server.post("/v1/tokens", {{"role", "editor"}, {"tenant_id", tenant}, {"name", tenant}}, admin);
        REQUIRE(made.status == 201);
        return http_fields{{"Authorization", "Bearer " + text_at(made.json(), "/token")}};
    };
    const auto acme = token("acme");
    const auto beta = token("beta");
    const auto on = [](const char* kind, const char* key) {
        json::object scope{{"kind", kind}};
        if (key) scope["key"] = key;
        return json::object{{"type", "ALLOWED_HANDLERS"}, {"scope", std::move(scope)}, {"enforcement_level", "block"}, {"payload", {{"allow", json::array{"noop"}}}}};
    };
    CHECK(server.put("/v1/policies/everywhere", on("global", nullptr), acme).status == 403);
    CHECK(server.put("/v1/policies/beta-only", on("tenant", "beta"), acme).status == 403);
    CHECK(server.put("/v1/policies/mine", on("tenant", "acme"), acme).status == 201);
    CHECK(server.put("/v1/policies/on-beta", on("tenant", "beta"), admin).status == 201);
    CHECK(server.put("/v1/policies/everywhere", on("global", nullptr), admin).status == 201);
    // Those that were made for all are changed by those who made them.
    CHECK(server.put("/v1/policies/on-beta", on("tenant", "beta"), beta).status == 422);
    CHECK(http_request(server.address(), "DELETE", "/v1/policies/on-beta", "", beta).status == 403);
    CHECK(http_request(server.address(), "DELETE", "/v1/policies/mine", "", beta).status == 404);
    CHECK(server.get("/v1/policies/mine", beta).status == 404);
    CHECK(server.get("/v1/policies/on-beta", acme).status == 404);
    CHECK(server.get("/v1/policies/on-beta", beta).status == 200);
    const auto names = [&](const http_fields& who) {
        std::string all;
        const auto listed = server.get("/v1/policies", who).json();
        for (const auto& each : listed.at("items").as_array()) all += text_at(each, "/policy_id") + " ";
        return all;
    };
    CHECK(names(acme) == "everywhere mine ");
    CHECK(names(beta) == "everywhere on-beta ");
    CHECK(names(admin) == "everywhere mine on-beta ");
    const auto page = server.get("/v1/policies?limit=1", acme);
    CHECK(page.json().at("items").as_array().size() == 1);
    CHECK(server.get("/v1/policies?cursor=" + text_at(page.json(), "/next_cursor").replace(text_at(page.json(), "/next_cursor").find(' '), 1, "%20"), acme).json().at("items").as_array().size() == 1);
    for (const char* cursor : {"x", "%20", "mine%20x", "Mine%200", "mine%2012345678901"}) {
        const auto refused = server.get(std::string("/v1/policies?cursor=") + cursor, acme);
        INFO(cursor << refused.body);
        CHECK(refused.status == 422);
        CHECK(refused.json().at_pointer("/errors/0/field") == "cursor");
    }
    const json::object shell{{"handler", {{"type", "fail"}}}};
    CHECK(server.put("/v1/jobs/shell", shell, acme).status == 422);
    CHECK(server.get("/v1/policy-violations", beta).json().at("items").as_array().empty());
    eventually("it is recorded or known", [&] { return server.get("/v1/policy-violations", acme).json().at("items").as_array().size() == 2; });
    CHECK(server.get("/v1/policy-violations?since=2999-01-01T00:00:00Z", acme).json().at("items").as_array().empty());
    CHECK(server.get("/v1/policy-violations?cursor=x", acme).status == 422);
}

TEST_CASE("a policy goes from all tenants to one and back by a change of its scope", "[e2e][policies]")
{
    auto& server = open_server();
    const auto put = [&](json::object scope) {
        return server.put("/v1/policies/wanders", {{"type", "ALLOWED_HANDLERS"}, {"scope", std::move(scope)}, {"enforcement_level", "warn"}, {"payload", allow({"noop"})}});
    };
    CHECK(put({{"kind", "tenant"}, {"key", "wanders-first"}}).status == 201);
    const auto on_one = put({{"kind", "job"}, {"key", "wandered-to"}});
    INFO(on_one.body);
    CHECK(on_one.status == 200);
    CHECK(on_one.json().at("tenant_id") == "default");
    CHECK(put({{"kind", "tenant"}, {"key", "wanders-first"}}).json().at("tenant_id").is_null());
    std::size_t found = 0;
    const auto listed = server.get("/v1/policies").json();
    for (const auto& each : listed.at("items").as_array()) found += each.at("policy_id") == "wanders" ? 1U : 0U;
    CHECK(found == 1);
    CHECK(rows_at(open_server_database(), "select string_agg(coalesce(tenant_id, '*') || version || case when document is null then '-' else '+' end, ' ' order by change_number)"
                                          " from rowlock.policy_changes c left join rowlock.tenants t on t.tenant_key = c.owner_key where policy_id = 'wanders'")[0][0].as<std::string>()
          == "*1+ *2- default3+ default4- *5+");
    CHECK(http_request(server.address(), "DELETE", "/v1/policies/wanders").status == 204);
}

TEST_CASE("rowlock policy sets, shows, lists and deletes policies, and lists violations", "[e2e][policies][cli]")
{
    auto& server = open_server();
    const auto cli = [&](std::vector<std::string> arguments) { return run_rowlock(std::move(arguments), {{"ROWLOCK_URL", server.url()}}); };
    const auto set = cli({"policy", "set", "cli-policy", "--type", "ALLOWED_HANDLERS", "--allow", "http,sql", "--scope", "job:cli-policed", "--level", "block", "--reason", "a test"});
    INFO(set.out << set.err);
    CHECK(set.code == 0);
    CHECK(set.out.find("allow http, sql") != std::string::npos);
    CHECK(server.put("/v1/jobs/cli-policed", {{"handler", {{"type", "noop"}}}}).status == 422);
    const auto budget = cli({"policy", "set", "cli-budget", "--type", "BUDGET", "--attempts", "3", "--seconds", "60", "--scope", "job:cli-policed", "--level", "warn", "--format", "json"});
    REQUIRE(budget.code == 0);
    CHECK(json::parse(budget.out).at_pointer("/payload/per") == "run");
    const auto list = cli({"policy", "list"});
    CHECK(list.out.find("3 attempts, 60 s per run") != std::string::npos);
    CHECK(cli({"policy", "show", "cli-policy"}).out.find("job:cli-policed") != std::string::npos);
    violation("policy_id=cli-policy");
    const auto found = cli({"policy", "violations", "--policy", "cli-policy"});
    CHECK(found.out.find("DEFINITION") != std::string::npos);
    CHECK(cli({"policy", "set", "cli-bad", "--type", "BUDGET", "--level", "block"}).code != 0);
    for (const char* name : {"cli-policy", "cli-budget"}) CHECK(cli({"policy", "delete", name, "--reason", "done"}).code == 0);
    CHECK(cli({"policy", "show", "cli-policy"}).code != 0);
}

TEST_CASE("what a tenant may use in a day is used up: submissions are refused, and what is queued waits", "[e2e][policies]")
{
    auto& server = open_server();
    const http_fields thrifty{{"X-Rowlock-Tenant", "thrifty"}};
    CHECK(server.put("/v1/jobs/spends", {{"handler", {{"type", "noop"}}}}, thrifty).status == 201);
    CHECK(server.put("/v1/jobs/waits", {{"handler", {{"type", "noop"}}}}, thrifty).status == 201);
    CHECK(server.put("/v1/limits/job/waits", {{"max_running", 0}}, thrifty).status == 200);
    const auto waits = text_at(server.post("/v1/executions", {{"job_id", "waits"}}, thrifty).json(), "/execution_id");
    const std::string end = "/v1/executions/" + waits;
    const auto submit = [&] { return server.post("/v1/executions?wait_seconds=60", {{"job_id", "spends"}}, thrifty); };
    {
        const held_policy daily("daily", {{"type", "BUDGET"}, {"scope", {{"kind", "tenant"}, {"key", "thrifty"}}}, {"enforcement_level", "block"}, {"payload", {{"attempts", 2}, {"per", "tenant_day"}}}});
        CHECK(submit().status == 201);
        CHECK(submit().status == 201);
        http_reply refused;
        eventually("the budget is used up", [&] { return (refused = submit()).status == 429; });
        INFO(refused.body);
        CHECK(refused.json().at("code") == "BUDGET_EXCEEDED");
        CHECK(text_at(refused.json(), "/detail").find("daily") != std::string::npos);
        CHECK(std::stoi(refused.field("Retry-After")) > 0);
        CHECK(std::stoi(refused.field("Retry-After")) <= 86400);
        CHECK(server.post("/v1/executions", {{"job_id", "spends"}, {"scheduled_time", "2999-01-01T00:00:00Z"}}, thrifty).status == 201);
        // Others go on.
        server.define("spends-not", {{"type", "noop"}});
        CHECK(server.run("spends-not").at("status") == "COMPLETED");
        CHECK(http_request(server.address(), "DELETE", "/v1/limits/job/waits", "", thrifty).status == 204);
        eventually("the budget holds it back", [&] { return server.get(end + "/explain", thrifty).json().at_pointer("/blocked_by/0/rule") == "budget"; });
        const auto told = server.get(end + "/explain", thrifty).json();
        INFO(told);
        CHECK(told.at_pointer("/blocked_by/0/key") == "daily");
        CHECK(text_at(told, "/blocked_by/0/used").find(" of 2 attempts") != std::string::npos);
        CHECK(server.get(end, thrifty).json().at("status") == "QUEUED");
        const auto found = violation("policy_id=daily");
        CHECK(found.at("stage") == "DAY");
        CHECK(found.at("tenant_id") == "thrifty");
    }
    // Without the policy it starts by itself.
    eventually("it has run", [&] { return server.get(end, thrifty).json().at("status") == "COMPLETED"; });
    eventually("submissions come in again", [&] { return submit().status == 201; });
    CHECK(violations_at(open_server_database()) == std::vector<std::string>{});
}
