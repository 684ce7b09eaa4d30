#include "api/context.hpp"
#include "api/query.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::api;
using namespace std::chrono_literals;

TEST_CASE("a query is read by name, whatever its order", "[unit][api]")
{
    query_reader query("cursor=a%2Fb+c&limit=7&status=FAILED&status=RUNNING&since=2026-01-31T09:30:00Z&timeout_seconds=1.25&follow=true");
    CHECK(query.limit() == 7);
    CHECK(query.cursor() == "a/b c");
    CHECK(query.texts("status", 9) == std::vector<std::string>{"FAILED", "RUNNING"});
    CHECK(query.time("since") == parse_rfc3339("2026-01-31T09:30:00Z"));
    CHECK(query.seconds("timeout_seconds", 300s) == 1250ms);
    CHECK(query.flag("follow"));
    CHECK(query.finish().has_value());
}

TEST_CASE("what is left out has its default", "[unit][api]")
{
    query_reader query("");
    CHECK(query.limit() == 100);
    CHECK(query.cursor().empty());
    CHECK_FALSE(query.time("since"));
    CHECK_FALSE(query.flag("follow"));
    CHECK(query.finish().has_value());
}

TEST_CASE("a list that is read whole is shown in pages that leave nothing out", "[unit][api]")
{
    const std::vector<std::string> items{"1", "2", "3", "4", "5"};
    struct row { const char* query; const char* page; };
    auto r = GENERATE(values<row>({
        {"", R"({"items":[1,2,3,4,5],"next_cursor":null})"},
        {"limit=2", R"({"items":[1,2],"next_cursor":"2"})"},
        {"limit=2&cursor=2", R"({"items":[3,4],"next_cursor":"4"})"},
        {"limit=2&cursor=4", R"({"items":[5],"next_cursor":null})"},
        {"limit=5", R"({"items":[1,2,3,4,5],"next_cursor":null})"},
        {"cursor=900", R"({"items":[],"next_cursor":null})"}}));
    INFO(r.query);
    query_reader query(r.query);
    const auto window = query.window();
    REQUIRE(query.finish().has_value());
    std::string out;
    append_page(out, items, window);
    CHECK(out == r.page);
    query_reader wrong("cursor=two");
    wrong.window();
    CHECK_FALSE(wrong.finish().has_value());
}

TEST_CASE("a plus that was not encoded in a time is taken for what it was", "[unit][api]")
{
    query_reader query("since=2026-01-31T09:30:00+02:00");
    CHECK(query.time("since") == parse_rfc3339("2026-01-31T07:30:00Z"));
}

TEST_CASE("each wrong parameter is refused by its name", "[unit][api]")
{
    struct row { const char* why; const char* query; const char* field; };
    auto r = GENERATE(values<row>({
        {"unknown", "statsu=FAILED", "statsu"},
        {"too small", "limit=0", "limit"},
        {"too large", "limit=1001", "limit"},
        {"not a number", "limit=ten", "limit"},
        {"trailing text", "limit=10x", "limit"},
        {"given twice", "limit=1&limit=2", "limit"},
        {"empty", "limit=", "limit"},
        {"no time", "since=yesterday", "since"},
        {"no such day", "since=2026-02-30T00:00:00Z", "since"},
        {"negative", "timeout_seconds=-1", "timeout_seconds"},
        {"too long", "timeout_seconds=300.001", "timeout_seconds"},
        {"too fine", "timeout_seconds=0.0001", "timeout_seconds"},
        {"not a number of seconds", "timeout_seconds=1e2", "timeout_seconds"},
        {"no flag", "follow=yes", "follow"},
        {"broken escape", "cursor=%4", "cursor"},
        {"a NUL", "cursor=%00", "cursor"},
        {"not UTF-8", "cursor=%ff", "cursor"}}));
    INFO(r.why);
    query_reader query(r.query);
    query.limit();
    query.cursor();
    query.time("since");
    query.seconds("timeout_seconds", 300s);
    query.flag("follow");
    const auto refused = query.finish();
    REQUIRE(refused.has_error());
    CHECK(refused.error().code == errc::invalid_request);
    REQUIRE(refused.error().fields.size() == 1);
    CHECK(refused.error().fields[0].field == r.field);
}

TEST_CASE("all that is wrong with a query comes back at once", "[unit][api]")
{
    query_reader query("a=1&b=2&limit=x");
    query.limit();
    CHECK(query.finish().error().fields.size() == 3);
}

TEST_CASE("UTF-8 is told from what only looks like it", "[unit][api]")
{
    CHECK(is_utf8("plain, \xc3\xa4, \xe2\x82\xac, \xf0\x9f\x9a\xa3"));
    const char* wrong = GENERATE("\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\x80");
    CHECK_FALSE(is_utf8(wrong));
}
