#include "runtime/handlers/sql_address.hpp"
#include "runtime/handlers/sql_binds.hpp"
#include "runtime/handlers/sql_rows.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <libpq-fe.h>
#include <memory>

using namespace rowlock;
using namespace rowlock::runtime;
using namespace std::chrono_literals;

namespace {

assignment work_with(std::string parameters)
{
    auto job = std::make_shared<job_version>();
    job->definition.job_id = "a-job";
    return {.id = execution_id::make(1'700'000'000'000, 7, 1), .run_id = execution_id::make(1'700'000'000'000, 7, 2), .job = job, .attempt_number = 3,
            .parameters = std::move(parameters)};
}

std::string json_of(unsigned int type, std::string_view text)
{
    std::string out;
    append_sql_value(out, type, text);
    return out;
}

using result_ptr = std::unique_ptr<PGresult, decltype(&PQclear)>;

// One row with columns of these names and types; a null pointer is NULL.
struct cell {
    const char* name;
    Oid type;
    const char* text;
};
result_ptr row_of(std::vector<cell> cells)
{
    result_ptr made(PQmakeEmptyPGresult(nullptr, PGRES_SINGLE_TUPLE), &PQclear);
    std::vector<PGresAttDesc> columns;
    for (auto& each : cells) columns.push_back({const_cast<char*>(each.name), 0, 0, 0, each.type, -1, -1});
    PQsetResultAttrs(made.get(), static_cast<int>(columns.size()), columns.data());
    for (int i = 0; i < static_cast<int>(cells.size()); ++i) {
        const auto* text = cells[static_cast<std::size_t>(i)].text;
        PQsetvalue(made.get(), 0, i, const_cast<char*>(text), text ? static_cast<int>(std::string_view(text).size()) : -1);
    }
    return made;
}

}

TEST_CASE("a parameter of a statement has the type that the same literal would have", "[unit][handler][sql]")
{
    struct row { const char* json; sql_bind bind; };
    const auto r = GENERATE(values<row>({
        {R"("2026-01-01'; drop table t; --")", {0, "2026-01-01'; drop table t; --"}},
        {"null", {0, std::nullopt}},
        {"true", {16, "true"}},
        {"2147483647", {23, "2147483647"}},
        {"-2147483648", {23, "-2147483648"}},
        {"2147483648", {20, "2147483648"}},
        {"0.5", {1700, "0.5"}},
        {"5.0", {1700, "5.0"}},
        {R"([1,"a"])", {3802, R"([1,"a"])"}},
        {R"({"a":{"b":null}})", {3802, R"({"a":{"b":null}})"}},
    }));
    const auto binds = sql_binds_of({"parameters.value"}, work_with(std::string(R"({"value":)") + r.json + "}"));
    REQUIRE(binds.has_value());
    REQUIRE(binds->size() == 1);
    CHECK(binds->front() == r.bind);
}

TEST_CASE("a statement may name the execution, and not what is not there", "[unit][handler][sql]")
{
    const auto work = work_with(R"({"list":[{"n":7}]})");
    const auto binds = sql_binds_of({"execution_id", "run_id", "job_id", "attempt_number", "parameters.list.0.n", "parameters"}, work);
    REQUIRE(binds.has_value());
    CHECK(*binds == std::vector<sql_bind>{{0, work.id.str()}, {0, work.run_id.str()}, {0, "a-job"}, {23, "3"}, {23, "7"}, {3802, R"({"list":[{"n":7}]})"}});

    const auto missing = sql_binds_of({"parameters.list.1.n"}, work);
    REQUIRE(missing.has_error());
    CHECK(missing.error().code == "INVALID_CONFIG");
    CHECK_THAT(missing.error().message, Catch::Contains("{{ parameters.list.1.n }} names nothing"));
}

TEST_CASE("values of PostgreSQL become JSON without loss", "[unit][handler][sql]")
{
    struct row { const char* why; unsigned int type; const char* text; const char* json; };
    const auto r = GENERATE(values<row>({
        {"boolean", 16, "t", "true"},
        {"boolean", 16, "f", "false"},
        {"bigint", 20, "-9223372036854775808", "-9223372036854775808"},
        {"double", 701, "0.1", "0.1"},
        {"double", 701, "1e+300", "1e+300"},
        {"a double that JSON does not have", 701, "NaN", R"("NaN")"},
        {"and another", 700, "-Infinity", R"("-Infinity")"},
        {"numeric", 1700, "12.50", "12.50"},
        {"numeric", 1700, "-0.001", "-0.001"},
        {"numeric of 15 digits", 1700, "0.123456789012345", "0.123456789012345"},
        {"one digit more than a double has", 1700, "1.234567890123456", R"("1.234567890123456")"},
        {"a whole one in 64 bits", 1700, "9223372036854775807", "9223372036854775807"},
        {"beyond them", 1700, "9223372036854775808", R"("9223372036854775808")"},
        {"not a number", 1700, "NaN", R"("NaN")"},
        {"jsonb", 3802, R"({"a": [1, null]})", R"({"a": [1, null]})"},
        {"json that jsonb cannot hold", 114, R"("\u0000")", R"("\"\\u0000\"")"},
        {"json with a number beyond 64 bits", 114, "123456789012345678901", R"("123456789012345678901")"},
        {"with time zone, in UTC", 1184, "2026-11-21 22:54:14.5+01", R"("2026-11-21T21:54:14.500000Z")"},
        {"with half an hour", 1184, "2026-11-21 00:00:00+05:30", R"("2026-11-20T18:30:00.000000Z")"},
        {"west of it", 1184, "2026-11-21 22:00:00-03", R"("2026-11-22T01:00:00.000000Z")"},
        {"before 1970", 1184, "1969-07-20 20:17:40+00", R"("1969-07-20T20:17:40+00:00")"},
        {"infinity", 1184, "infinity", R"("infinity")"},
        {"before Christ", 1184, "0044-03-15 12:00:00+00 BC", R"("0044-03-15 12:00:00+00 BC")"},
        {"without time zone", 1114, "2026-11-21 22:54:14.5", R"("2026-11-21T22:54:14.5")"},
        {"date", 1082, "2026-11-21", R"("2026-11-21")"},
        {"text", 25, "a \"quoted\"\nline", R"("a \"quoted\"\nline")"},
        {"bytes that are no text", 25, "\xff", "\"\xef\xbf\xbd\""},
        {"anything else", 600, "(1,2)", "\"(1,2)\""},
    }));
    INFO(r.why);
    CHECK(json_of(r.type, r.text) == r.json);
}

TEST_CASE("rows become objects, of two columns with one name the last", "[unit][handler][sql]")
{
    sql_rows rows(10, 1000);
    const auto one = row_of({{"n", 23, "1"}, {"a \"name\"", 25, "x"}, {"n", 23, "2"}});
    rows.add(*one, 0);
    const auto two = row_of({{"n", 23, "3"}, {"a \"name\"", 25, nullptr}, {"n", 23, "4"}});
    rows.add(*two, 0);
    CHECK(rows.seen() == 2);
    CHECK(rows.outputs(2) == R"({"row_count":2,"rows":[{"a \"name\"":"x","n":2},{"a \"name\"":null,"n":4}]})");
    CHECK(sql_rows(10, 1000).outputs(7) == R"({"row_count":7,"rows":[]})");
}

TEST_CASE("rows past a limit are counted, not kept, and the result says so", "[unit][handler][sql]")
{
    const auto row = row_of({{"n", 23, "1"}});
    sql_rows few(2, 1000);
    for (int i = 0; i < 3; ++i) few.add(*row, 0);
    CHECK(few.outputs(3) == R"({"row_count":3,"rows":[{"n":1},{"n":1}],"truncated":true})");

    sql_rows short_of_room(100, 20);
    const auto large = row_of({{"n", 25, "0123456789"}});
    short_of_room.add(*row, 0);
    short_of_room.add(*large, 0);
    // What would find room again is not among the first.
    short_of_room.add(*row, 0);
    CHECK(short_of_room.seen() == 3);
    CHECK(short_of_room.outputs(3) == R"({"row_count":3,"rows":[{"n":1}],"truncated":true})");
}

TEST_CASE("what is said about a connection holds none of its secrets", "[unit][handler][sql]")
{
    const sql_address url("w", "postgresql://ada:s%3Acret@db.example/shop?sslpassword=k3y");
    CHECK(url.scrubbed("FATAL: s:cret and k3y of ada") == "FATAL: *** and *** of ada");
    CHECK(url.scrubbed("in postgresql://ada:s%3Acret@db.example/shop?sslpassword=k3y here") == "in *** here");
    const sql_address words("w", "host=h password='s cret' user=ada");
    CHECK(words.scrubbed("s cret") == "***");
}

TEST_CASE("each host of a connection is tried by itself, and only names are looked up", "[unit][handler][sql]")
{
    const sql_address several("w", "postgresql://ada@db1,10.0.0.1:5433,[::1]/shop?connect_timeout=7&target_session_attrs=prefer-standby");
    REQUIRE(several.hosts().size() == 3);
    CHECK(several.hosts()[0].needs_lookup);
    CHECK_FALSE(several.hosts()[1].needs_lookup);
    CHECK(several.hosts()[1].port == "5433");
    CHECK_FALSE(several.hosts()[2].needs_lookup);
    CHECK(several.connect_timeout() == 7s);
    CHECK(several.passes() == std::vector<std::string>{"standby", "any"});

    const sql_address socket("w", "postgresql://ada@/shop?host=%2Frun%2Fpostgresql");
    REQUIRE(socket.hosts().size() == 1);
    CHECK(socket.hosts()[0].name == "/run/postgresql");
    CHECK_FALSE(socket.hosts()[0].needs_lookup);
    const auto parameters = socket.parameters(socket.hosts()[0], "");
    CHECK(std::count(parameters.begin(), parameters.end(), std::pair<std::string, std::string>("client_encoding", "UTF8")) == 1);
    CHECK(std::count(parameters.begin(), parameters.end(), std::pair<std::string, std::string>("host", "/run/postgresql")) == 1);
}
