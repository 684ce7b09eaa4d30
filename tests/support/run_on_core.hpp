#pragma once

#include "runtime/async/core.hpp"

#include <boost/asio/co_spawn.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>

namespace rowlock::test {

// No test waits longer than this for anything.
inline constexpr std::chrono::seconds test_patience{60};

namespace detail {

template <class T>
runtime::awaitable<void> keep_result(runtime::awaitable<T> work, std::optional<T>& into)
{
    into.emplace(co_await std::move(work));
}

inline void run_to_end(runtime::core& on, runtime::awaitable<void> work)
{
    bool ended = false;
    std::exception_ptr why;
    boost::asio::co_spawn(on.executor(), std::move(work), [&](std::exception_ptr e) {
        ended = true;
        why = e;
    });
    const auto until = std::chrono::steady_clock::now() + test_patience;
    on.restart();
    while (!ended && on.run_one_until(until) != 0) {}
    if (!ended) {
        // Its frame refers to this one, so it cannot be left behind for a later test to resume.
        on.stop();
        throw std::runtime_error("the coroutine has not ended in time");
    }
    if (why) std::rethrow_exception(why);
}

}

// Runs a coroutine to its end on a core that no other thread runs, and returns what it returns. Rethrows what it throws; throws
// if it takes longer than test_patience, or waits for something that nothing on the core can bring about.
template <class T>
T run_on_core(runtime::core& on, runtime::awaitable<T> work)
{
    std::optional<T> result;
    detail::run_to_end(on, detail::keep_result(std::move(work), result));
    return std::move(*result);
}

inline void run_on_core(runtime::core& on, runtime::awaitable<void> work)
{
    detail::run_to_end(on, std::move(work));
}

}
