#include "storage/model/json_text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/monotonic_resource.hpp>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

using namespace rowlock;
namespace json = boost::json;

namespace {

json::value parsed(std::string_view text)
{
    auto v = parse_json(text);
    INFO(text);
    REQUIRE(v.has_value());
    return *v;
}

}

TEST_CASE("numbers are written as a person would write them, and stay what they are", "[unit][json]")
{
    struct row { double number; std::string text; };
    const auto r = GENERATE(values<row>({
        {0.5, "0.5"}, {5.0, "5.0"}, {0.1, "0.1"}, {-0.25, "-0.25"}, {0.0, "0.0"}, {-0.0, "-0.0"}, {120000.0, "120000.0"}, {1e14, "100000000000000.0"},
        {1e15, "1e+15"}, {1.5e300, "1.5e+300"}, {0.000001, "0.000001"}, {1e-9, "1e-09"}, {1763715183.123456, "1763715183.123456"},
        {std::numeric_limits<double>::infinity(), "null"}, {std::nan(""), "null"},
    }));
    CHECK(to_text(json::value(r.number)) == r.text);
}

TEST_CASE("integers keep every digit", "[unit][json]")
{
    CHECK(to_text(json::value(std::numeric_limits<std::int64_t>::min())) == "-9223372036854775808");
    CHECK(to_text(json::value(std::numeric_limits<std::uint64_t>::max())) == "18446744073709551615");
    CHECK(to_text(parsed("18446744073709551615")) == "18446744073709551615");
}

TEST_CASE("every double reads back as itself from its text", "[unit][json]")
{
    std::mt19937_64 random(20260101);
    for (int i = 0; i < 20'000; ++i) {
        const std::uint64_t bits = random();
        double d = 0;
        std::memcpy(&d, &bits, sizeof d);
        if (!std::isfinite(d)) continue;
        const std::string text = to_text(json::value(d));
        const auto back = parsed(text);
        INFO(text);
        REQUIRE(back.is_double());
        REQUIRE(back.get_double() == d);
        REQUIRE(to_text(back) == text);
    }
}

TEST_CASE("strings are escaped where JSON asks for it and nowhere else", "[unit][json]")
{
    std::string out;
    append_string(out, std::string_view("a\"b\\c/\n\r\t\b\f\x01\x1f\x7f\0é", 17));
    CHECK(out == "\"a\\\"b\\\\c/\\n\\r\\t\\b\\f\\u0001\\u001f\x7f\\u0000é\"");
}

TEST_CASE("text for people is indented, and empty containers stay on one line", "[unit][json]")
{
    CHECK(to_pretty_text(parsed(R"({"a":[1,{"b":null}],"c":{},"d":[]})")) == "{\n  \"a\": [\n    1,\n    {\n      \"b\": null\n    }\n  ],\n  \"c\": {},\n  \"d\": []\n}");
    CHECK(to_text(parsed(R"( { "a" : [ 1 , true ] } )")) == R"({"a":[1,true]})");
}

TEST_CASE("the path of a NUL leads to the string or the key that holds it", "[unit][json]")
{
    struct row { const char* text; std::string path; };
    const auto r = GENERATE(values<row>({
        {R"("\u0000")", ""},
        {R"({"a":[1,{"b":"x\u0000"}]})", "a[1].b"},
        {R"({"a":{"k\u0000":1}})", R"(a.k\u0000)"},
        {R"([[],["\u0000"]])", "[1][0]"},
    }));
    const auto found = find_nul(parsed(r.text));
    REQUIRE(found);
    CHECK(*found == r.path);
    CHECK_FALSE(find_nul(parsed(R"({"a":["\\u0000", "\u0001"]})")));
}

TEST_CASE("every NUL of a body is found, up to a bound", "[unit][json]")
{
    const auto v = parsed(R"({"a":"\u0000","b":["\u0000","\u0000"]})");
    CHECK(find_every_nul(v.as_object(), 10) == std::vector<std::string>{"a", "b[0]", "b[1]"});
    CHECK(find_every_nul(v.as_object(), 2).size() == 2);
}

TEST_CASE("a long key is cut between characters", "[unit][json]")
{
    std::string key = "a";
    for (int i = 0; i < 100; ++i) key += "é";
    const auto path = path_of("tags", key);
    CHECK(path.size() < 140);
    CHECK(path.ends_with("é..."));
}

TEST_CASE("what is not JSON is refused with its line and column", "[unit][json]")
{
    struct row { const char* why; std::string text; std::string detail; };
    const auto r = GENERATE(values<row>({
        {"nothing at all", "", "ends too early at line 1, column 1"},
        {"cut off", "{\"a\": [1,", "ends too early at line 1, column 10"},
        {"a comma too many", "{\n  \"a\": 1,\n}", "unexpected character at line 3, column 1"},
        {"two values", "{} {}", "more after its end at line 1, column 4"},
        {"columns count characters", "{\"é\": x}", "unexpected character at line 1, column 7"},
        {"a byte that is not UTF-8", "{\"a\": \"\xff\"}", "at line 1, column"},
        {"a surrogate encoded in UTF-8", "\"\xed\xa0\x80\"", "at line 1, column"},
        {"an overlong encoding", "\"\xc0\xaf\"", "at line 1, column"},
        {"half a pair", R"("\ud800x")", "at line 1, column"},
        {"a number without an end", "1e", "at line 1, column"},
        {"a number beyond a double", "[1e400]", "a number is out of range at line 1, column"},
        {"an integer beyond 64 bits", "[18446744073709551616]", "a number is out of range at line 1, column"},
        {"another beyond it", "-1e999999999", "a number is out of range"},
        {"a bare word", "nil", "unexpected character"},
        {"a leading zero", "01", "at line 1, column 2"},
        {"a comment", "{} // no", "at line 1, column 4"},
        {"a NUL byte", std::string("{}\0", 3), "at line 1, column 3"},
    }));
    INFO(r.why);
    const auto v = parse_json(r.text);
    REQUIRE(v.has_error());
    CHECK(v.error().code == errc::malformed_json);
    CHECK_THAT(v.error().detail, Catch::Contains(r.detail));
}

TEST_CASE("numbers too small for a double are zero", "[unit][json]")
{
    CHECK(parsed("1e-999").get_double() == 0);
    CHECK(parsed("5e-324").get_double() == 5e-324);
    CHECK(parsed("0.1234567890123456789012345678901234567890").get_double() == 0.1234567890123456789);
}

TEST_CASE("nesting stops at the limit", "[unit][json]")
{
    const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
    CHECK(parse_json(nested(64)).has_value());
    const auto deep = parse_json(nested(65));
    REQUIRE(deep.has_error());
    CHECK_THAT(deep.error().detail, Catch::Contains("nested too deeply") && Catch::Contains("At most 64 levels"));
    CHECK(parse_json(nested(10'000)).has_error());
    CHECK(parse_json(nested(3), {.max_depth = 2}).has_error());
}

TEST_CASE("of a key that comes twice the last one counts", "[unit][json]")
{
    CHECK(to_text(parsed(R"({"a":1,"b":2,"a":3})")).find("\"a\":3") != std::string::npos);
    CHECK(parsed(R"({"a":1,"a":3})").as_object().size() == 1);
}

TEST_CASE("a value is built in the memory it is given", "[unit][json]")
{
    json::monotonic_resource memory;
    const auto v = parse_json(R"({"a":["some text that is too long to be kept inside the value", 1.5, true, null]})", {}, &memory);
    REQUIRE(v.has_value());
    CHECK(v->storage().get() == &memory);
    CHECK(v->at("a").as_array().size() == 4);
}
