#include "ops/cli/cli.hpp"
#include "ops/doctor/doctor.hpp"
#include "tests/support/private_postgres.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <pqxx/pqxx>
#include <sstream>

using namespace rowlock;
using ops::severity;

namespace {

ops::finding find(const std::vector<ops::finding>& all, const std::string& check)
{
    const auto found = std::find_if(all.begin(), all.end(), [&](const ops::finding& one) { return one.check == check; });
    INFO(check);
    REQUIRE(found != all.end());
    INFO(found->detail);
    if (found->level != severity::fine) CHECK_FALSE(found->remedy.empty());
    return *found;
}

struct ended {
    int code;
    std::string out;
    std::string err;
};

ended run_line(const std::vector<std::string>& arguments)
{
    std::ostringstream out;
    std::ostringstream err;
    const int code = ops::run_cli(arguments, {}, out, err, {});
    return {code, out.str(), err.str()};
}

}

TEST_CASE("doctor finds a migrated database in order, but for what the tests have switched off", "[pg][doctor]")
{
    const test::test_database database;
    const auto found = ops::check_database(database.url());
    for (const char* check : {"database.version", "database.primary", "database.autovacuum", "database.default_transaction_isolation", "database.connections",
                              "database.oldest_transaction", "database.migrations", "database.clock", "database.pooling", "database.prepared_transactions",
                              "database.replication_slots", "database.transaction_ids", "database.bloat", "database.autovacuum_of_tables", "database.partitions", "database.retention",
                              "database.instances", "database.jit", "database.shared_buffers", "database.max_wal_size", "database.track_counts"}) {
        CHECK(find(found, check).level == severity::fine);
    }
    const auto invariants = ops::check_invariants(database.url());
    REQUIRE(invariants.size() == 1);
    INFO(invariants.front().detail);
    CHECK(invariants.front().level == severity::fine);
}

TEST_CASE("doctor names settings that lose acknowledged work", "[pg][doctor]")
{
    const test::test_database database;
    {
        pqxx::connection session(database.url());
        pqxx::nontransaction tx(session);
        const std::string name = tx.quote_name(session.dbname());
        tx.exec("ALTER DATABASE " + name + " SET synchronous_commit = off");
        tx.exec("ALTER DATABASE " + name + " SET default_transaction_isolation = 'serializable'");
    }
    const auto found = ops::check_database(database.url());
    CHECK(find(found, "database.synchronous_commit").level == severity::problem);
    CHECK(find(found, "database.default_transaction_isolation").level == severity::problem);
}

TEST_CASE("doctor sees an empty database and one that is not there", "[pg][doctor]")
{
    const test::test_database empty("template0");
    CHECK(find(ops::check_database(empty.url()), "database.migrations").level == severity::problem);
    CHECK(ops::check_invariants(empty.url()).front().level == severity::problem);
    CHECK(find(ops::check_database("postgresql://127.0.0.1:1/none"), "database.reachable").level == severity::problem);
    CHECK(run_line({"doctor", "--database", empty.url()}).code == 1);
}

TEST_CASE("tokens are made, listed and revoked on the database itself", "[pg][token]")
{
    const test::test_database database;
    const ended made = run_line({"token", "create", "--role", "admin", "--name", "first", "--database", database.url()});
    INFO(made.err);
    REQUIRE(made.code == 0);
    CHECK(made.out.starts_with("rl_"));

    const ended list = run_line({"token", "list", "--database", database.url()});
    CHECK(list.code == 0);
    CHECK(list.out.find("first") != std::string::npos);
    CHECK(list.out.find(made.out.substr(0, made.out.size() - 1)) == std::string::npos);

    const std::string id = made.err.substr(std::string{"token "}.size(), 36);
    CHECK(run_line({"token", "revoke", id, "--database", database.url()}).code == 0);
    CHECK(run_line({"token", "revoke", id, "--database", database.url()}).code == 3);
    CHECK(run_line({"token", "revoke", "nonsense", "--database", database.url()}).code == 3);

    const test::test_database empty("template0");
    CHECK(run_line({"token", "create", "--role", "admin", "--database", empty.url()}).code == 2);
}
