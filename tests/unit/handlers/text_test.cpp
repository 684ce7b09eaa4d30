#include "runtime/handlers/base64.hpp"
#include "runtime/handlers/readable.hpp"
#include "runtime/handlers/template.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::runtime;
namespace json = boost::json;

TEST_CASE("base64 goes there and back for every length", "[unit][handlers]")
{
    std::string bytes;
    for (int i = 0; i < 70; ++i) {
        CHECK(from_base64(to_base64(bytes)) == bytes);
        bytes += static_cast<char>(i * 37);
    }
    CHECK(to_base64("Man") == "TWFu");
    CHECK(to_base64("Ma") == "TWE=");
    CHECK(to_base64("M") == "TQ==");
}

TEST_CASE("what is not base64 is refused", "[unit][handlers]")
{
    const auto text = GENERATE(as<std::string>{}, "TWF", "TWF*", "====", "T===", "TWE=TWFu", "TWFu\n", "TWF=", "TR==");
    INFO(text);
    CHECK_FALSE(from_base64(text));
}

TEST_CASE("what a program writes becomes UTF-8 without NUL, wherever it is cut", "[unit][handlers]")
{
    const std::string text = std::string("a\xC3\xA9") + '\0' + "\xE2\x82\xAC|\xFF|\xED\xA0\x80|\xF0\x9F\x98\x80|\xC3";
    const std::string bad = "\xEF\xBF\xBD";
    const std::string expected = "a\xC3\xA9" + bad + "\xE2\x82\xAC|" + bad + "|" + bad + bad + bad + "|\xF0\x9F\x98\x80|" + bad;
    for (std::size_t piece = 1; piece <= text.size(); ++piece) {
        readable_stream stream;
        std::string out;
        for (std::size_t at = 0; at < text.size(); at += piece) out += stream.feed(std::string_view(text).substr(at, piece));
        CHECK(out + stream.finish() == expected);
    }
}

TEST_CASE("a text that is cut ends at a character's end", "[unit][handlers]")
{
    CHECK(readable("short", 5) == "short");
    CHECK(readable("longer", 5) == "lo\xE2\x80\xA6");
    CHECK(readable("\xC3\xA9\xC3\xA9\xC3\xA9", 5) == "\xC3\xA9\xE2\x80\xA6");
}

TEST_CASE("templates name parameters", "[unit][handlers]")
{
    const auto parameters = json::parse(R"({"table": "packages", "n": 3, "deep": {"list": ["x", {"y": true}]}, "url": "http://h/a b", "odd": "a/b c&d"})");
    struct row {
        const char* why;
        std::string text;
        std::string expected;
    };
    const auto r = GENERATE(values<row>({
        {"no template", "plain", "plain"},
        {"a string as it is", "--table={{ parameters.table }}!", "--table=packages!"},
        {"a number as JSON", "{{parameters.n}}", "3"},
        {"a path through an array", "{{ parameters.deep.list.0 }}{{ parameters.deep.list.1.y }}", "xtrue"},
        {"an object as JSON", "{{ parameters.deep.list.1 }}", R"({"y":true})"},
        {"braces around anything else are left alone", "{{ .Names }} {{ parametersx }} {{", "{{ .Names }} {{ parametersx }} {{"},
        {"braces before a template", "{{{ parameters.n }}}", "{3}"},
    }));
    INFO(r.why);
    CHECK(fill(r.text, parameters).value() == r.expected);
}

TEST_CASE("a template that names nothing is INVALID_CONFIG", "[unit][handlers]")
{
    const auto text = GENERATE(as<std::string>{}, "{{ parameters.nothing }}", "{{ parameters.list.7 }}", "{{ parameters.n.x }}", "{{ parameters. }}");
    const auto filled = fill(text, json::parse(R"({"n": 3, "list": [1]})"));
    REQUIRE_FALSE(filled.has_value());
    CHECK(filled.error().code == "INVALID_CONFIG");
}

TEST_CASE("in an address, values are encoded unless they begin it", "[unit][handlers]")
{
    const auto parameters = json::parse(R"({"base": "http://h/p", "odd": "a/b c&d"})");
    CHECK(fill("{{ parameters.base }}?q={{ parameters.odd }}", parameters, template_place::url).value() == "http://h/p?q=a%2Fb%20c%26d");
}

TEST_CASE("a body's template keeps the type of what it names", "[unit][handlers]")
{
    const auto parameters = json::parse(R"({"n": 3, "o": {"a": 1}})");
    const auto body = json::parse(R"({"x": "{{ parameters.n }}", "y": ["n={{ parameters.n }}", "{{ parameters.o }}"], "z": null})");
    CHECK(json::serialize(fill(body, parameters).value()) == R"({"x":3,"y":["n=3",{"a":1}],"z":null})");
}
