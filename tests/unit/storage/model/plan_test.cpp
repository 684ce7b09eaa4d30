#include "tests/unit/storage/model/plan_text.hpp"

#include "storage/model/json_text.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;

namespace {

using fields = std::vector<std::string>;

std::string kept(const plan_definition& plan, std::string_view member)
{
    const auto* v = plan.document.if_contains(member);
    return v ? to_text(*v) : std::string();
}

}

TEST_CASE("a plan is read with what it says, and stored in one notation", "[unit][plan]")
{
    const auto plan = good_plan(R"({"plan_id":"p","description":"d","default_mode":"hybrid","on_failure":"fail_fast","parameters":{"n":1},"priority":5,"tags":{"a":"b"},
        "contract_ref":"c-1","approval_ref":"x-1","nodes":[
        {"node_id":"a","job_id":"ingest","job_version":3,"parameters":{"k":true},"tags":{"t":"u"},"priority":-7},
        {"node_id":"b","job_id":"load","needs":["a"],"fallback":"c","type":"job"},
        {"node_id":"c","job_id":"load","skip_on_upstream_skip":true,"needs":[{"node":"a"},
            {"node":"d","type":"COMPLETION","condition":"$.records_processed > 0","skip_on_upstream_skip":false}]},
        {"node_id":"d","job_id":"check","type":"validator"}]})");
    CHECK(plan.plan_id == "p");
    CHECK(plan.fail_fast);
    CHECK(to_text(plan.parameters) == R"({"n":1})");
    CHECK(plan.priority == 5);
    CHECK(plan.tags.at("a") == "b");
    CHECK(plan.contract_ref == "c-1");
    CHECK(plan.approval_ref == "x-1");
    REQUIRE(plan.nodes.size() == 4);
    const auto& a = plan.nodes[0];
    CHECK(a.node_id == "a");
    CHECK(plan.job_id_of(a) == "ingest");
    CHECK(a.job_version == 3);
    CHECK(to_text(a.parameters) == R"({"k":true})");
    CHECK(a.tags.at("t") == "u");
    CHECK(a.priority == -7);
    CHECK(plan.nodes[1].fallback == 2U);
    CHECK(plan.nodes[2].fallback_of == 1U);
    CHECK_FALSE(plan.nodes[1].gate);
    CHECK(plan.nodes[3].gate);
    REQUIRE(plan.nodes[2].needs.size() == 2);
    CHECK(plan.nodes[2].needs[0].node == 0);
    CHECK(plan.nodes[2].needs[0].skip_on_upstream_skip);
    CHECK(plan.nodes[2].needs[1].type == need_type::completion);
    CHECK(plan.nodes[2].needs[1].condition == "$.records_processed > 0");
    CHECK_FALSE(plan.nodes[2].needs[1].skip_on_upstream_skip);
    REQUIRE(plan.paths.size() == 1);
    CHECK(plan.paths[0].field == "nodes[2].needs[1].condition");
    CHECK(plan.paths[0].path == "$.records_processed > 0");
    CHECK(kept(plan, "nodes").find(R"("needs":["a",{"node":"d","type":"COMPLETION")") != std::string::npos);
    CHECK(kept(plan, "default_mode") == "\"hybrid\"");
}

TEST_CASE("a plan need not say anything but its nodes", "[unit][plan]")
{
    const auto plan = good_plan(plan_of({"a"}));
    CHECK(plan.plan_id.empty());
    CHECK_FALSE(plan.fail_fast);
    CHECK_FALSE(plan.priority);
    CHECK(to_text(plan.document) == R"({"nodes":[{"node_id":"a","job_id":"j"}]})");
    CHECK(good_plan(plan_of({"a"}), "q").plan_id == "q");
    CHECK(good_plan(plan_of({"a"}, R"("reason":"r","version":2,"author":"x")")).document.size() == 1);
}

TEST_CASE("a plan whose own fields are wrong names each of them", "[unit][plan]")
{
    struct row { std::string body; std::string path_id; fields refused; };
    const auto r = GENERATE(values<row>({
        {"{}", "", {"nodes"}},
        {R"({"nodes":[]})", "", {"nodes"}},
        {R"({"nodes":{}})", "", {"nodes"}},
        {R"({"nodes":"a"})", "", {"nodes"}},
        {R"({"nodes":null,"edges":[{"from":"a"}]})", "", {"nodes"}},
        {R"({"nodes":[1,"a",null]})", "", {"nodes[0]", "nodes[1]", "nodes[2]"}},
        {plan_of({"a"}, R"("plan_id":"P")"), "", {"plan_id"}},
        {plan_of({"a"}, R"("plan_id":"p")"), "q", {"plan_id"}},
        {plan_of({"a"}), "Q", {"plan_id"}},
        {plan_of({"a"}, R"("default_mode":"far","on_failure":"stop","parameters":[],"priority":1001,"tags":{"a":1},"contract_ref":"","approval_ref":1)"), "",
         {"approval_ref", "contract_ref", "default_mode", "on_failure", "parameters", "priority", "tags.a"}},
        {plan_of({"a"}, R"("node":[],"schedule":{})"), "", {"node", "schedule"}},
        {plan_of({"a"}, R"("parameters":{"x":"a\u0000b"})"), "", {"parameters.x"}},
    }));
    CHECK(refused_fields(r.body, r.path_id) == r.refused);
}

TEST_CASE("a node whose fields are wrong names each of them", "[unit][plan]")
{
    struct row { std::string node; fields refused; };
    const auto r = GENERATE(values<row>({
        {R"({})", {"nodes[0].job_id", "nodes[0].node_id"}},
        {R"({"node_id":"A b","job_id":"J"})", {"nodes[0].job_id", "nodes[0].node_id"}},
        {R"({"node_id":"a","job_id":"j","job_version":0,"parameters":1,"tags":[],"priority":"x","skip_on_upstream_skip":1,"type":"gate"})",
         {"nodes[0].job_version", "nodes[0].parameters", "nodes[0].priority", "nodes[0].skip_on_upstream_skip", "nodes[0].tags", "nodes[0].type"}},
        {R"({"node_id":"a","job_id":"j","dependson":["b"],"timeout_seconds":5})", {"nodes[0].dependson", "nodes[0].timeout_seconds"}},
        {R"({"node_id":"a","job_id":"j","handler":{"type":"noop"},"timeout_seconds":5})", {"nodes[0].handler"}},
        {R"({"node_id":"a","job_id":"j","needs":"b"})", {"nodes[0].needs"}},
        {R"({"node_id":"a","job_id":"j","needs":[1,null,{},{"node":1},{"node":"b","type":"MAYBE","condition":"","skip_on_upstream_skip":"no","more":1}]})",
         {"nodes[0].needs[0]", "nodes[0].needs[1]", "nodes[0].needs[2].node", "nodes[0].needs[3].node", "nodes[0].needs[4].condition", "nodes[0].needs[4].more",
          "nodes[0].needs[4].node", "nodes[0].needs[4].skip_on_upstream_skip", "nodes[0].needs[4].type"}},
        {R"({"node_id":"a","job_id":"j","fallback":1})", {"nodes[0].fallback"}},
    }));
    CHECK(refused_fields("{\"nodes\":[" + r.node + "]}") == r.refused);
}

TEST_CASE("a node's id is its own: of two that are equal the error tells both places", "[unit][plan]")
{
    const auto e = refused_plan(plan_of({"a", "b", "a", "a"}));
    REQUIRE(e.fields.size() == 2);
    CHECK(e.fields[0].field == "nodes[2].node_id");
    CHECK(e.fields[0].value == "\"a\"");
    CHECK(e.fields[0].message.find("nodes[0]") != std::string::npos);
    CHECK(e.fields[1].field == "nodes[3].node_id");
}

TEST_CASE("a need names another node of the plan, once", "[unit][plan]")
{
    CHECK(refused_fields(plan_of({R"(a: "needs":["x",{"node":"y"}])"})) == fields{"nodes[0].needs[0]", "nodes[0].needs[1].node"});
    CHECK(refused_fields(plan_of({R"(a: "needs":["a"])"})) == fields{"nodes[0].needs[0]"});
    CHECK(refused_fields(plan_of({R"(a: "needs":[{"node":"a","type":"COMPLETION"}])"})) == fields{"nodes[0].needs[0].node"});
    CHECK(refused_fields(plan_of({R"(a: "needs":["b",{"node":"b","type":"COMPLETION"},"c","b"])", "b", "c"})) == fields{"nodes[0].needs[1].node", "nodes[0].needs[3]"});
}

TEST_CASE("edges are needs in other words", "[unit][plan]")
{
    const auto plan = good_plan(plan_of({R"(c: "needs":["a"],"skip_on_upstream_skip":true)", "a", "b"},
                                        R"("edges":[{"from":"b","to":"c","type":"DATA_READY","condition":"$.outputs.n > 1"},{"from":"a","to":"b","skip_on_upstream_skip":true}])"));
    const auto& needs = node_of(plan, "c").needs;
    REQUIRE(needs.size() == 2);
    CHECK(needs[0].node == 1);
    CHECK(needs[1].node == 2);
    CHECK(needs[1].type == need_type::data_ready);
    CHECK(needs[1].condition == "$.outputs.n > 1");
    CHECK(needs[1].skip_on_upstream_skip);
    REQUIRE(node_of(plan, "b").needs.size() == 1);
    CHECK(node_of(plan, "b").needs[0].skip_on_upstream_skip);
    REQUIRE(plan.paths.size() == 1);
    CHECK(plan.paths[0].field == "edges[0].condition");
    CHECK(kept(plan, "edges").starts_with("[{\"from\":\"b\",\"to\":\"c\""));
}

TEST_CASE("edges that are wrong are named by their own place", "[unit][plan]")
{
    struct row { std::string edges; fields refused; };
    const auto r = GENERATE(values<row>({
        {R"({})", {"edges"}},
        {R"([1,{"from":"a","to":"x"},{"from":"a","to":"a"}])", {"edges[0]", "edges[1].to", "edges[2].from"}},
        {R"([{"to":"b"},{"from":"A","to":"b","type":"x","condition":1,"when":2}])", {"edges[0].from", "edges[1].condition", "edges[1].from", "edges[1].type", "edges[1].when"}},
        {R"([{"from":"a","to":"b"}])", {"edges[0].from"}},
        {R"([{"from":"a","to":"c"},{"from":"b","to":"c"},{"from":"a","to":"c"}])", {"edges[2].from"}},
    }));
    CHECK(refused_fields(plan_of({"a", R"(b: "needs":["a"])", "c"}, "\"edges\":" + r.edges)) == r.refused);
}

TEST_CASE("a fallback is another node, of one node only, and never that of a gate", "[unit][plan]")
{
    CHECK(refused_fields(plan_of({R"(a: "fallback":"x")"})) == fields{"nodes[0].fallback"});
    CHECK(refused_fields(plan_of({R"(a: "fallback":"a")"})) == fields{"nodes[0].fallback"});
    const auto twice = refused_plan(plan_of({R"(a: "fallback":"c")", R"(b: "fallback":"c")", "c"}));
    REQUIRE(twice.fields.size() == 1);
    CHECK(twice.fields[0].field == "nodes[1].fallback");
    CHECK(twice.fields[0].message.find("nodes[0]") != std::string::npos);
    CHECK(refused_fields(plan_of({R"(a: "type":"validator","fallback":"b")", "b"})) == fields{"nodes[0].fallback"});
    CHECK(refused_fields(plan_of({R"(a: "handler":{"type":"noop"},"type":"validator","fallback":"b")", "b"})) == fields{"nodes[0].fallback"});
    const auto chain = good_plan(plan_of({R"(a: "fallback":"b")", R"(b: "fallback":"c")", "c"}));
    CHECK(node_of(chain, "c").fallback_of == 1U);
}

TEST_CASE("a fallback cannot also need what it stands in for", "[unit][plan]")
{
    CHECK(refused_fields(plan_of({R"(a: "fallback":"b")", R"(b: "needs":["a"])"})) == fields{"nodes[1].needs"});
    CHECK(refused_fields(plan_of({R"(a: "fallback":"b")", R"(b: "fallback":"c")", R"(c: "needs":["a"])"})) == fields{"nodes[2].needs"});
    good_plan(plan_of({"x", R"(a: "fallback":"b","needs":["x"])", R"(b: "needs":["x"])"}));
}

TEST_CASE("a cycle is told with its path, first, and with everything else that is wrong", "[unit][plan]")
{
    const auto e = refused_plan(plan_of({R"(a: "needs":["c","x"])", R"(b: "needs":["a"])", R"(c: "needs":["b"])", R"(d: "needs":["e"])", R"(e: "needs":["d"])", "f: \"tags\":1"}));
    CHECK(e.code == errc::dependency_cycle);
    REQUIRE(e.fields.size() == 4);
    CHECK(e.fields[0].cycle_path == fields{"a", "b", "c", "a"});
    CHECK(e.fields[0].field == "nodes[0].needs");
    CHECK(e.fields[0].message.find("a -> b -> c -> a") != std::string::npos);
    CHECK(e.fields[1].cycle_path == fields{"d", "e", "d"});
    CHECK(e.fields[2].field == "nodes[0].needs[1]");
    CHECK(e.fields[2].cycle_path.empty());
    CHECK(e.fields[3].field == "nodes[5].tags");
}

TEST_CASE("fallbacks can be part of a cycle, and form one", "[unit][plan]")
{
    const auto ring = refused_plan(plan_of({R"(a: "fallback":"b")", R"(b: "fallback":"c")", R"(c: "fallback":"a")"}));
    CHECK(ring.code == errc::dependency_cycle);
    CHECK(ring.fields.at(0).cycle_path == fields{"a", "b", "c", "a"});
    CHECK(ring.fields.at(0).field == "nodes[2].fallback");
    // d waits for what becomes of a, and so for its fallback f, which waits for d.
    const auto behind = refused_plan(plan_of({R"(a: "fallback":"f")", R"(f: "needs":["d"])", R"(d: "needs":["a"])"}));
    CHECK(behind.code == errc::dependency_cycle);
    CHECK(behind.fields.at(0).cycle_path == fields{"f", "d", "f"});
    CHECK(refused_plan(plan_of({R"(a: "fallback":"b","needs":["b"])", "b"})).fields.at(0).cycle_path == fields{"a", "b", "a"});
}

TEST_CASE("a cycle of edges is one", "[unit][plan]")
{
    const auto e = refused_plan(plan_of({"a", "b"}, R"("edges":[{"from":"a","to":"b"},{"from":"b","to":"a"}])"));
    CHECK(e.fields.at(0).cycle_path == fields{"a", "b", "a"});
}

TEST_CASE("more nodes than a plan can have is one error, and nothing else is looked at", "[unit][plan]")
{
    boost::json::object body;
    body["nonsense"] = 1;
    body["nodes"] = boost::json::array(most_plan_nodes + 1, nullptr);
    const auto plan = parse_plan(body, "NO SLUG", {});
    REQUIRE(plan.has_error());
    REQUIRE(plan.error().fields.size() == 1);
    CHECK(plan.error().fields[0].field == "nodes");
    CHECK(plan.error().fields[0].message == "has 1000001 nodes; a plan has at most 1000000");
}

TEST_CASE("of a body with thousands of errors as many are named as an answer can hold", "[unit][plan]")
{
    std::vector<std::string> nodes(3000, R"(a: "needs":["x","y"],"handler":{"type":"nothing"})");
    const auto e = refused_plan(plan_of(nodes));
    CHECK(e.fields.size() == field_errors::most + 1);
    CHECK(e.fields.back().message.find("more than") != std::string::npos);
    std::vector<std::string> pairs;
    for (int i = 0; i < 3000; ++i) pairs.push_back("n" + std::to_string(i) + ": \"needs\":[\"n" + std::to_string(i ^ 1) + "\"]");
    const auto cycles = refused_plan(plan_of(pairs));
    CHECK(cycles.code == errc::dependency_cycle);
    CHECK(cycles.fields.size() == field_errors::most + 1);
}
