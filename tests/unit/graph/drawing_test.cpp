#include "runtime/graph/drawing.hpp"

#include <catch2/catch.hpp>

using namespace rowlock::runtime;

namespace {

graph small()
{
    graph g;
    g.nodes = {{.id = "a", .job_id = "ingest"}, {.id = "b-1", .job_id = "b-1", .status = "FAILED", .for_each = true}, {.id = "end", .job_id = "check", .status = "COMPLETED", .gate = true}};
    g.edges = {{0, 1, edge_type::success}, {1, 2, edge_type::completion, "$.a > 0"}, {0, 2, edge_type::fallback}};
    return g;
}

graph with_condition(std::string condition)
{
    graph g;
    g.nodes = {{.id = "a"}, {.id = "b"}};
    g.edges = {{0, 1, edge_type::data_ready, std::move(condition)}};
    return g;
}

bool has(const std::string& text, std::string_view part)
{
    INFO(text);
    return text.find(part) != std::string::npos;
}

}

TEST_CASE("a graph in the language of Graphviz", "[unit][graph]")
{
    CHECK(to_dot(small(), "my plan") == R"(digraph "my plan" {
    rankdir=LR;
    node [shape=box, style="rounded,filled", fillcolor="#ffffff"];
    "a" [label="a\ningest"];
    "b-1" [label="b-1\nFAILED", peripheries=2, fillcolor="#ffcdd2", color="#c62828"];
    "end" [label="end\ncheck\nCOMPLETED", shape=hexagon, fillcolor="#c8e6c9", color="#2e7d32"];
    "a" -> "b-1" [style=solid];
    "b-1" -> "end" [style=dotted, label="COMPLETION\n$.a > 0"];
    "a" -> "end" [style=dashed, label="FALLBACK"];
}
)");
}

TEST_CASE("a graph in the language of Mermaid", "[unit][graph]")
{
    CHECK(to_mermaid(small()) == R"(flowchart LR
    a["a<br/>ingest"]
    N1[["b-1<br/>FAILED"]]:::FAILED
    N2{{"end<br/>check<br/>COMPLETED"}}:::COMPLETED
    a --> N1
    N1 -.->|"COMPLETION<br/>$.a #62; 0"| N2
    a -.->|"FALLBACK"| N2
    classDef COMPLETED fill:#c8e6c9,stroke:#2e7d32
    classDef FAILED fill:#ffcdd2,stroke:#c62828
)");
}

TEST_CASE("what means something to Graphviz is shown as it is", "[unit][graph]")
{
    CHECK(has(to_dot(with_condition(R"($.a == "x\n" && $.b < 1)"), "g"), R"(label="DATA_READY\n$.a == \"x\\n\" &amp;&amp; $.b < 1")"));
    CHECK(has(to_dot(with_condition("a\nb\tc\x01"), "g"), "label=\"DATA_READY\\na\\nb c \""));
    CHECK(has(to_dot({}, "\"]; x \\"), R"(digraph "\"]; x \\" {)"));
    graph g;
    g.nodes = {{.id = "a\"b\\"}};
    CHECK(has(to_dot(g, "g"), R"("a\"b\\" [label="a\"b\\"])"));
}

TEST_CASE("what means something to Mermaid is shown as it is", "[unit][graph]")
{
    CHECK(has(to_mermaid(with_condition(R"($.a == "x" && $.b < 1 | # `\)")), R"(|"DATA_READY<br/>$.a == #34;x#34; #38;#38; $.b #60; 1 #124; #35; #96;#92;"|)"));
    CHECK(has(to_mermaid(with_condition("a\nb\tc")), R"(|"DATA_READY<br/>a<br/>b c"|)"));
    graph g;
    for (const auto* id : {"ok_1", "1st", "A", "a.b", "class", ""}) g.nodes.push_back({.id = id});
    const auto text = to_mermaid(g);
    for (const auto* line : {"    ok_1[\"ok_1\"]\n", "    N1[\"1st\"]\n", "    N2[\"A\"]\n", "    N3[\"a.b\"]\n", "    N4[\"class\"]\n", "    N5[\"\"]\n"}) CHECK(has(text, line));
}

TEST_CASE("a status that has no colour is told all the same", "[unit][graph]")
{
    graph g;
    g.nodes = {{.id = "a", .status = "ODD"}};
    CHECK(has(to_dot(g, "g"), R"("a" [label="a\nODD"];)"));
    CHECK(to_mermaid(g) == "flowchart LR\n    a[\"a<br/>ODD\"]\n");
}
