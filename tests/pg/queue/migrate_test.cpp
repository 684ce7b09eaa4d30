#include "storage/migrations.hpp"
#include "storage/migrator.hpp"
#include "tests/pg/queue/queue_traffic.hpp"

#include <catch2/catch.hpp>
#include <latch>
#include <thread>

using namespace rowlock;
using namespace rowlock::test;

namespace {

std::string value(const std::string& url, const std::string& sql)
{
    pqxx::connection c(url);
    return pqxx::nontransaction(c).exec(sql).at(0)[0].c_str();
}

}

TEST_CASE("twenty programs that migrate at once apply every migration once", "[pg][queue]")
{
    constexpr std::ptrdiff_t programs = 20;
    const test_database empty("template0");
    std::vector<result<storage::migration_report>> reports(programs, error{});
    std::latch start(programs);
    {
        std::vector<std::jthread> threads;
        for (auto& report : reports) {
            threads.emplace_back([&] {
                start.arrive_and_wait();
                report = storage::migrate(empty.url());
            });
        }
    }
    int applied_by = 0;
    for (const auto& report : reports) {
        if (!report) FAIL_CHECK(report.error().detail);
        else if (!report->applied.empty()) ++applied_by;
    }
    CHECK(applied_by == 1);
    CHECK(value(empty.url(), "select count(*) from rowlock.migrations") == std::to_string(storage::all_migrations().size()));
    CHECK(storage::check_migrated(empty.url()).has_value());
}

TEST_CASE("a dry run says what would be applied and changes nothing", "[pg][queue]")
{
    const test_database empty("template0");
    const auto would = storage::migrate(empty.url(), true);
    REQUIRE(would.has_value());
    CHECK(would->found == 0);
    CHECK(would->applied.size() == storage::all_migrations().size());
    CHECK(value(empty.url(), "select to_regnamespace('rowlock') is null") == "t");
    CHECK_FALSE(storage::check_migrated(empty.url()).has_value());

    const auto done = storage::migrate(empty.url());
    REQUIRE(done.has_value());
    CHECK(done->applied == would->applied);
    const auto again = storage::migrate(empty.url());
    REQUIRE(again.has_value());
    CHECK(again->applied.empty());
    CHECK(again->found == storage::all_migrations().back().number);
}

TEST_CASE("a database that another program has changed is refused", "[pg][queue]")
{
    struct row {
        const char* change;
        const char* says;
    };
    const auto r = GENERATE(values<row>({
        {"update rowlock.migrations set checksum = 'other' where number = 3 returning 1", "other contents"},
        {"insert into rowlock.migrations (number, name, checksum) values (9999, 'later', '') returning 1", "run a newer Rowlock"},
    }));
    const test_database database;
    value(database.url(), r.change);
    const auto refused = storage::migrate(database.url());
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == errc::internal);
    CHECK_THAT(refused.error().detail, Catch::Contains(r.says));
    CHECK_THAT(storage::migrate(database.url(), true).error().detail, Catch::Contains(r.says));
    CHECK_THAT(storage::check_migrated(database.url()).error().detail, Catch::Contains(r.says));
}

TEST_CASE("a database that cannot be reached is away, and not refused", "[pg][queue]")
{
    const auto away = storage::migrate("postgresql:///none?host=/nowhere");
    REQUIRE_FALSE(away.has_value());
    CHECK(away.error().code == errc::database_unavailable);
}

TEST_CASE("partitions are made once, by however many ask", "[pg][queue]")
{
    const test_database database;
    constexpr std::ptrdiff_t instances = 8;
    struct caller {
        int made = 0;
        std::string failure{};
    };
    std::vector<caller> callers(instances);
    std::latch start(instances);
    {
        std::vector<std::jthread> threads;
        for (auto& c : callers) {
            threads.emplace_back([&] {
                try {
                    storage::session s({.url = database.url()});
                    s.connect();
                    start.arrive_and_wait();
                    c.made = storage::make_partitions(s, 2);
                } catch (const std::exception& e) {
                    c.failure = e.what();
                }
            });
        }
    }
    int made = 0;
    for (const auto& c : callers) {
        CHECK(c.failure == "");
        made += c.made;
    }
    CHECK(made == 8);                                // yesterday to the day after tomorrow, of two tables
    storage::session s({.url = database.url()});
    CHECK(storage::make_partitions(s, 2) == 0);
    CHECK(storage::make_partitions(s, 3) == 2);
    CHECK(value(database.url(), "select count(*) from pg_inherits where inhparent in ('rowlock.executions'::regclass, 'rowlock.results'::regclass)") == "10");
}
