#include "runtime/async/database.hpp"
#include "tests/support/run_on_core.hpp"

#include <catch2/catch.hpp>
#include <stdexcept>

using namespace rowlock;
using namespace rowlock::runtime;
using rowlock::test::run_on_core;

TEST_CASE("whoever waits for a statement is answered, also where there is no database", "[unit][async]")
{
    core home(0);
    storage::session_pool pool({.url = "postgresql:///nowhere?host=/nowhere"}, 1, 10);
    database db(pool);
    int tries = 0;
    const auto one_statement = [&tries](storage::session& s) -> result<int> {
        ++tries;
        s.connect();
        return 1;
    };
    CHECK(run_on_core(home, db.write(one_statement)).error().code == errc::database_unavailable);
    CHECK(tries == 1);
    CHECK(run_on_core(home, db.read(one_statement)).error().code == errc::database_unavailable);
    CHECK(tries == 3);
}

TEST_CASE("what a statement throws becomes an answer", "[unit][async]")
{
    core home(0);
    storage::session_pool pool({.url = "postgresql:///nowhere?host=/nowhere"}, 1, 10);
    database db(pool);
    const auto broken = [](storage::session&) -> result<int> { throw std::logic_error("no good"); };
    CHECK(run_on_core(home, db.write(broken)).error().code == errc::internal);
    pool.stop();
    CHECK(run_on_core(home, db.write(broken)).error().code == errc::stopping);
}
