#include "storage/json_paths.hpp"

#include "tests/pg/queue/queue_database.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::storage;
using namespace rowlock::test;

TEST_CASE("a path that is none is refused in PostgreSQL's words", "[pg][callbacks]")
{
    queue_database db;
    storage::session s({.url = db.url()});
    for (const char* good : {"$.a == 1", "$.a", "$.status like_regex \"^D\" && $.n > 0", "strict $.a[*] ? (@.b == true)", "exists($.a)", "$.rows / $.of"}) {
        INFO(good);
        CHECK(refusal_of_path(s, good) == std::nullopt);
    }
    for (const char* bad : {"$.a = 1", "a.b", "$.", "$.a like_regex \"(\"", "$.a == ", "select 1", "$.a'); drop table jobs; --"}) {
        INFO(bad);
        const auto why = refusal_of_path(s, bad);
        REQUIRE(why);
        CHECK_FALSE(why->empty());
        CHECK(why->find("ERROR") == std::string::npos);
        CHECK(why->find('\n') == std::string::npos);
    }
}

TEST_CASE("a JSON text is asked for success, failure and progress at once", "[pg][callbacks]")
{
    struct row {
        const char* why;
        std::string json;
        std::string success;
        std::string failure;
        std::string progress;
        std::optional<bool> succeeded;
        std::optional<bool> failed;
        std::optional<double> done;
    };
    const std::vector<row> rows{
        {"all of it", R"({"s": "A", "n": 1, "of": 4})", "$.s == \"A\"", "$.s == \"B\"", "$.n / $.of", true, false, 0.25},
        {"what is not asked", "{}", "", "", "", {}, {}, {}},
        {"a member that is missing", "{}", "$.s == \"A\"", "", "$.n", false, {}, {}},
        {"no predicate", R"({"s": true, "t": "x"})", "$.s", "$.t", "", true, {}, {}},
        {"a predicate that cannot be told", R"({"s": "x"})", "$.s > 1", "$.s == 1 / 0", "", {}, {}, {}},
        {"a filter finds nothing", R"({"s": 1})", "$ ? (@.s == 2)", "", "", {}, {}, {}},
        {"a progress that is none", R"({"p": 7})", "", "", "$.p", {}, {}, {}},
        {"a progress below none", R"({"p": -0.1})", "", "", "$.p", {}, {}, {}},
        {"a progress of words", R"({"p": "0.5"})", "", "", "$.p", {}, {}, {}},
        {"a progress in a list", R"({"p": [0.5, 0.7]})", "", "", "$.p[*]", {}, {}, 0.5},
        {"division by nothing", R"({"n": 1, "of": 0})", "", "", "$.n / $.of", {}, {}, {}},
        {"numbers beyond a double", R"({"p": 1e400})", "$.p > 1", "", "$.p", true, {}, {}},
    };
    queue_database db;
    storage::session s({.url = db.url()});
    for (const auto& r : rows) {
        INFO(r.why);
        const auto said = ask_json(s, r.json, r.success, r.failure, r.progress);
        REQUIRE(said.has_value());
        CHECK(said->success == r.succeeded);
        CHECK(said->failure == r.failed);
        CHECK(said->progress == r.done);
    }
    const auto no_json = ask_json(s, "{", "$.a", "", "");
    REQUIRE_FALSE(no_json.has_value());
    CHECK(no_json.error().code == errc::invalid_request);
}
