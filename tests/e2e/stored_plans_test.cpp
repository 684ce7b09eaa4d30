#include "tests/support/plans.hpp"

#include <catch2/catch.hpp>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

// The fields that are refused, in their order.
std::vector<std::string> fields_of(const json::value& problem)
{
    std::vector<std::string> fields;
    for (const auto& one : problem.at("errors").as_array()) fields.push_back(text_at(one, "/field"));
    return fields;
}

}

TEST_CASE("a stored plan has versions with author, reason and time, and only a change makes one", "[e2e][plans]")
{
    auto& server = open_server();
    const auto first = server.put("/v1/plans/stored", with(plan_of({node("a")}), {{"description", "nightly"}, {"reason", "begun"}}));
    INFO(first.body);
    REQUIRE(first.status == 201);
    CHECK(first.field("Location") == "/v1/plans/stored");
    CHECK(first.field("ETag") == "\"1\"");
    CHECK(first.json().at("version") == 1);
    CHECK(first.json().at("reason") == "begun");
    CHECK(first.json().at("plan_id") == "stored");
    const auto same = server.put("/v1/plans/stored", with(plan_of({node("a")}), {{"description", "nightly"}, {"reason", "again"}}));
    CHECK(same.status == 200);
    CHECK(same.json().at("version") == 1);
    const auto second = server.put("/v1/plans/stored", with(plan_of({node("a"), node("b", {"a"})}), {{"plan_id", "stored"}, {"reason", "one more"}}));
    INFO(second.body);
    CHECK(second.status == 200);
    CHECK(second.json().at("version") == 2);

    const auto now = server.get("/v1/plans/stored");
    CHECK(now.field("ETag") == "\"2\"");
    CHECK(now.json().at("nodes").as_array().size() == 2);
    CHECK(server.get("/v1/plans/stored", {{"If-None-Match", "\"2\""}}).status == 304);
    CHECK(server.get("/v1/plans/stored/versions/1").json().at("nodes").as_array().size() == 1);
    CHECK(server.get("/v1/plans/stored/versions/3").status == 404);
    const auto versions = server.get("/v1/plans/stored/versions").json().at("items").as_array();
    REQUIRE(versions.size() == 2);
    CHECK(versions[0].at("version") == 2);
    CHECK(versions[0].at("reason") == "one more");
    CHECK(versions[1].at("reason") == "begun");
    // A version was made when it was made, whenever the plan was.
    CHECK(versions[1].at("created_time") == now.json().at("created_time"));
    CHECK(versions[0].at("created_time") == now.json().at("changed_time"));
    CHECK(text_at(versions[0], "/created_time") > text_at(versions[1], "/created_time"));
    CHECK(server.get("/v1/plans/stored/versions/2").json().at("created_time") == now.json().at("changed_time"));
    const auto page = server.get("/v1/plans/stored/versions?limit=1").json();
    CHECK(server.get("/v1/plans/stored/versions?limit=1&cursor=" + text_at(page, "/next_cursor")).json().at_pointer("/items/0/version") == 1);
    // What GET gave can be put back as it is.
    CHECK(server.put("/v1/plans/stored", now.json()).json().at("version") == 2);
}

TEST_CASE("If-Match guards a stored plan, and a dry run stores nothing", "[e2e][plans]")
{
    auto& server = open_server();
    const auto rehearsed = server.put("/v1/plans/guarded?dry_run=true", plan_of({node("a")}));
    INFO(rehearsed.body);
    REQUIRE(rehearsed.status == 200);
    CHECK(rehearsed.json().at("dry_run") == true);
    CHECK(rehearsed.json().at("created") == true);
    CHECK(server.get("/v1/plans/guarded").status == 404);
    CHECK(server.put("/v1/plans/guarded", plan_of({node("a")}), {{"If-Match", "\"1\""}}).status == 412);
    REQUIRE(server.put("/v1/plans/guarded", plan_of({node("a")})).status == 201);
    const auto change = server.put("/v1/plans/guarded?dry_run=true", plan_of({node("a")}, {{"on_failure", "fail_fast"}}));
    INFO(change.body);
    CHECK(change.json().at("changed") == true);
    CHECK(change.json().at("version") == 2);
    CHECK(change.json().at_pointer("/diff/0/field") == "on_failure");
    CHECK(server.get("/v1/plans/guarded").json().at("version") == 1);
    const auto stale = server.put("/v1/plans/guarded", plan_of({node("b")}), {{"If-Match", "\"7\""}});
    CHECK(stale.status == 412);
    CHECK(stale.json().at("code") == "VERSION_CONFLICT");
    CHECK(server.put("/v1/plans/guarded", plan_of({node("b")}), {{"If-Match", "\"1\""}}).json().at("version") == 2);
    // As of jobs: any of a list, weak or not; `*` is whatever is there; what is no ETag holds for nothing.
    CHECK(server.put("/v1/plans/guarded", plan_of({node("c")}), {{"If-Match", "\"7\", W/\"2\""}}).json().at("version") == 3);
    CHECK(server.put("/v1/plans/guarded", plan_of({node("d")}), {{"If-Match", "*"}}).json().at("version") == 4);
    CHECK(server.put("/v1/plans/guarded", plan_of({node("e")}), {{"If-Match", "four"}}).status == 412);
    CHECK(server.put("/v1/plans/never-there", plan_of({node("e")}), {{"If-Match", "*"}}).status == 412);
    CHECK(server.put("/v1/plans/guarded", plan_of({node("b")}, {{"plan_id", "other"}})).status == 422);
}

TEST_CASE("many plans are applied as one: all of them, or none", "[e2e][plans][apply]")
{
    auto& server = open_server();
    const auto named = [](const std::string& id, json::array nodes, const json::object& more = {}) { return with(plan_of(std::move(nodes), more), {{"plan_id", id}}); };
    const auto apply = [&server](json::array plans, const json::object& more = {}) { return server.post("/v1/plans/apply", with({{"plans", std::move(plans)}}, more)); };
    REQUIRE(server.put("/v1/plans/apply-same", plan_of({node("a")})).status == 201);
    REQUIRE(server.put("/v1/plans/apply-changed", plan_of({node("a")})).status == 201);
    const json::array all{named("apply-new", {node("a")}, {{"reason", "its own"}}), named("apply-same", {node("a")}), named("apply-changed", {node("a")}, {{"on_failure", "fail_fast"}})};

    for (const bool dry_run : {true, false}) {
        const auto reply = apply(all, {{"reason", "as one"}, {"dry_run", dry_run}});
        INFO(reply.body);
        REQUIRE(reply.status == 200);
        const auto said = reply.json();
        CHECK(said.at("dry_run") == dry_run);
        CHECK(said.at_pointer("/plans/0/plan_id") == "apply-new");
        CHECK(said.at_pointer("/plans/0/outcome") == "created");
        CHECK(said.at_pointer("/plans/0/version") == 1);
        CHECK(said.at_pointer("/plans/1/outcome") == "unchanged");
        CHECK(said.at_pointer("/plans/1/diff").as_array().empty());
        CHECK(said.at_pointer("/plans/2/outcome") == "updated");
        CHECK(said.at_pointer("/plans/2/etag") == "\"2\"");
        CHECK(said.at_pointer("/plans/2/diff/0/field") == "on_failure");
        CHECK(server.get("/v1/plans/apply-new").status == (dry_run ? 404 : 200));
    }
    CHECK(server.get("/v1/plans/apply-new").json().at("reason") == "its own");
    CHECK(server.get("/v1/plans/apply-changed").json().at("reason") == "as one");
    CHECK(server.get("/v1/plans/apply-same").json().at("version") == 1);

    // One that is refused keeps the others out, and everything is told at once.
    const auto ring = json::array{node("a", {"b"}), node("b", {"a"})};
    const auto refused = apply({named("apply-other", {node("a")}), named("apply-ring", ring), plan_of({node("a")}), named("apply-other", {node("a", {"gone"})}), 5,
                                named("apply-other", {node("b")})}, {{"who", "me"}});
    INFO(refused.body);
    REQUIRE(refused.status == 422);
    CHECK(refused.json().at("code") == "DEP_002_CYCLE_DETECTED");
    CHECK(refused.json().at_pointer("/errors/0/cycle_path").as_array().size() == 3);
    CHECK(fields_of(refused.json()) == std::vector<std::string>{"plans[1].nodes[0].needs", "who", "plans[2].plan_id", "plans[3].nodes[0].needs[0]", "plans[4]", "plans[5].plan_id"});
    CHECK(server.get("/v1/plans/apply-other").status == 404);

    // The same where only the catalogue or the database knows that it is wrong.
    const auto unknown = json::object{{"node_id", "b"}, {"job_id", "apply-no-such-job"}};
    const auto no_path = node("b", {json::object{{"node", "a"}, {"condition", "$.("}}});
    const auto late = apply({named("apply-other", {node("a")}), named("apply-third", {unknown}), named("apply-fourth", {node("a"), no_path})});
    INFO(late.body);
    REQUIRE(late.status == 422);
    CHECK(fields_of(late.json()) == std::vector<std::string>{"plans[1].nodes[0].job_id", "plans[2].nodes[1].needs[0].condition"});
    CHECK(server.get("/v1/plans/apply-other").status == 404);
    CHECK(apply({}).status == 422);
    CHECK(server.post("/v1/plans/apply", json::array{}).status == 400);
}

TEST_CASE("a run keeps the version that it was started with, and may ask for an older one", "[e2e][plans]")
{
    auto& server = open_server();
    REQUIRE(server.put("/v1/plans/versioned", plan_of({node("old")})).status == 201);
    REQUIRE(server.put("/v1/plans/versioned", plan_of({node("new")}, {{"description", "x"}, {"default_mode", "distributed"}})).status == 200);
    auto run = server.post("/v1/plan-runs?wait_seconds=60", json::object{{"plan_id", "versioned"}}).json();
    INFO(run);
    CHECK(run.at("plan_id") == "versioned");
    CHECK(run.at("plan_version") == 2);
    CHECK(status_in(run, "new") == "COMPLETED");
    run = server.post("/v1/plan-runs?wait_seconds=60", json::object{{"plan_id", "versioned"}, {"plan_version", 1}}).json();
    INFO(run);
    CHECK(run.at("plan_version") == 1);
    CHECK(status_in(run, "old") == "COMPLETED");
    CHECK(server.post("/v1/plan-runs", json::object{{"plan_id", "versioned"}, {"plan_version", 3}}).status == 422);
    CHECK(server.get("/v1/plans/versioned").json().at("default_mode") == "distributed");
}

TEST_CASE("stored plans are listed by id, in pages", "[e2e][plans]")
{
    auto& server = open_server();
    for (const char* id : {"zz-listed-c", "zz-listed-a", "zz-listed-b"}) REQUIRE(server.put(std::string("/v1/plans/") + id, plan_of({node("a")})).status == 201);
    std::vector<std::string> ids;
    std::string cursor;
    do {
        const auto page = server.get("/v1/plans?limit=2" + (cursor.empty() ? "" : "&cursor=" + cursor)).json();
        for (const auto& item : page.at("items").as_array()) {
            const auto id = text_at(item, "/plan_id");
            if (id.rfind("zz-listed-", 0) == 0) ids.push_back(id);
        }
        cursor = page.at("next_cursor").is_null() ? "" : text_at(page, "/next_cursor");
    } while (!cursor.empty());
    CHECK(ids == std::vector<std::string>{"zz-listed-a", "zz-listed-b", "zz-listed-c"});
}

TEST_CASE("a stored plan is drawn without a run, also where its runs need parameters", "[e2e][plans]")
{
    auto& server = open_server();
    server.define("drawn-gate", {{"type", "noop"}}, {{"type", "validator"}});
    REQUIRE(server.put("/v1/plans/drawn", plan_of({node("a", {}, {{"parameters", {{"day", "{{ parameters.day }}"}}}}), json::object{{"node_id", "gate"}, {"job_id", "drawn-gate"}, {"needs", json::array{"a"}}},
                                                   node("b", {json::object{{"node", "gate"}, {"type", "COMPLETION"}}}, {{"fallback", "c"}}), node("c")})).status == 201);
    const auto graph = server.get("/v1/plans/drawn/graph").json();
    INFO(graph);
    CHECK(graph.at("is_valid") == true);
    CHECK(graph.at("execution_order") == json::array{json::array{"a"}, json::array{"gate"}, json::array{"b"}, json::array{"c"}});
    CHECK(graph.at_pointer("/nodes/1/gate") == true);
    const auto mermaid = server.get("/v1/plans/drawn/graph?format=mermaid");
    CHECK(mermaid.body.rfind("flowchart", 0) == 0);
    CHECK(mermaid.field("Content-Type").rfind("text/plain", 0) == 0);
    CHECK(server.get("/v1/plans/drawn/graph?format=dot&version=1").body.find("\"a\" -> \"gate\"") != std::string::npos);
    CHECK(server.get("/v1/plans/drawn/graph?version=2").status == 404);
    CHECK(server.get("/v1/plans/drawn/graph?format=svg").status == 422);

    server.post("/v1/jobs/drawn-gate/disable", json::object{});
    const auto invalid = server.get("/v1/plans/drawn/graph").json();
    CHECK(invalid.at("is_valid") == false);
    CHECK(text_at(invalid, "/validation_errors/0").find("drawn-gate") != std::string::npos);
    server.post("/v1/jobs/drawn-gate/enable", json::object{});
}

TEST_CASE("the graph of all jobs has an edge from who makes a data set to who reads it", "[e2e][graph]")
{
    auto& server = open_server();
    server.define("graph-make", {{"type", "noop"}}, {{"outputs", json::array{"graph-set"}}});
    server.define("graph-read", {{"type", "noop"}}, {{"inputs", json::array{json::object{{"name", "graph-set"}}, "from-elsewhere"}}});
    const auto reply = server.get("/v1/graph");
    INFO(reply.body);
    REQUIRE(reply.status == 200);
    bool found = false;
    const auto graph = reply.json();
    for (const auto& edge : graph.at("edges").as_array()) {
        if (edge.at("from") != "graph-make") continue;
        found = true;
        CHECK(edge.at("to") == "graph-read");
        CHECK(edge.at("type") == "SUCCESS");
    }
    CHECK(found);
    // Jobs of other tests may name upstreams that are not there.
    for (const auto& one : graph.at("validation_errors").as_array()) CHECK(json::serialize(one).find("graph-") == std::string::npos);
    for (const char* member : {"graph_id", "jobs", "nodes", "edges", "execution_order", "critical_path", "is_valid", "validation_errors"}) CHECK(reply.json().as_object().contains(member));
    CHECK(server.get("/v1/graph?format=dot").body.find("\"graph-make\" -> \"graph-read\"") != std::string::npos);
    CHECK(server.get("/v1/graph?format=mermaid").body.rfind("flowchart", 0) == 0);
}
