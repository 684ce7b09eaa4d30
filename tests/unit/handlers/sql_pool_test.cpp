#include "runtime/handlers/sql_pool.hpp"

#include "runtime/async/task_group.hpp"
#include "tests/support/run_on_core.hpp"

#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::runtime;
using namespace rowlock::test;

namespace {

// Nobody connects here: places are given out before that.
sql_options one_place() { return {.connections = {{"w", "postgresql:///w"}, {"other", "postgresql:///other"}}, .max_connections = 1}; }

awaitable<void> take(sql_pool& pool, std::shared_ptr<sql_turn> turn, std::vector<int>& order, int number, std::vector<sql_place>& taken)
{
    auto place = co_await pool.take(*pool.find("w"), std::move(turn));
    order.push_back(place ? number : -number);
    taken.push_back(std::move(place));
}

awaitable<void> turns(core& home, sql_pool& pool, std::vector<int>& order)
{
    task_group group(home.executor());
    std::vector<sql_place> taken;
    std::vector<std::shared_ptr<sql_turn>> all;
    for (int i = 1; i <= 4; ++i) {
        all.push_back(std::make_shared<sql_turn>());
        group.spawn(take(pool, all.back(), order, i, taken));
    }
    co_await boost::asio::post(home.executor(), use_awaitable);
    while (order.empty()) co_await boost::asio::post(home.executor(), use_awaitable);
    // The second gives up while it waits, the third comes after the first.
    pool.give_up(all[1]);
    while (order.size() < 2) co_await boost::asio::post(home.executor(), use_awaitable);
    const auto other = co_await pool.take(*pool.find("other"), std::make_shared<sql_turn>());
    CHECK(static_cast<bool>(other));
    taken[0].give_back({});
    while (order.size() < 3) co_await boost::asio::post(home.executor(), use_awaitable);
    // A place that is dropped is given back too.
    taken.erase(taken.begin() + 2);
    co_await group.join();
}

awaitable<bool> is_given_up(sql_pool& pool)
{
    const auto turn = std::make_shared<sql_turn>();
    pool.give_up(turn);
    const auto place = co_await pool.take(*pool.find("w"), turn);
    co_return !place;
}

}

TEST_CASE("places for one connection are given out in turn, each name by itself, and a turn can be given up", "[unit][handler][sql]")
{
    core home{0};
    sql_pool pool(one_place());
    std::vector<int> order;
    run_on_core(home, turns(home, pool, order));
    CHECK(order == std::vector<int>{1, -2, 3, 4});
}

TEST_CASE("a turn that was given up before it was taken gets no place", "[unit][handler][sql]")
{
    core home{0};
    sql_pool pool(one_place());
    CHECK(run_on_core(home, is_given_up(pool)));
}

TEST_CASE("a pool knows its connections by name", "[unit][handler][sql]")
{
    const sql_pool pool(one_place());
    CHECK(pool.names() == "other, w");
    CHECK(pool.find("w") != nullptr);
    CHECK(pool.find("nope") == nullptr);
}
