#include "runtime/async/database.hpp"
#include "tests/support/run_on_core.hpp"

#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>
#include <future>
#include <stdexcept>
#include <thread>

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

TEST_CASE("what computes for long leaves its core to others, what is short stays there, and neither needs a database", "[unit][async]")
{
    core home(0);
    storage::session_pool pool({.url = "postgresql:///nowhere?host=/nowhere"}, 1, 10);
    database db(pool);
    std::promise<void> others_went_on;
    const auto wait_for_others = [&home, &others_went_on]() -> result<bool> {
        boost::asio::post(home.executor(), [&others_went_on] { others_went_on.set_value(); });
        return others_went_on.get_future().wait_for(rowlock::test::test_patience) == std::future_status::ready;
    };
    CHECK(run_on_core(home, db.compute(true, wait_for_others)).value());
    CHECK(run_on_core(home, db.compute(false, []() -> result<std::thread::id> { return std::this_thread::get_id(); })).value() == std::this_thread::get_id());
    CHECK(run_on_core(home, db.compute(true, []() -> result<int> { return error{errc::invalid_request, "no"}; })).error().code == errc::invalid_request);
    CHECK(run_on_core(home, db.compute(true, []() -> result<int> { throw std::bad_alloc(); })).error().code == errc::internal);
    pool.stop();
    CHECK(run_on_core(home, db.compute(true, wait_for_others)).error().code == errc::stopping);
}
