#include "tests/support/database_rows.hpp"
#include "tests/support/guarded_server.hpp"
#include "tests/support/plans.hpp"

#include <catch2/catch.hpp>
#include <map>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

constexpr const char* unknown = "0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10";

std::map<std::string, std::string> errors_of(const http_reply& reply)
{
    std::map<std::string, std::string> all;
    const auto problem = reply.json();
    for (const auto& one : problem.at("errors").as_array()) all.emplace(text_at(one, "/field"), text_at(one, "/message"));
    return all;
}

http_reply start(const json::value& body, const http_fields& fields = {})
{
    return open_server().post("/v1/plan-runs", body, fields);
}

std::size_t runs()
{
    return open_server().get("/v1/plan-runs?limit=1000").json().at("items").as_array().size();
}

}

TEST_CASE("a cycle is refused with its path, and nothing has changed", "[e2e][plans]")
{
    auto& server = open_server();
    const auto before = runs();
    const auto plan = plan_of({node("z"), node("a", {"c", "z"}), node("b", {"a"}), node("c", {"b"})});
    for (const auto& reply : {start({{"plan", plan}}), start({{"plan", plan}, {"dry_run", true}}), server.put("/v1/plans/cyclic", plan), server.put("/v1/plans/cyclic?dry_run=true", plan)}) {
        INFO(reply.body);
        CHECK(reply.status == 422);
        CHECK(reply.json().at("code") == "DEP_002_CYCLE_DETECTED");
        const auto path = reply.json().at_pointer("/errors/0/cycle_path").as_array();
        REQUIRE(path.size() == 4);
        CHECK(path.front() == path.back());
        std::string text;
        for (const auto& id : path) text += id.as_string().c_str();
        CHECK(std::string("abcabc").find(text.substr(0, 3)) != std::string::npos);
    }
    CHECK(runs() == before);
    CHECK(server.get("/v1/plans/cyclic").status == 404);
}

TEST_CASE("every error of a plan comes back at once, by its field", "[e2e][plans]")
{
    const auto before = runs();
    const auto plan = plan_of({node("a"), node("a"), node("b", {"nobody", "b", json::object{{"node", "a"}, {"type", "SOMETIMES"}}}), node("Not A Slug"),
                               json::object{{"node_id", "empty"}}, node("f", {}, {{"fallback", "missing"}}), node("gate", {}, {{"type", "validator"}, {"fallback", "a"}}),
                               node("h", {}, {{"handler", {{"type", "teleport"}}}}), node("odd", {}, {{"colour", "red"}}), node("later", {}, {{"parameters", {{"x", "{{ nodes.a.outputs.y }}"}}}})},
                              {{"on_failure", "perhaps"}, {"unknown", 1}});
    const auto reply = start({{"plan", plan}});
    INFO(reply.body);
    REQUIRE(reply.status == 422);
    CHECK(reply.json().at("code") == "INVALID_REQUEST");
    const auto errors = errors_of(reply);
    for (const char* field : {"plan.nodes[1].node_id", "plan.nodes[2].needs[0]", "plan.nodes[2].needs[1]", "plan.nodes[2].needs[2].type", "plan.nodes[3].node_id", "plan.nodes[4].job_id",
                              "plan.nodes[5].fallback", "plan.nodes[6].fallback", "plan.nodes[7].handler.type", "plan.nodes[8].colour", "plan.nodes[9].parameters.x", "plan.on_failure", "plan.unknown"}) {
        INFO(field);
        CHECK(errors.count(field) == 1);
    }
    CHECK(runs() == before);
}

TEST_CASE("what is wrong beside the plan is told with what is wrong in it", "[e2e][plans]")
{
    const auto reply = start({{"plan", plan_of({node("a", {"b"})})}, {"parameters", 1}, {"tags", {{"n", 1}}}, {"priority", 5}, {"idempotency_key", "not a key"}});
    INFO(reply.body);
    REQUIRE(reply.status == 422);
    const auto errors = errors_of(reply);
    for (const char* field : {"plan.nodes[0].needs[0]", "parameters", "tags.n", "priority", "idempotency_key"}) {
        INFO(field);
        CHECK(errors.count(field) == 1);
    }
}

TEST_CASE("a run is of one plan: stored or given", "[e2e][plans]")
{
    struct row {
        const char* why;
        json::value body;
        const char* field;
    };
    const auto plan = plan_of({node("a")});
    const row rows[] = {
        {"neither", json::object{}, "plan_id"},
        {"both", json::object{{"plan_id", "x"}, {"plan", plan}}, "plan"},
        {"a version of a given plan", json::object{{"plan", plan}, {"plan_version", 1}}, "plan_version"},
        {"not an id", json::object{{"plan_id", "No Plan"}}, "plan_id"},
        {"a plan that is none", json::object{{"plan", "a"}}, "plan"},
        {"no such plan", json::object{{"plan_id", "nobody-knows-it"}}, "plan_id"},
    };
    for (const auto& one : rows) {
        INFO(one.why);
        const auto reply = start(one.body);
        INFO(reply.body);
        CHECK(reply.status == 422);
        CHECK(reply.json().at_pointer("/errors/0/field") == one.field);
    }
    CHECK(start(json::value(json::array{})).status == 400);
}

TEST_CASE("unknown jobs, versions and SQL/JSON paths are refused by field, all at once", "[e2e][plans]")
{
    auto& server = open_server();
    server.define("plan-known", {{"type", "noop"}});
    auto reply = start({{"plan", plan_of({json::object{{"node_id", "a"}, {"job_id", "nobody-a"}}, json::object{{"node_id", "b"}, {"job_id", "nobody-b"}},
                                          json::object{{"node_id", "c"}, {"job_id", "plan-known"}, {"job_version", 9}}, json::object{{"node_id", "d"}, {"job_id", "plan-known"}}})}});
    INFO(reply.body);
    REQUIRE(reply.status == 422);
    auto errors = errors_of(reply);
    CHECK(errors.count("plan.nodes[0].job_id") == 1);
    CHECK(errors.count("plan.nodes[1].job_id") == 1);
    CHECK(errors.count("plan.nodes[2].job_version") == 1);
    CHECK(errors.size() == 3);

    reply = start({{"plan", plan_of({node("a"), node("b", {json::object{{"node", "a"}, {"condition", "$.x =="}}}), node("c", {json::object{{"node", "a"}, {"condition", "not a path"}}})})}});
    INFO(reply.body);
    REQUIRE(reply.status == 422);
    errors = errors_of(reply);
    CHECK(errors.count("plan.nodes[1].needs[0].condition") == 1);
    CHECK(errors.count("plan.nodes[2].needs[0].condition") == 1);
}

TEST_CASE("a parameter that a template names and nobody gives is refused, naming node and path", "[e2e][plans]")
{
    const auto plan = plan_of({node("a", {}, {{"parameters", {{"day", "{{ parameters.day }}"}, {"n", "{{ parameters.n }}"}}}})}, {{"parameters", {{"n", 1}}}});
    const auto reply = start({{"plan", plan}});
    INFO(reply.body);
    REQUIRE(reply.status == 422);
    const auto errors = errors_of(reply);
    REQUIRE(errors.count("plan.nodes[0].parameters.day") == 1);
    CHECK(errors.size() == 1);
    CHECK(start({{"plan", plan}, {"parameters", {{"day", "monday"}}}}).status == 201);
}

TEST_CASE("a disabled job is 409, and bad queries, ids and cursors are refused", "[e2e][plans]")
{
    auto& server = open_server();
    server.define("plan-disabled", {{"type", "noop"}});
    server.post("/v1/jobs/plan-disabled/disable", json::object{});
    const auto reply = start({{"plan", plan_of({json::object{{"node_id", "a"}, {"job_id", "plan-disabled"}}})}});
    INFO(reply.body);
    CHECK(reply.status == 409);
    CHECK(reply.json().at("code") == "JOB_DISABLED");

    const std::string id(unknown);
    for (const std::string& path : {"/v1/plan-runs/" + id, "/v1/plan-runs/" + id + "/wait", "/v1/plan-runs/" + id + "/graph", std::string("/v1/plan-runs/x"), std::string("/v1/plans/nobody"),
                                   std::string("/v1/plans/nobody/versions"), std::string("/v1/plans/nobody/versions/1"), std::string("/v1/plans/nobody/graph"), std::string("/v1/plans/No")}) {
        INFO(path);
        CHECK(server.get(path).status == 404);
    }
    for (const std::string action : {"cancel", "rerun"}) {
        INFO(action);
        CHECK(server.post("/v1/plan-runs/" + id + "/" + action, json::object{}).status == 404);
        CHECK(server.post("/v1/plan-runs/" + id + "/" + action, json::object{{"what", 1}}).status == 422);
    }
    CHECK(server.post("/v1/plan-runs/" + id + "/nodes", json::object{{"nodes", json::array{node("a")}}}).status == 404);
    CHECK(server.post("/v1/plan-runs/" + id + "/nodes", json::object{}).status == 422);
    CHECK(server.post("/v1/plan-runs/" + id + "/nodes", json::object{{"nodes", json::array{}}}).status == 422);
    for (const char* path : {"/v1/plan-runs?status=PENDING", "/v1/plan-runs?cursor=x", "/v1/plan-runs?limit=0", "/v1/plan-runs?colour=red", "/v1/plan-runs?plan_id=No%20Slug", "/v1/plans?limit=0",
                             "/v1/graph?format=svg", "/v1/graph?x=1"}) {
        INFO(path);
        CHECK(server.get(path).status == 422);
    }
    CHECK(server.post("/v1/plan-runs?wait_seconds=301", json::object{{"plan", plan_of({node("a")})}}).status == 422);
    CHECK(server.post("/v1/plan-runs?format=dot", json::object{{"plan", plan_of({node("a")})}}).status == 422);
    CHECK(server.post("/v1/executions/" + id + "/cancel", json::object{{"cascade", "SOME"}}).status == 422);
}

TEST_CASE("who may read may not run, who may run may not define, and tenants do not see each other's plans", "[e2e][plans][tokens]")
{
    const guarded_server guarded;
    const auto& server = guarded.server;
    const auto viewer = guarded.as("viewer", "default");
    const auto operating = guarded.as("operator", "default");
    const auto editor = guarded.as("editor", "default");
    const auto stranger = guarded.as("admin", "elsewhere");
    const auto plan = plan_of({node("a")});
    CHECK(server.put("/v1/plans/p", plan, operating).status == 403);
    REQUIRE(server.put("/v1/plans/p", plan, editor).status == 201);
    CHECK(server.post("/v1/plan-runs", json::object{{"plan_id", "p"}}, viewer).status == 403);
    const auto started = server.post("/v1/plan-runs?wait_seconds=30", json::object{{"plan_id", "p"}}, operating);
    REQUIRE(started.status == 201);
    const auto id = text_at(started.json(), "/plan_run_id");
    CHECK(server.get("/v1/plan-runs/" + id, viewer).status == 200);
    CHECK(server.get("/v1/plans/p", viewer).status == 200);
    CHECK(server.get("/v1/graph", viewer).status == 200);
    CHECK(server.post("/v1/plan-runs/" + id + "/rerun", json::object{{"from", "a"}}, viewer).status == 403);
    for (const std::string& path : {"/v1/plan-runs/" + id, "/v1/plan-runs/" + id + "/graph", "/v1/plan-runs/" + id + "/wait", std::string("/v1/plans/p")}) {
        INFO(path);
        CHECK(server.get(path, stranger).status == 404);
        CHECK(server.get(path).status == 401);
    }
    CHECK(server.post("/v1/plan-runs/" + id + "/cancel", json::object{}, stranger).status == 404);
    CHECK(server.get("/v1/plan-runs", stranger).json().at("items").as_array().empty());
    CHECK(server.post("/v1/plan-runs", json::object{{"plan_id", "p"}}, stranger).status == 422);
}
