#include "tests/support/private_postgres.hpp"

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

namespace {

using rowlock::test::test_database;

std::string one_value(const test_database& database, const std::string& query)
{
    pqxx::connection session(database.url());
    return pqxx::nontransaction(session).exec1(query)[0].c_str();
}

}

TEST_CASE("every test case has a migrated database of its own", "[pg][support]")
{
    const test_database one;
    const test_database other;
    CHECK(one_value(one, "create table public.mine as select 1; select to_regclass('public.mine')::text") == "mine");
    CHECK(one_value(other, "select to_regclass('public.mine') is null") == "t");
    CHECK(one_value(other, "select to_regclass('rowlock.executions') is null") == "f");
}

TEST_CASE("an empty database is there for tests of the migrations", "[pg][support]")
{
    const test_database empty("template0");
    CHECK(one_value(empty, "select to_regnamespace('rowlock') is null") == "t");
}
