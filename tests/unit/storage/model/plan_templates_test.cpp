#include "tests/unit/storage/model/plan_text.hpp"

#include "storage/model/json_text.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;

namespace {

using fields = std::vector<std::string>;

// The messages about a plan of x, y, which needs x, and node, which needs y.
error refused_node(std::string_view members)
{
    return refused_plan(plan_of({"x", R"(y: "needs":["x"])", "node: \"needs\":[\"y\"]," + std::string(members), R"(later: "needs":["node"])", "beside",
                                 R"(each: "for_each":[1,2])", R"(list: "needs":["each"],"parameters":{"ok":"{{ nodes.each.items }}"})"}));
}

}

TEST_CASE("templates are found wherever they stand in a node's parameters", "[unit][plan][template]")
{
    const auto plan = good_plan(plan_of({"x", R"(a: "needs":["x"],"parameters":{"p":"{{ parameters.n }}","deep":[1,{"k.l":["{{ nodes.x.outputs.rows }} rows"]}],"plain":"} } { {"})"}));
    const auto& templates = plan.nodes[1].templates;
    REQUIRE(templates.size() == 2);
    CHECK(path_of("parameters", templates[0].at) == "parameters.p");
    CHECK(templates[0].parts.size() == 1);
    CHECK(path_of("parameters", templates[1].at) == "parameters.deep[1].k.l[0]");
    REQUIRE(templates[1].parts.size() == 2);
    CHECK(templates[1].parts[0].node == 0);
    CHECK(templates[1].parts[1].text == " rows");
    CHECK(to_text(plan.nodes[1].parameters.at("p")) == "\"{{ parameters.n }}\"");
}

TEST_CASE("a template names a node that has ended when this one starts", "[unit][plan][template]")
{
    const auto r = GENERATE(as<std::string>{}, R"("parameters":{"v":"{{ nodes.later.status }}"})", R"("parameters":{"v":"{{ nodes.beside.status }}"})", R"("parameters":{"v":"{{ nodes.node.status }}"})",
                            R"("parameters":{"v":"{{ nodes.nobody.status }}"})", R"("parameters":{"v":"{{ nodes.x.output }}"})", R"("parameters":{"v":"{{ nodes.x.items }}"})",
                            R"("parameters":{"v":"{{ nodes.x[0] }}"})", R"("parameters":{"v":"{{ item }}"})", R"("parameters":{"v":"{{ rows }}"})", R"("parameters":{"v":"{{ item"})");
    const auto e = refused_node(r);
    CAPTURE(r);
    REQUIRE(e.fields.size() == 1);
    CHECK(e.fields[0].field == "nodes[2].parameters.v");
}

TEST_CASE("all ancestors can be named, near and far, and so can a fallback and what it stands in for", "[unit][plan][template]")
{
    good_plan(plan_of({"x", R"(y: "needs":["x"])", R"(z: "needs":["y"],"parameters":{"a":"{{ nodes.x }} {{ nodes.y.outputs.r[0].s }}"})"}));
    good_plan(plan_of({R"(p: "fallback":"f")", R"(f: "parameters":{"why":"{{ nodes.p.error_message }}"})", R"(d: "needs":["p"],"parameters":{"a":"{{ nodes.f.status }}{{ nodes.p.status }}"})"}));
    good_plan(plan_of({R"(each: "for_each":[1])", R"(sum: "needs":["each"],"parameters":{"n":"{{ nodes.each.failed }}","all":"{{ nodes.each.outputs.0.x }}"})"}));
    CHECK(refused_fields(plan_of({R"(each: "for_each":[1])", R"(sum: "needs":["each"],"parameters":{"n":"{{ nodes.each.exit_code }}"})"})) == fields{"nodes[1].parameters.n"});
}

TEST_CASE("what comes before what is not asked of nodes on a cycle", "[unit][plan][template]")
{
    const auto e = refused_plan(plan_of({R"(a: "needs":["b"],"parameters":{"v":"{{ nodes.c.status }}"})", R"(b: "needs":["a"])", "c", R"(d: "parameters":{"v":"{{ nodes.a.status }}"})"}));
    REQUIRE(e.fields.size() == 2);
    CHECK_FALSE(e.fields[0].cycle_path.empty());
    CHECK(e.fields[1].field == "nodes[3].parameters.v");
}

TEST_CASE("for_each names a list, or is one", "[unit][plan][template]")
{
    const auto plan = good_plan(plan_of({"x", R"(a: "needs":["x"],"for_each":"{{ nodes.x.outputs.list }}","parameters":{"one":"{{ item.name }}"})", R"(b: "for_each":"{{ parameters.list }}")",
                                         R"(c: "for_each":[1,{"n":"{{ parameters.n }}"}],"parameters":{"i":"{{ item }}"})", R"(d: "for_each":[])"}));
    REQUIRE(plan.nodes[1].for_each);
    CHECK(plan.nodes[1].for_each->source->what == template_part::kind::node);
    CHECK(plan.nodes[2].for_each->source->what == template_part::kind::parameters);
    CHECK_FALSE(plan.nodes[3].for_each->source);
    CHECK(to_text(plan.nodes[3].for_each->items) == R"([1,{"n":"{{ parameters.n }}"}])");
    REQUIRE(plan.nodes[3].for_each->templates.size() == 1);
    CHECK(plan.nodes[4].for_each->items.empty());
}

TEST_CASE("for_each that is no list is refused", "[unit][plan][template]")
{
    struct row { const char* for_each; const char* field; };
    const auto r = GENERATE(values<row>({
        {R"("x")", "nodes[2].for_each"},
        {R"("")", "nodes[2].for_each"},
        {"5", "nodes[2].for_each"},
        {R"({"list":[1]})", "nodes[2].for_each"},
        {R"("{{ item }}")", "nodes[2].for_each"},
        {R"("{{ nodes.x.outputs.list }} ")", "nodes[2].for_each"},
        {R"("{{ nodes.x.outputs.list }}{{ parameters.l }}")", "nodes[2].for_each"},
        {R"("{{ nodes.beside.outputs.list }}")", "nodes[2].for_each"},
        {R"("{{ nodes.nobody.outputs.list }}")", "nodes[2].for_each"},
        {R"("{{ nodes.x.result }}")", "nodes[2].for_each"},
        {R"("{{ list }}")", "nodes[2].for_each"},
        {R"([1,["{{ nodes.x.outputs.one }}"]])", "nodes[2].for_each[1][0]"},
        {R"(["{{ item }}"])", "nodes[2].for_each[0]"},
    }));
    INFO(r.for_each);
    const auto e = refused_node("\"for_each\":" + std::string(r.for_each));
    REQUIRE(e.fields.size() == 1);
    CHECK(e.fields[0].field == r.field);
}
