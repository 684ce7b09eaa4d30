#include "runtime/graph/graph_document.hpp"

#include "storage/model/json_text.hpp"
#include "tests/unit/storage/model/plan_text.hpp"

#include <boost/json/array.hpp>
#include <catch2/catch.hpp>
#include <functional>
#include <random>

using namespace rowlock;
using namespace rowlock::runtime;

namespace {

graph graph_from(const plan_definition& plan)
{
    const auto made = compile(plan, {});
    REQUIRE(made.has_value());
    return graph_of(plan, *made);
}

std::string path_in(const graph& g, std::span<const double> seconds = {})
{
    std::string text;
    for (const auto node : critical_path_of(g, order_of(g), seconds).nodes) text += g.nodes[node].id;
    return text;
}

}

TEST_CASE("the critical path is the longest chain, or the slowest where durations are known", "[unit][graph]")
{
    const auto g = graph_from(good_plan(plan_of({"a", R"(b: "needs":["a"])", R"(c: "needs":["b"])", "x", R"(y: "needs":["x"])"})));
    REQUIRE(g.nodes[1].id == "x");
    CHECK(path_in(g) == "abc");
    const std::vector<double> seconds{1, 10, 1, 5.5, 1};      // a, x, b, y, c
    CHECK(path_in(g, seconds) == "xy");
    CHECK(critical_path_of(g, order_of(g), seconds).length == 15.5);
    CHECK(critical_path_of(g, order_of(g)).length == 3);
    CHECK(critical_path_of(graph{}, order_of(graph{})).nodes.empty());
}

TEST_CASE("a list counts as often as its items go one after the other, one that is not known as one item", "[unit][graph]")
{
    struct row { const char* why; std::optional<std::size_t> items; std::size_t at_once; double length; };
    const auto r = GENERATE(values<row>({
        {"nobody knows the list", std::nullopt, 4, 3},
        {"all of it runs at once", 4, 4, 3},
        {"one more goes after them", 5, 4, 5},
        {"one after the other", 5, 1, 11},
        {"an empty list takes no time", 0, 4, 1},
        {"at least one runs at a time", 2, 0, 5}}));
    INFO(r.why);
    auto g = graph_from(good_plan(plan_of({"a", R"(b: "needs":["a"],"for_each":"{{ nodes.a.outputs.list }}")"})));
    CHECK_FALSE(g.nodes[1].items.has_value());
    g.nodes[1].items = r.items;
    g.nodes[1].items_at_once = r.at_once;
    const std::vector<double> seconds{1, 2};
    CHECK(critical_path_of(g, order_of(g), seconds).length == r.length);
    CHECK(critical_path_of(g, order_of(g)).length == 2);
}

TEST_CASE("fallbacks are not on the critical path", "[unit][graph]")
{
    const auto g = graph_from(good_plan(plan_of({R"(a: "fallback":"f")", R"(f: "fallback":"g")", "g", R"(b: "needs":["a"])"})));
    CHECK(path_in(g) == "ab");
    CHECK(order_of(g).layers == 4);
}

TEST_CASE("random graphs: the critical path is as long as the longest of all ways", "[unit][graph]")
{
    const auto seed = GENERATE(range(1U, 31U));
    std::mt19937 random(seed);
    const std::uint32_t size = 4 + seed % 10;
    std::uniform_int_distribution<std::uint32_t> any(0, size - 1);
    graph g;
    std::vector<double> seconds;
    for (std::uint32_t i = 0; i < size; ++i) {
        g.nodes.push_back({.id = std::string(1, static_cast<char>('a' + i))});
        seconds.push_back(any(random));
    }
    for (std::uint32_t i = 0; i < size * 2; ++i) {
        const auto a = any(random);
        const auto b = any(random);
        if (a < b) g.edges.push_back({a, b});
    }
    const std::function<double(std::uint32_t)> longest_from = [&](std::uint32_t node) {
        double rest = 0;
        for (const auto& edge : g.edges) {
            if (edge.from == node) rest = std::max(rest, longest_from(edge.to));
        }
        return seconds[node] + rest;
    };
    double expected = 0;
    for (std::uint32_t i = 0; i < size; ++i) expected = std::max(expected, longest_from(i));
    const auto found = critical_path_of(g, order_of(g), seconds);
    INFO("seed " << seed);
    CHECK(found.length == expected);
    double along = 0;
    for (std::size_t i = 0; i < found.nodes.size(); ++i) {
        along += seconds[found.nodes[i]];
        if (i > 0) CHECK(std::any_of(g.edges.begin(), g.edges.end(), [&](const graph_edge& e) { return e.from == found.nodes[i - 1] && e.to == found.nodes[i]; }));
    }
    CHECK(along == expected);
}

TEST_CASE("a plan's graph as a document", "[unit][graph]")
{
    auto g = graph_from(good_plan(plan_of({"a", R"(b: "needs":[{"node":"a","type":"COMPLETION","condition":"$.exit_code == 0","skip_on_upstream_skip":true}],"for_each":[1],"fallback":"f")", "f",
                                           R"(v: "needs":["b"],"type":"validator")"})));
    auto document = graph_document(g);
    CHECK(to_text(document["jobs"]) == R"(["a","b","f","v"])");
    CHECK(to_text(document["nodes"]) ==
          R"([{"node_id":"a","job_id":"j","layer":0},{"node_id":"b","job_id":"j","layer":1,"for_each":true},{"node_id":"f","job_id":"j","layer":2},{"node_id":"v","job_id":"j","layer":3,"gate":true}])");
    CHECK(to_text(document["edges"]) ==
          R"([{"from":"a","to":"b","type":"COMPLETION","condition":"$.exit_code == 0","skip_on_upstream_skip":true},)"
          R"({"from":"b","to":"v","type":"SUCCESS","condition":null,"skip_on_upstream_skip":false},)"
          R"({"from":"b","to":"f","type":"FALLBACK","condition":null,"skip_on_upstream_skip":false}])");
    CHECK(to_text(document["execution_order"]) == R"([["a"],["b"],["f"],["v"]])");
    CHECK(to_text(document["critical_path"]) == R"(["a","b","v"])");
    CHECK(document["critical_path_seconds"].is_null());
    CHECK(document["is_valid"] == true);
    CHECK(to_text(document["validation_errors"]) == "[]");
    CHECK(document["graph_id"].as_string().size() == 32);

    const std::vector<double> seconds{1, 2, 4, 0.5};
    CHECK(graph_document(g, seconds)["critical_path_seconds"] == 3.5);
    g.nodes[0].status = "RUNNING";
    auto running = graph_document(g);
    CHECK(running["graph_id"] == document["graph_id"]);
    CHECK(to_text(running["nodes"].as_array()[0]) == R"({"node_id":"a","job_id":"j","layer":0,"status":"RUNNING"})");
    g.edges[0].condition.clear();
    CHECK(graph_document(g)["graph_id"] != document["graph_id"]);
}

TEST_CASE("a graph of jobs names what is wrong with it, and shows what it can", "[unit][graph]")
{
    graph g;
    for (const auto* id : {"a", "b", "c", "d"}) g.nodes.push_back({.id = id});
    g.edges = {{0, 1}, {1, 2}, {2, 1}, {2, 3}};
    auto document = graph_document(g, {}, {"The upstream x of a does not exist."});
    CHECK(to_text(document["nodes"]) == R"([{"job_id":"a","layer":0},{"job_id":"b","layer":null},{"job_id":"c","layer":null},{"job_id":"d","layer":null}])");
    CHECK(to_text(document["execution_order"]) == R"([["a"]])");
    CHECK(to_text(document["critical_path"]) == "[]");
    CHECK(document["is_valid"] == false);
    CHECK(to_text(document["validation_errors"]) == R"(["The dependencies form a cycle. The cycle is b -> c -> b.","The upstream x of a does not exist."])");
}
