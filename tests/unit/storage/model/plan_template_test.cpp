#include "storage/model/braces.hpp"
#include "storage/model/plan_template.hpp"

#include <catch2/catch.hpp>
#include <map>

using namespace rowlock;

namespace {

std::optional<std::uint32_t> known_node(std::string_view id)
{
    static const std::map<std::string, std::uint32_t, std::less<>> nodes{{"a", 0}, {"b-1", 1}, {"x.y", 2}, {"x", 3}, {"dots..", 4}};
    const auto at = nodes.find(id);
    return at == nodes.end() ? std::nullopt : std::optional(at->second);
}

// "TEXT|a0$.path|p$.path|i$.path": what kind each part is, and what it names.
std::string parts_of(std::string_view text)
{
    std::vector<template_part> parts;
    const auto why = split_template(text, known_node, parts);
    if (!why.empty()) return "refused: " + why;
    std::string out;
    for (const auto& part : parts) {
        if (!out.empty()) out += '|';
        switch (part.what) {
        case template_part::kind::text: out += part.text; break;
        case template_part::kind::parameters: out += "p" + to_json_path(part.path); break;
        case template_part::kind::node: out += "n" + std::to_string(part.node) + to_json_path(part.path); break;
        case template_part::kind::item: out += "i" + to_json_path(part.path); break;
        }
    }
    return out;
}

}

TEST_CASE("the last two of many opening braces open a template, and blanks within do not count", "[unit][plan][template]")
{
    const auto found = next_braces("ab {{{ x.y \t}} c");
    REQUIRE(found);
    CHECK(found->begin == 4);
    CHECK(found->end == 14);
    CHECK(found->inner == "x.y");
    CHECK_FALSE(next_braces("{{ x }"));
    CHECK_FALSE(next_braces("{{ x }}", 1));
    CHECK_FALSE(next_braces(""));
}

TEST_CASE("templates are split into what they name", "[unit][plan][template]")
{
    struct row { const char* text; const char* parts; };
    const auto r = GENERATE(values<row>({
        {"plain", "plain"},
        {"", ""},
        {"{{ nodes.a.outputs.rows }}", "n0$.outputs.rows"},
        {"{{nodes.a}}", "n0$"},
        {"{{ parameters }}", "p$"},
        {"{{ parameters.x.y }}", "p$.x.y"},
        {"{{ item }}", "i$"},
        {"{{ item.name }}", "i$.name"},
        {"{{ item[0] }}", "i$[0]"},
        {"a {{ item.n }} b {{ parameters.m }}", "a |i$.n| b |p$.m"},
        {"{{ item }}{{ item }}", "i$|i$"},
        {"{\"n\":{{ parameters.n }}}", "{\"n\":|p$.n|}"},
        {"{{{ item }}}", "{|i$|}"},
        {"}} and {", "}} and {"},
        {"{{ nodes.b-1.outputs.two-words }}", "n1$.outputs.\"two-words\""},
        {"{{ nodes.a.outputs[\"a b\"].c }}", "n0$.outputs.\"a b\".c"},
        {"{{ nodes.a.outputs[\"q\\\"]\\\\\"][12].0 }}", "n0$.outputs.\"q\\\"]\\\\\"[12][0]"},
        {"{{ nodes.a.outputs.1234567890 }}", "n0$.outputs.\"1234567890\""},
        {"{{ nodes.a.outputs._x1.1x }}", "n0$.outputs._x1.\"1x\""},
        {"{{ nodes.a.outputs.\xC3\xA4 }}", "n0$.outputs.\"\xC3\xA4\""},
    }));
    CHECK(parts_of(r.text) == r.parts);
}

TEST_CASE("of ids with points the longest that fits counts, and brackets say which is meant", "[unit][plan][template]")
{
    CHECK(parts_of("{{ nodes.x.y.outputs.z }}") == "n2$.outputs.z");
    CHECK(parts_of("{{ nodes.x.outputs.y }}") == "n3$.outputs.y");
    CHECK(parts_of("{{ nodes[\"x\"].y }}") == "n3$.y");
    CHECK(parts_of("{{ nodes[\"x.y\"] }}") == "n2$");
    CHECK(parts_of("{{ nodes.dots...status }}") == "n4$.status");
}

TEST_CASE("what no template may be is refused, and it is said what may stand there", "[unit][plan][template]")
{
    const auto text = GENERATE(as<std::string>{}, "{{ x }}", "{{ }}", "{{}}", "{{ Parameters.x }}", "{{ parameter.x }}", "{{ items }}", "{{ nodes }}", "{{ nodes. }}", "{{ nodes..a }}",
                               "{{ nodes.a. }}", "{{ nodes.a..b }}", "{{ nodes.a.outputs[ }}", "{{ nodes.a.outputs[x] }}", "{{ nodes.a.outputs[-1] }}",
                               "{{ nodes.a.outputs[\"x] }}", "{{ nodes.a.outputs[\"x\" }}", "{{ nodes.a.outputs[9999999999] }}", "{{ nodes.a[0]x }}", "{{ nodes[0] }}",
                               "{{ item.a b }}", "{{ item.a|upper }}", "{{ item.(x) }}", "{{ parameters.n+1 }}", "{{ parameters.x", "fine {{ item }} {{ open", "{{ item. }}", "{{ parameters.a[] }}");
    INFO(text);
    const auto parts = parts_of(text);
    CHECK(parts.starts_with("refused: "));
    CHECK(parts.find("{{ nodes.NODE.outputs.NAME }}, {{ parameters.NAME }}, {{ item }} or {{ item.NAME }}") != std::string::npos);
}

TEST_CASE("a template that names an unknown node says which", "[unit][plan][template]")
{
    CHECK(parts_of("{{ nodes.other.outputs.x }}") == "refused: {{ nodes.other.outputs.x }} names no node of this plan: there is no other");
    CHECK(parts_of("{{ nodes[\"an other\"].outputs }}") == "refused: {{ nodes[\"an other\"].outputs }} names no node of this plan: there is no an other");
}
