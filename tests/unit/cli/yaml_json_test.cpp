#include "ops/cli/yaml_json.hpp"
#include "ops/cli/yaml_text.hpp"
#include "storage/model/json_text.hpp"

#include <catch2/catch.hpp>

using namespace rowlock::ops;

namespace {

// The only document of `text`, as compact JSON.
std::string as_json(std::string_view text)
{
    const auto documents = parse_yaml(text);
    if (!documents) return "line " + std::to_string(documents.error().line) + ": " + documents.error().message;
    REQUIRE(documents->size() == 1);
    return rowlock::to_text(documents->front().value);
}

yaml_error refusal_of(std::string_view text, const yaml_limits& limits = {})
{
    const auto documents = parse_yaml(text, limits);
    REQUIRE_FALSE(documents.has_value());
    return documents.error();
}

}

TEST_CASE("plain scalars are read by YAML 1.2's core schema", "[unit][yaml]")
{
    struct row { const char* yaml; const char* json; };
    const auto r = GENERATE(values<row>({
        {"a: 1", R"({"a":1})"},
        {"a: -12", R"({"a":-12})"},
        {"a: +7", R"({"a":7})"},
        {"a: 012", R"({"a":12})"},
        {"a: 0o17", R"({"a":15})"},
        {"a: 0xFf", R"({"a":255})"},
        {"a: 18446744073709551615", R"({"a":18446744073709551615})"},
        {"a: -9223372036854775808", R"({"a":-9223372036854775808})"},
        {"a: 0.5", R"({"a":0.5})"},
        {"a: .5", R"({"a":0.5})"},
        {"a: 1e3", R"({"a":1000.0})"},
        {"a: true", R"({"a":true})"},
        {"a: False", R"({"a":false})"},
        {"a: ~", R"({"a":null})"},
        {"a:", R"({"a":null})"},
        {"a: NULL", R"({"a":null})"},
        {"a: yes", R"({"a":"yes"})"},
        {"a: on", R"({"a":"on"})"},
        {"a: 2026-01-31", R"({"a":"2026-01-31"})"},
        {"a: 1_000", R"({"a":"1_000"})"},
        {"a: 1.2.3", R"({"a":"1.2.3"})"},
        {"a: 0x", R"({"a":"0x"})"},
        {"a: '1'", R"({"a":"1"})"},
        {"a: \"true\"", R"({"a":"true"})"},
        {"a: 'null'", R"({"a":"null"})"},
        {"a: ''", R"({"a":""})"},
        {"a: !!str 5", R"({"a":"5"})"},
        {"a: !!float 5", R"({"a":5.0})"},
        {"8080: x", R"({"8080":"x"})"},
        {"'null': x", R"({"null":"x"})"},
        {"a: |\n  1\n  2\n", "{\"a\":\"1\\n2\\n\"}"},
        {"a: {b: [1, {c: d}], e: {}}", R"({"a":{"b":[1,{"c":"d"}],"e":{}}})"},
    }));
    INFO(r.yaml);
    CHECK(as_json(r.yaml) == r.json);
}

TEST_CASE("anchors, aliases and merge keys give copies", "[unit][yaml]")
{
    CHECK(as_json("a: &x [1, 2]\nb: *x\n") == R"({"a":[1,2],"b":[1,2]})");
    CHECK(as_json("base: &b {x: 1, y: 2}\nd:\n  y: 3\n  <<: *b\n") == R"({"base":{"x":1,"y":2},"d":{"y":3,"x":1}})");
    CHECK(as_json("a: &a {x: 1}\nb: &b {x: 2, y: 2}\nd:\n  <<: [*a, *b]\n") == R"({"a":{"x":1},"b":{"x":2,"y":2},"d":{"x":1,"y":2}})");
    CHECK(as_json("d:\n  '<<': 1\n") == R"({"d":{"<<":1}})");
    CHECK(as_json("a: &n name\n*n : 5\n") == R"({"a":"name","name":5})");
}

TEST_CASE("what JSON cannot hold is refused with its place", "[unit][yaml]")
{
    struct row { const char* why; const char* yaml; int line; int column; };
    const auto r = GENERATE(values<row>({
        {"a key that comes twice", "a: 1\nb: 2\na: 3\n", 3, 1},
        {"a list as a key", "? [1]\n: x\n", 1, 3},
        {"no key at all", "~: x\n", 1, 1},
        {"infinity", "a: 1\nb: .inf\n", 2, 4},
        {"an integer over 64 bits", "a: 18446744073709551616\n", 1, 4},
        {"a tag of another schema", "a: !!timestamp 2026-01-31\n", 1, 4},
        {"a local tag", "a: !mine 1\n", 1, 4},
        {"a tag that does not fit", "a: !!int x\n", 1, 4},
        {"merging a scalar", "a:\n  <<: 1\n", 2, 7},
        {"an unknown alias", "a: *x\n", 1, 4},
        {"a bracket that is not closed", "a: [1, 2\n", 2, 1},
        {"an alias of what is around it", "a: &x\n  - *x\n", 2, 5},
        {"a comma before anything", ", \"--a\"]b\n", 1, 1},
        {"an escape that would become a byte of Latin-1", "a: \"x\\_\"\n", 1, 4},
        {"bytes that are not UTF-8", "a: b\nc: \xff\n", 2, 4},
        {"a NUL", "a: b\nc: x\x01\n", 2, 5},
    }));
    INFO(r.why);
    const yaml_error e = refusal_of(r.yaml);
    INFO(e.message);
    CHECK(e.line == r.line);
    CHECK(e.column == r.column);
    CHECK_FALSE(e.message.empty());
}

TEST_CASE("every member has the line of its key, and what is missing the line of what is around it", "[unit][yaml]")
{
    const auto documents = parse_yaml("# a job\n"
                                      "job_id: ingest\n"
                                      "handler:\n"
                                      "  type: process\n"
                                      "  command:\n"
                                      "    - ./x\n"
                                      "    - --flag\n"
                                      "parameters: &p {a: 1}\n"
                                      "more:\n"
                                      "  <<: *p\n");
    REQUIRE(documents.has_value());
    const yaml_document& d = documents->front();
    CHECK(d.line_of("job_id") == 2);
    CHECK(d.line_of("handler") == 3);
    CHECK(d.line_of("handler.command") == 5);
    CHECK(d.line_of("handler.command[1]") == 7);
    CHECK(d.line_of("handler.command[9]") == 5);
    CHECK(d.line_of("handler.seconds") == 3);
    CHECK(d.line_of("more.a") == 10);
    CHECK(d.line_of("timeout_seconds") == 2);
}

TEST_CASE("a file of several documents gives each of them, with its own lines, and skips empty ones", "[unit][yaml]")
{
    const auto documents = parse_yaml("---\njob_id: a\n---\n---\njob_id: b\nx: &x 1\n");
    REQUIRE(documents.has_value());
    REQUIRE(documents->size() == 2);
    CHECK(documents->at(1).line_of("job_id") == 5);
    CHECK(documents->at(0).line_of("x") == 2);
    CHECK(parse_yaml("")->empty());
    CHECK(parse_yaml("# nothing\n")->empty());
}

TEST_CASE("aliases cannot make a small file into a huge value", "[unit][yaml]")
{
    std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 12; ++i) {
        const std::string above = "*a" + std::to_string(i - 1);
        laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
        for (int k = 0; k < 10; ++k) laughs += (k ? ", " : "") + above;
        laughs += "]\n";
    }
    CHECK(refusal_of(laughs).message.find("exceeds") != std::string::npos);

    std::string tower = "a0: &a0 [x]\n";
    for (int i = 1; i < 200; ++i) tower += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) + "]\n";
    CHECK(refusal_of(tower).message.find("deep") != std::string::npos);
    CHECK(refusal_of(std::string(5000, '[')).line == 1);
    CHECK(refusal_of("a: [[[1]]]\n", {.depth = 3}).line == 1);
}

TEST_CASE("JSON written as YAML reads back as itself", "[unit][yaml]")
{
    const std::string text = GENERATE(as<std::string>{},
        R"({"a":1,"b":[1,2.5,{"c":null,"d":[]},[["x"]],{}],"e":{"f":{"g":true}},"on":"yes","n":"12","empty":""})",
        R"([])", R"({})", R"("x: y")", R"([{"a":1,"b":{"c":2}},"- x","line\nbreak","tab\t","# no","é","~","0x10","1e3",".5","-","\u007f"])", "null", "12.0");
    const auto value = rowlock::parse_json(text);
    REQUIRE(value.has_value());
    const std::string yaml = to_yaml_text(*value);
    INFO(yaml);
    const auto back = parse_yaml(yaml);
    REQUIRE(back.has_value());
    if (value->is_null()) CHECK(back->empty());
    else CHECK(rowlock::to_text(back->front().value) == rowlock::to_text(*value));
}

TEST_CASE("YAML for people has no quotes where none are needed", "[unit][yaml]")
{
    const auto value = rowlock::parse_json(R"({"job_id":"ingest","handler":{"type":"noop"},"list":[{"a":1,"b":2}],"none":[]})");
    CHECK(to_yaml_text(*value) == "job_id: ingest\nhandler:\n  type: noop\nlist:\n  - a: 1\n    b: 2\nnone: []\n");
}
