#pragma once

#include "runtime/async/types.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <fmt/format.h>
#include <stdexcept>

namespace rowlock::bench {

// Coroutines of one io_context that are started together and waited for together, by the thread that calls run(). What they use must be
// there until run() returns. After it has thrown, the context is of no more use: the frames that are left go with it.
class run_all {
public:
    explicit run_all(boost::asio::io_context& context) : context_(context) {}

    void add(runtime::awaitable<void> one)
    {
        boost::asio::co_spawn(context_, std::move(one), [](const std::exception_ptr& failed) {
            if (failed) std::rethrow_exception(failed);
        });
    }

    // Returns when all have ended. Throws what the first one threw, or runtime_error when the time is up. `between` is called ten times a second.
    void run(std::chrono::nanoseconds limit, const std::function<void()>& between = {})
    {
        constexpr std::chrono::milliseconds pause{100};
        context_.restart();
        const auto end = std::chrono::steady_clock::now() + limit;
        do {
            context_.run_for(between ? pause : limit);
            if (between) between();
        } while (!context_.stopped() && std::chrono::steady_clock::now() < end);
        if (!context_.stopped()) throw std::runtime_error(fmt::format("the server did not answer within {} s", std::chrono::duration_cast<std::chrono::seconds>(limit).count()));
    }

private:
    boost::asio::io_context& context_;
};

}
