#include "runtime/graph/job_graph.hpp"

#include "runtime/graph/drawing.hpp"
#include "runtime/graph/graph_document.hpp"
#include "runtime/graph/plan_graph.hpp"
#include "storage/model/json_text.hpp"

#include <boost/json/array.hpp>
#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::runtime;
namespace json = boost::json;

namespace {

std::vector<json::object> jobs(const char* text)
{
    std::vector<json::object> all;
    const auto list = parse_json(std::string("[") + text + "]").value();
    for (const auto& one : list.get_array()) all.push_back(one.get_object());
    return all;
}

std::vector<std::string> edges_of(const graph& g)
{
    std::vector<std::string> all;
    for (const auto& edge : g.edges) all.push_back(g.nodes[edge.from].id + ">" + g.nodes[edge.to].id + " " + std::string(name_of(edge.type)) + (edge.condition.empty() ? "" : " " + edge.condition));
    return all;
}

}

TEST_CASE("jobs depend on what they name, and on who makes the data that they read", "[unit][graph]")
{
    const auto made = graph_of_jobs(jobs(R"(
        {"job_id": "fetch", "outputs": ["raw", {"name": "log"}]},
        {"job_id": "clean", "inputs": ["raw"], "outputs": ["clean"]},
        {"job_id": "load", "inputs": [{"name": "clean"}, "raw", "elsewhere"], "dependencies": [{"upstream_job_id": "clean", "dependency_type": "COMPLETION", "condition": "$.exit_code == 0"}]},
        {"job_id": "gate", "type": "validator", "dependencies": [{"upstream_job_id": "load"}]})"));
    CHECK(made.problems.empty());
    CHECK(edges_of(made.drawn) == std::vector<std::string>{"clean>load COMPLETION $.exit_code == 0", "load>gate SUCCESS", "fetch>clean SUCCESS", "fetch>load SUCCESS"});
    CHECK(made.drawn.nodes[3].gate);
    const auto document = graph_document(made.drawn, {}, made.problems);
    CHECK(document.at("is_valid") == true);
    CHECK(document.at("execution_order") == json::array{json::array{"fetch"}, json::array{"clean"}, json::array{"load"}, json::array{"gate"}});
}

TEST_CASE("an edge between jobs tells its window, and the data sets that it comes from", "[unit][graph]")
{
    const auto made = graph_of_jobs(jobs(R"(
        {"job_id": "fetch", "inputs": ["raw"], "outputs": ["raw", "log"]},
        {"job_id": "load", "inputs": ["raw", "log"]},
        {"job_id": "report", "inputs": ["raw"], "dependencies": [{"upstream_job_id": "fetch", "window": 90.5}, {"upstream_job_id": "load"}]})"));
    // What reads what it makes itself does not wait for itself.
    CHECK(edges_of(made.drawn) == std::vector<std::string>{"fetch>report SUCCESS", "load>report SUCCESS", "fetch>load SUCCESS"});
    const auto edges = graph_document(made.drawn, {}, made.problems).at("edges").as_array();
    CHECK(edges[0].at("window") == 90.5);
    CHECK_FALSE(edges[0].as_object().contains("data"));
    CHECK_FALSE(edges[1].as_object().contains("window"));
    CHECK(edges[2].at("data") == json::array{"raw", "log"});
    const auto drawn = to_mermaid(made.drawn);
    CHECK_THAT(drawn, Catch::Contains("within 90.5 s") && Catch::Contains("raw, log"));
}

TEST_CASE("upstreams that are missing and cycles make the graph of jobs invalid, and are told", "[unit][graph]")
{
    const auto made = graph_of_jobs(jobs(R"(
        {"job_id": "a", "dependencies": [{"upstream_job_id": "b"}, {"upstream_job_id": "gone"}]},
        {"job_id": "b", "inputs": ["x"], "outputs": ["x"]},
        {"job_id": "c", "inputs": ["x"], "outputs": ["y"]}, {"job_id": "d", "inputs": ["y"], "dependencies": [{"upstream_job_id": "a"}]},
        {"job_id": "e", "dependencies": [{"upstream_job_id": "f"}]}, {"job_id": "f", "dependencies": [{"upstream_job_id": "e"}]})"));
    REQUIRE(made.problems.size() == 1);
    CHECK(made.problems.front() == "a depends on gone, and there is no such job");
    const auto document = graph_document(made.drawn, {}, made.problems);
    CHECK(document.at("is_valid") == false);
    CHECK(document.at("validation_errors").as_array().size() == 2);
}

TEST_CASE("a stored plan is drawn as it stands, gates and fallbacks too", "[unit][graph]")
{
    const auto body = parse_json(R"({"nodes": [
        {"node_id": "b", "handler": {"type": "noop"}, "needs": [{"node": "gate", "type": "COMPLETION"}], "parameters": {"x": "{{ parameters.missing }}"}},
        {"node_id": "gate", "type": "validator", "handler": {"type": "noop"}},
        {"node_id": "a", "handler": {"type": "noop"}, "fallback": "spare"}, {"node_id": "spare", "handler": {"type": "noop"}},
        {"node_id": "c", "handler": {"type": "noop"}, "needs": ["a"], "for_each": [1]}]})").value();
    const auto plan = parse_plan(body.get_object(), "", {});
    REQUIRE(plan.has_value());
    const auto g = graph_of_definition(*plan);
    CHECK(edges_of(g) == std::vector<std::string>{"gate>b SUCCESS", "a>spare FALLBACK", "a>c SUCCESS"});
    CHECK(g.nodes[1].gate);
    CHECK(g.nodes[4].for_each);
    // What needs a node with a fallback waits for that, too.
    const auto order = order_of(g);
    CHECK(order.layer[4] == 2);
}
