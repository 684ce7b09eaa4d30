#include "ops/cli/plan_view.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

using namespace rowlock::ops;
namespace json = boost::json;

namespace {

const json::value small = json::parse(R"({
    "plan_run_id": "0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10", "status": "FAILED", "node_count": 4, "nodes_ended": 4, "nodes_failed": 1,
    "created_time": "2026-01-01T00:00:00Z", "completed_time": "2026-01-01T00:00:02Z",
    "nodes": [
        {"node_id": "a", "job_id": "x", "status": "COMPLETED", "layer": 0, "started_time": "2026-01-01T00:00:00Z", "completed_time": "2026-01-01T00:00:01Z"},
        {"node_id": "b", "job_id": "x", "status": "FAILED", "layer": 1, "error_code": "BROKEN", "error_message": "no disk"},
        {"node_id": "each", "job_id": "x", "status": "RUNNING", "layer": 1, "items": 7, "items_ended": 3},
        {"node_id": "d", "job_id": "x", "status": "SKIPPED", "layer": 2}],
    "edges": [{"from": "a", "to": "b", "type": "SUCCESS", "condition": "$.outputs.rows > 0"}, {"from": "a", "to": "each", "type": "COMPLETION", "condition": null},
              {"from": "b", "to": "d", "type": "FALLBACK", "condition": null}]})");

terminal_style plain(int width = 0)
{
    terminal_style style;
    style.width = width;
    return style;
}

}

TEST_CASE("a small run is drawn node by node, below its layers, in ASCII where nothing else is known", "[unit][cli]")
{
    CHECK(draw_layers(small, plain()) ==
          "+ layer 0\n"
          "| + a     COMPLETED  1.00s\n"
          "+ layer 1\n"
          "| x b     FAILED              <- a if $.outputs.rows > 0  BROKEN: no disk\n"
          "| * each  RUNNING             <- a (COMPLETION)  3 of 7 items\n"
          "+ layer 2\n"
          "| > d     SKIPPED             <- instead of b\n");
}

TEST_CASE("no line is wider than the terminal, and a terminal of UTF-8 gets signs", "[unit][cli]")
{
    auto style = plain(30);
    style.unicode = true;
    const auto drawn = draw_layers(small, style);
    INFO(drawn);
    CHECK(drawn.find("│ ✗ b     FAILED") != std::string::npos);
    CHECK(drawn.find("…") != std::string::npos);
    CHECK(drawn.find("\x1b[") == std::string::npos);
    style.out_colour = true;
    CHECK(draw_layers(small, style).find("\x1b[31m") != std::string::npos);
}

TEST_CASE("a large run is told by layers, with the first of its failures", "[unit][cli]")
{
    json::array nodes;
    for (int i = 0; i < 1000; ++i) nodes.push_back(json::object{{"node_id", "n" + std::to_string(i)}, {"status", i % 100 == 0 ? "FAILED" : i < 500 ? "COMPLETED" : "PENDING"}, {"layer", 0}});
    nodes.push_back(json::object{{"node_id", "end"}, {"status", "PENDING"}, {"layer", 1}});
    CHECK(draw_layers(json::object{{"nodes", nodes}}, plain()) ==
          "layer 0    1000 nodes    [##########----------]  495 COMPLETED, 10 FAILED, 495 PENDING\n"
          "           failed: n0, n100, n200, n300, n400 and 5 more\n"
          "layer 1    1 node        [--------------------]  1 PENDING\n");
}

TEST_CASE("a graph without states is drawn by its nodes and needs, what is on a cycle last", "[unit][cli]")
{
    const auto graph = json::parse(R"({"nodes": [{"job_id": "a", "layer": 0}, {"job_id": "b", "layer": 1, "gate": true}, {"job_id": "c", "layer": null}],
                                       "edges": [{"from": "a", "to": "b", "type": "SUCCESS", "condition": null}, {"from": "c", "to": "c", "type": "SUCCESS", "condition": null}]})");
    CHECK(draw_layers(graph, plain()) ==
          "+ layer 0\n"
          "| - a\n"
          "+ layer 1\n"
          "| - b  <- a  gate\n"
          "+ on a cycle, or behind one\n"
          "| - c  <- c\n");
}

TEST_CASE("the bar of a run moves with the items of lists that are under way, else with its nodes", "[unit][cli]")
{
    const auto bar = bar_of(layers_of(small));
    CHECK(bar.label == "layer 1 (1/2), 1 failed, items");
    CHECK(bar.done == 3);
    CHECK(bar.total == 7);
    const auto later = bar_of(layers_of(json::parse(R"({"nodes": [{"status": "COMPLETED", "layer": 0, "items": 7, "items_ended": 7}, {"status": "RUNNING", "layer": 1}]})")));
    CHECK(later.label == "layer 1 (0/1)");
    CHECK(later.done == 1);
    CHECK(later.total == 2);
}

TEST_CASE("text from a server cannot move the cursor", "[unit][cli]")
{
    const auto hostile = json::parse("{\"nodes\": [{\"node_id\": \"a\", \"status\": \"FAILED\", \"layer\": 0, \"error_code\": \"\\u001b[2J\"}]}");
    CHECK(draw_layers(hostile, plain()).find('\x1b') == std::string::npos);
}

TEST_CASE("a run in one line, its exit code, its counts", "[unit][cli]")
{
    CHECK(one_line_of_plan_run(small) == "FAILED: 4 of 4 nodes ended, 1 failed, in 2.00s");
    CHECK(plan_run_has_ended(small));
    CHECK(exit_code_of_plan_run(small) == exit_code::execution_failed);
    CHECK(exit_code_of_plan_run(json::object{{"status", "COMPLETED"}}) == exit_code::success);
    CHECK_FALSE(plan_run_has_ended(json::object{{"status", "RUNNING"}}));
    const auto layers = layers_of(small);
    REQUIRE(layers.size() == 3);
    CHECK(layers[1].nodes == 2);
    CHECK(layers[1].ended == 1);
    CHECK(layers[1].failed == 1);
    CHECK(layers_of(json::object{}).empty());
}
