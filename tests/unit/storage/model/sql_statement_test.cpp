#include "storage/model/sql_statement.hpp"

#include "storage/model/json_text.hpp"
#include "tests/unit/storage/model/definition_text.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;

namespace {

std::string sql_job(std::string_view members)
{
    return with_handler(R"({"type":"sql",)" + std::string(members) + "}");
}

}

TEST_CASE("a template of a statement becomes a parameter", "[unit][definition][sql]")
{
    struct row { const char* why; const char* given; const char* text; names binds; };
    const auto r = GENERATE(values<row>({
        {"none", "select 1", "select 1", {}},
        {"one", "select {{ parameters.n }}", "select $1", {"parameters.n"}},
        {"with a cast, without spaces", "select {{parameters.n}}::int", "select $1::int", {"parameters.n"}},
        {"a path, an item of an array, the whole", "select {{ parameters.a.b.0 }}, {{ parameters }}", "select $1, $2", {"parameters.a.b.0", "parameters"}},
        {"two alike are two, which may have two types", "select {{ parameters.n }}::int, {{ parameters.n }}::text", "select $1::int, $2::text", {"parameters.n", "parameters.n"}},
        {"what the execution is", "values ({{ execution_id }}, {{ run_id }}, {{ job_id }}, {{ attempt_number }})", "values ($1, $2, $3, $4)",
         {"execution_id", "run_id", "job_id", "attempt_number"}},
        {"right beside words", "select{{ parameters.n }}as n", "select $1 as n", {"parameters.n"}},
        {"an array's text is no template", "select '{{1,2},{3,4}}'::int[]", "select '{{1,2},{3,4}}'::int[]", {}},
        {"comments are left alone", "select 1 -- {{ parameters.n }}\n/* {{ x }} /* ' */ */ + {{ parameters.n }}", "select 1 -- {{ parameters.n }}\n/* {{ x }} /* ' */ */ + $1", {"parameters.n"}},
        {"a quote within quotes", "select 'it''s', \"a\"\"b\", {{ parameters.n }}", "select 'it''s', \"a\"\"b\", $1", {"parameters.n"}},
        {"a backslash is nothing in '...'", R"(select '\', {{ parameters.n }})", R"(select '\', $1)", {"parameters.n"}},
        {"and hides a quote in E'...'", R"(select E'\'', {{ parameters.n }})", R"(select E'\'', $1)", {"parameters.n"}},
        {"dollar quotes, with a parameter of a function", "do $f$ select $1; 'x $f$", "do $f$ select $1; 'x $f$", {}},
        {"a dollar in a name", "select a$1, b$$ from t", "select a$1, b$$ from t", {}},
        {"what looks like a comment in quotes", "select '--', '/*', {{ parameters.n }}", "select '--', '/*', $1", {"parameters.n"}},
    }));
    INFO(r.why);
    const auto read = read_sql_statement(r.given);
    REQUIRE(read.has_value());
    CHECK(read->text == r.text);
    CHECK(read->binds == r.binds);
}

TEST_CASE("a statement whose templates could not be parameters is refused", "[unit][definition][sql]")
{
    struct row { const char* given; const char* says; };
    const auto r = GENERATE(values<row>({
        {"select '{{ parameters.n }}'", "within quotes"},
        {"select E'\\'{{ parameters.n }}'", "within quotes"},
        {"select \"{{ parameters.n }}\"", "within quotes"},
        {"select $$ {{ parameters.n }} $$", "within quotes"},
        {"select 'a {{ run_id }} b'", "within quotes"},
        {"select {{ n }}", "names nothing that it may hold"},
        {"select {{ nodes.a.outputs.rows }}", "names nothing that it may hold"},
        {"select {{ execution_id.x }}", "names nothing that it may hold"},
        {"select {{ parameters. }}", "names nothing that it may hold"},
        {"select {{ parameters..n }}", "names nothing that it may hold"},
        {"select {{ parametersx }}", "names nothing that it may hold"},
        {"select {{ parameters.n", "names nothing that it may hold"},
        {"select {{}}", "names nothing that it may hold"},
        {"select $1", "a parameter like $1"},
        {"select 'a", "a quote without an end"},
        {"select $x$ a $y$", "a quote without an end"},
        {"select /* /* */", "a comment without an end"},
    }));
    INFO(r.given);
    const auto read = read_sql_statement(r.given);
    REQUIRE(read.has_error());
    CHECK(read.error().code == errc::invalid_request);
    CHECK_THAT(read.error().detail, Catch::Contains(r.says));
}

TEST_CASE("a statement has at most a thousand templates", "[unit][definition][sql]")
{
    std::string text = "select 1";
    for (std::size_t i = 0; i < sql_statement::most_binds; ++i) text += ", {{ parameters.n }}";
    CHECK(read_sql_statement(text).has_value());
    CHECK(read_sql_statement(text + ", {{ parameters.n }}").has_error());
}

TEST_CASE("a sql job is read, and kept as it was given", "[unit][definition][handler][sql]")
{
    const auto plain = good(sql_job(R"("connection":"warehouse","statement":"select 1")"));
    const auto& handler = std::get<sql_handler>(plain.handler);
    CHECK(handler.connection == "warehouse");
    CHECK(handler.statement == "select 1");
    CHECK_FALSE(handler.read_only);
    CHECK(handler.rows_limit == 100);
    CHECK_FALSE(handler.statement_timeout);
    CHECK(handler.outputs_limit_bytes == 1 << 20);
    CHECK(type_of(plain.handler) == "sql");

    const auto all = good(sql_job(R"("connection":"w","statement":"select {{ parameters.n }}","read_only":true,"rows_limit":0,"statement_timeout_seconds":1.5,"outputs_limit_bytes":2048)"));
    const auto& told = std::get<sql_handler>(all.handler);
    CHECK(told.read_only);
    CHECK(told.rows_limit == 0);
    CHECK(told.statement_timeout == milliseconds{1500});
    CHECK(told.outputs_limit_bytes == 2048);
    CHECK(kept(all, "handler")
          == R"({"type":"sql","connection":"w","statement":"select {{ parameters.n }}","read_only":true,"rows_limit":0,"statement_timeout_seconds":1.5,"outputs_limit_bytes":2048})");
}

TEST_CASE("what is wrong with a sql job is named", "[unit][definition][handler][sql]")
{
    CHECK(fields_of(sql_job(R"("read_only":1)")) == names{"handler.connection", "handler.read_only", "handler.statement"});
    CHECK(fields_of(sql_job(R"("connection":"No Slug","statement":"","rows_limit":1001,"statement_timeout_seconds":0,"outputs_limit_bytes":1,"url":"x")"))
          == names{"handler.connection", "handler.outputs_limit_bytes", "handler.rows_limit", "handler.statement", "handler.statement_timeout_seconds", "handler.url"});
    const auto all = errors_of(sql_job(R"("connection":"w","statement":"select '{{ parameters.n }}'")"));
    REQUIRE(all.size() == 1);
    CHECK(all[0].field == "handler.statement");
    // Nothing comes before a statement's end.
    CHECK(fields_of(R"({"handler":{"type":"sql","connection":"w","statement":"select 1"},"heartbeat":{"interval_seconds":5}})") == names{"heartbeat"});
}
