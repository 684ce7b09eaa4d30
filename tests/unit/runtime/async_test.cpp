#include "runtime/async/core.hpp"
#include "runtime/async/suspend.hpp"
#include "runtime/async/task_group.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <catch2/catch.hpp>
#include <thread>

using namespace rowlock::runtime;
using namespace std::chrono_literals;

namespace {

awaitable<int> answered_by_a_thread(std::thread& other, int& resumed_on)
{
    const int value = co_await suspend_for<int>([&other](std::unique_ptr<waiter<int>> who) {
        other = std::thread([w = std::move(who)]() mutable { waiter<int>::answer(std::move(w), 42); });
    });
    resumed_on = core::of(co_await boost::asio::this_coro::executor).index();
    co_return value;
}

awaitable<int> failed_by_a_thread(std::thread& other)
{
    co_return co_await suspend_for<int>([&other](std::unique_ptr<waiter<int>> who) {
        other = std::thread([w = std::move(who)]() mutable { waiter<int>::fail(std::move(w), std::make_exception_ptr(std::runtime_error("no"))); });
    });
}

awaitable<void> sleeps_for_ever(int& cancelled)
{
    if (!co_await sleep_until(steady_clock::now() + 1h)) ++cancelled;
}

awaitable<void> cancels_children(task_group& group, int& cancelled)
{
    for (int i = 0; i < 100; ++i) group.spawn(sleeps_for_ever(cancelled));
    // One round of the loop, so that the children wait.
    co_await sleep_until(steady_clock::now() + 1ms);
    group.cancel();
    co_await group.join();
}

}

TEST_CASE("a coroutine that waits for another thread goes on on its own core", "[unit][async]")
{
    core_group cores(2);
    cores.start();
    std::thread other;
    int resumed_on = -1;
    CHECK(boost::asio::co_spawn(cores[1].executor(), answered_by_a_thread(other, resumed_on), boost::asio::use_future).get() == 42);
    CHECK(resumed_on == 1);
    other.join();
}

TEST_CASE("what the other thread fails with is thrown where the coroutine waits", "[unit][async]")
{
    core_group cores(1);
    cores.start();
    std::thread other;
    CHECK_THROWS_WITH(boost::asio::co_spawn(cores[0].executor(), failed_by_a_thread(other), boost::asio::use_future).get(), "no");
    other.join();
}

TEST_CASE("a task group cancels and joins all of its children", "[unit][async]")
{
    core_group cores(1);
    task_group group(cores[0].executor());
    cores.start();
    int cancelled = 0;
    boost::asio::co_spawn(cores[0].executor(), cancels_children(group, cancelled), boost::asio::use_future).get();
    CHECK(cancelled == 100);
    CHECK(group.size() == 0);
}
