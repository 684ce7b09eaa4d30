#include "runtime/graph/compile.hpp"

#include "storage/model/json_text.hpp"
#include "tests/unit/storage/model/plan_text.hpp"

#include <boost/json/array.hpp>
#include <catch2/catch.hpp>
#include <random>
#include <set>

using namespace rowlock;
using namespace rowlock::runtime;

namespace {

using fields = std::vector<std::string>;

compiled_plan compiled(const plan_definition& plan, std::string_view parameters = "{}")
{
    const auto made = compile(plan, parse_json(parameters)->as_object());
    if (made.has_error()) FAIL(made.error().detail);
    return *made;
}

error refused(const plan_definition& plan, std::string_view parameters = "{}")
{
    const auto made = compile(plan, parse_json(parameters)->as_object());
    REQUIRE(made.has_error());
    return made.error();
}

const compiled_node& find(const plan_definition& plan, const compiled_plan& made, std::string_view id)
{
    for (const auto& node : made.nodes) {
        if (plan.nodes[node.index].node_id == id) return node;
    }
    throw std::logic_error("no such node");
}

std::string ids_in_order(const plan_definition& plan, const compiled_plan& made)
{
    std::string text;
    for (const auto& node : made.nodes) text += plan.nodes[node.index].node_id + std::to_string(node.layer) + " ";
    return text;
}

}

TEST_CASE("nodes are numbered by layer, and within one as they are given", "[unit][graph]")
{
    const auto plan = good_plan(plan_of({R"(e: "needs":["c","b"])", R"(c: "needs":["a"])", "b", "a", R"(d: "needs":["a"])"}));
    const auto made = compiled(plan);
    CHECK(ids_in_order(plan, made) == "b0 a0 c1 d1 e2 ");
    CHECK(made.layers == 3);
    CHECK(made.number_of == std::vector<std::uint32_t>{4, 2, 0, 1, 3});
    CHECK(made.nodes[4].needs == 2);
    REQUIRE(made.nodes[1].edges.size() == 2);
    CHECK(made.nodes[1].edges[0].to == 2);
    CHECK(made.nodes[1].edges[1].to == 3);
}

TEST_CASE("an edge has what its need says", "[unit][graph]")
{
    const auto plan = good_plan(plan_of({"a", R"(b: "needs":[{"node":"a","type":"DATA_READY","condition":"$.outputs.n > 0","skip_on_upstream_skip":true}])"},
                                        R"("edges":[])"));
    const auto made = compiled(plan);
    REQUIRE(made.nodes[0].edges.size() == 1);
    const auto& edge = made.nodes[0].edges[0];
    CHECK(edge.to == 1);
    CHECK(edge.type == need_type::data_ready);
    CHECK(edge.condition == "$.outputs.n > 0");
    CHECK(edge.skip_on_upstream_skip);
}

TEST_CASE("a fallback stands behind its primary, what needs the primary behind the last fallback, and its implicit need is counted", "[unit][graph]")
{
    const auto plan = good_plan(plan_of({R"(d: "needs":["p"])", "g", R"(p: "fallback":"f")", R"(f: "fallback":"g","needs":["x"])", "x"}));
    const auto made = compiled(plan);
    CHECK(ids_in_order(plan, made) == "p0 x0 f1 g2 d3 ");
    CHECK(made.nodes[0].fallback == 2);
    CHECK(made.nodes[0].fallback_of == -1);
    CHECK(made.nodes[2].fallback == 3);
    CHECK(made.nodes[2].fallback_of == 0);
    CHECK(made.nodes[2].needs == 2);
    CHECK(made.nodes[3].needs == 1);
    CHECK(made.nodes[4].needs == 1);
    REQUIRE(made.nodes[0].edges.size() == 1);
    CHECK(made.nodes[0].edges[0].to == 4);
    CHECK(made.nodes[2].edges.empty());
}

TEST_CASE("whatever a need on a gate says, it holds only where the gate succeeded", "[unit][graph]")
{
    auto plan = good_plan(plan_of({R"(gate: "type":"validator")", R"(a: "needs":[{"node":"gate","type":"COMPLETION"}])", R"(b: "needs":[{"node":"gate","type":"DATA_READY"}])", "job",
                                   R"(c: "needs":[{"node":"job","type":"COMPLETION"}])"}));
    plan.nodes[3].gate = true;                       // as found in the catalogue
    const auto made = compiled(plan);
    CHECK(find(plan, made, "gate").edges[0].type == need_type::success);
    CHECK(find(plan, made, "gate").edges[1].type == need_type::data_ready);
    CHECK(find(plan, made, "job").edges[0].type == need_type::success);
}

TEST_CASE("a job that turns out to be a gate has no fallback either", "[unit][graph]")
{
    auto plan = good_plan(plan_of({R"(a: "fallback":"b")", "b"}));
    plan.nodes[0].gate = true;
    const auto e = refused(plan);
    CHECK(e.code == errc::invalid_request);
    REQUIRE(e.fields.size() == 1);
    CHECK(e.fields[0].field == "nodes[0].fallback");
}

TEST_CASE("gates are checked without parameters, and nothing else is", "[unit][graph]")
{
    auto plan = good_plan(plan_of({R"(a: "fallback":"b","parameters":{"day":"{{ parameters.day }}"})", R"(b: "for_each":"{{ parameters.fallback }}")"}));
    CHECK(check_gates(plan).has_value());
    CHECK(refused(plan).fields.size() == 2);
    plan.nodes[0].gate = true;
    const auto checked = check_gates(plan);
    REQUIRE(checked.has_error());
    CHECK(checked.error().code == errc::invalid_request);
    REQUIRE(checked.error().fields.size() == 1);
    CHECK(checked.error().fields[0].field == "nodes[0].fallback");
}

TEST_CASE("a cycle is refused with its path", "[unit][graph]")
{
    auto plan = good_plan(plan_of({"a", R"(b: "needs":["a"])"}));
    plan.nodes[0].needs.push_back({.node = 1});
    const auto e = refused(plan);
    CHECK(e.code == errc::dependency_cycle);
    REQUIRE(e.fields.size() == 1);
    CHECK(e.fields[0].cycle_path == fields{"a", "b", "a"});
}

TEST_CASE("the plan's parameters are put in with their types, alone and in text", "[unit][graph][template]")
{
    const auto plan = good_plan(plan_of({R"(a: "parameters":{"n":"{{ parameters.n }}","list":["{{ parameters.o.l.1 }}",{"t":"n is {{ parameters.n }}, o is {{ parameters.o }}"}],
        "whole":"{{ parameters }}","key":"{{ parameters[\"a b\"] }}","again":"{{ parameters.braces }}","none":"{{ parameters.null }}","zero":"{{ parameters.o.0 }}"})"}));
    const auto made = compiled(plan, R"({"n":1.5,"o":{"l":[1,"two"],"0":"member"},"a b":"c","braces":"{{ nodes.x.status }}","null":null})");
    const auto& node = made.nodes[0];
    CHECK(node.refs.empty());
    CHECK(to_text(node.parameters) ==
          R"({"n":1.5,"list":["two",{"t":"n is 1.5, o is {\"l\":[1,\"two\"],\"0\":\"member\"}"}],)"
          R"("whole":{"n":1.5,"o":{"l":[1,"two"],"0":"member"},"a b":"c","braces":"{{ nodes.x.status }}","null":null},"key":"c","again":"{{ nodes.x.status }}","none":null,"zero":"member"})");
}

TEST_CASE("what is known when the node starts is told as references by number", "[unit][graph][template]")
{
    const auto plan = good_plan(plan_of({R"(z: "needs":["x","y"],"for_each":[1],"parameters":{"rows":"{{ nodes.x.outputs.rows }}","deep":[{"a\"b":"{{ parameters.p }}: {{ nodes.y.outputs.two-words[0] }}!"}],
        "item":"{{ item.name }}","fixed":"{{ parameters.p }}"})", "y", "x"}));
    const auto made = compiled(plan, R"({"p":"P"})");
    const auto& node = find(plan, made, "z");
    CHECK(node.refs ==
          R"([{"at":["rows"],"parts":[{"node":1,"path":"$.outputs.rows"}]},)"
          R"({"at":["deep",0,"a\"b"],"parts":["P: ",{"node":0,"path":"$.outputs.\"two-words\"[0]"},"!"]},)"
          R"({"at":["item"],"parts":[{"item":"$.name"}]}])");
    CHECK(parse_json(node.refs).has_value());
    CHECK(to_text(node.parameters.at("fixed")) == "\"P\"");
    CHECK(to_text(node.parameters.at("rows")) == "\"{{ nodes.x.outputs.rows }}\"");
}

TEST_CASE("a reference beside text that turns out empty is text still", "[unit][graph][template]")
{
    const auto plan = good_plan(plan_of({"x", R"(y: "needs":["x"],"parameters":{"a":"{{ parameters.empty }}{{ nodes.x.outputs.n }}"})"}));
    CHECK(compiled(plan, R"({"empty":""})").nodes[1].refs == R"([{"at":["a"],"parts":["",{"node":0,"path":"$.outputs.n"}]}])");
}

TEST_CASE("for_each is told as a list, or as where it will be found", "[unit][graph][template]")
{
    const auto plan = good_plan(plan_of({R"(a: "for_each":[1,{"n":"{{ parameters.n }}"}])", R"(b: "for_each":"{{ parameters.l }}")", R"(c: "needs":["x"],"for_each":"{{ nodes.x.outputs[\"a list\"] }}")", "x",
                                         R"(e: "for_each":[])"}));
    const auto made = compiled(plan, R"({"n":true,"l":["{{ item }}",2]})");
    CHECK(find(plan, made, "a").for_each == R"({"list":[1,{"n":true}]})");
    CHECK(find(plan, made, "b").for_each == R"({"list":["{{ item }}",2]})");
    CHECK(find(plan, made, "c").for_each == R"({"node":2,"path":"$.outputs.\"a list\""})");
    CHECK(find(plan, made, "x").for_each.empty());
    CHECK(find(plan, made, "e").for_each == R"({"list":[]})");
}

TEST_CASE("parameters that the plan does not have are named with the nodes that want them, all at once", "[unit][graph][template]")
{
    const auto plan = good_plan(plan_of({R"(b: "needs":["a"],"parameters":{"x":["{{ parameters.none }}","{{ parameters.o.p.q }} and {{ parameters.l.5 }}"]})",
                                         R"(a: "for_each":"{{ parameters.o }}")", R"(c: "for_each":[{"i":"{{ parameters.l[9] }}"}])", R"(d: "for_each":"{{ parameters.nowhere }}")"}));
    const auto e = refused(plan, R"({"o":{"p":1},"l":[1]})");
    CHECK(e.code == errc::invalid_request);
    fields found;
    for (const auto& each : e.fields) found.push_back(each.field);
    CHECK(found == fields{"nodes[0].parameters.x[0]", "nodes[0].parameters.x[1]", "nodes[0].parameters.x[1]", "nodes[1].for_each", "nodes[2].for_each[0].i", "nodes[3].for_each"});
    CHECK(e.fields[0].message.find("`none`") != std::string::npos);
    CHECK(e.fields[3].message.find("must be an array") != std::string::npos);
}

TEST_CASE("a large parameter that is named again and again does not fill the memory", "[unit][graph][template]")
{
    std::vector<std::string> nodes;
    for (int i = 0; i < 300; ++i) nodes.push_back("n" + std::to_string(i) + R"(: "parameters":{"a":"{{ parameters.large }}"})");
    const auto plan = good_plan(plan_of(nodes));
    const auto e = refused(plan, R"({"large":")" + std::string(1 << 20, 'x') + "\"}");
    REQUIRE(e.fields.size() == 1);
    CHECK(e.fields[0].field == "nodes[127].parameters.a");
    CHECK(e.fields[0].message.find("larger than") != std::string::npos);
}

TEST_CASE("random plans: numbers follow needs and fallbacks, counts and edges agree", "[unit][graph]")
{
    const auto seed = GENERATE(range(1U, 31U));
    std::mt19937 random(seed);
    const std::uint32_t size = 2 + seed * 15;
    std::uniform_int_distribution<std::uint32_t> any(0, size - 1);
    std::vector<std::uint32_t> place(size);
    for (std::uint32_t i = 0; i < size; ++i) place[i] = i;
    std::shuffle(place.begin(), place.end(), random);
    plan_definition plan;
    plan.nodes.resize(size);
    std::set<std::pair<std::uint32_t, std::uint32_t>> needs;
    for (std::uint32_t i = 0; i < size * 3; ++i) {
        auto a = any(random);
        auto b = any(random);
        if (a == b) continue;
        if (place[a] > place[b]) std::swap(a, b);
        if (needs.emplace(a, b).second) plan.nodes[b].needs.push_back({.node = a, .type = static_cast<need_type>(1 + i % 3)});
    }
    // A fallback of its own for some: nobody needs it, so no cycle can come of it.
    for (std::uint32_t i = 0; i < size; i += 7) {
        const auto made = static_cast<std::uint32_t>(plan.nodes.size());
        plan.nodes.push_back({.fallback_of = i});
        plan.nodes[i].fallback = made;
    }
    for (std::uint32_t i = 0; i < plan.nodes.size(); ++i) plan.nodes[i].node_id = "n" + std::to_string(i);
    const auto made = compiled(plan);
    INFO("seed " << seed);
    REQUIRE(made.nodes.size() == plan.nodes.size());
    std::size_t edges = 0;
    std::vector<std::uint32_t> incoming(made.nodes.size(), 0);
    for (std::uint32_t number = 0; number < made.nodes.size(); ++number) {
        const auto& node = made.nodes[number];
        CHECK(made.number_of[node.index] == number);
        for (const auto& edge : node.edges) {
            ++edges;
            ++incoming[edge.to];
            CHECK(made.nodes[edge.to].layer > node.layer);
            CHECK(needs.contains({node.index, made.nodes[edge.to].index}));
            if (node.fallback >= 0) CHECK(made.nodes[edge.to].layer > made.nodes[static_cast<std::uint32_t>(node.fallback)].layer);
        }
        if (node.fallback >= 0) {
            const auto& fallback = made.nodes[static_cast<std::uint32_t>(node.fallback)];
            ++incoming[static_cast<std::uint32_t>(node.fallback)];
            CHECK(fallback.layer == node.layer + 1);
            CHECK(fallback.fallback_of == static_cast<std::int32_t>(number));
        }
        if (number > 0) CHECK(made.nodes[number - 1].layer <= node.layer);
    }
    CHECK(edges == needs.size());
    for (std::uint32_t number = 0; number < made.nodes.size(); ++number) CHECK(made.nodes[number].needs == incoming[number]);
}
