#pragma once

#include "runtime/async/core.hpp"

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <exception>
#include <memory>
#include <optional>

namespace rowlock::runtime {

// A coroutine that waits for one answer. Whoever holds the waiter answers exactly once, from any thread; the coroutine goes on
// on its own core. A service that stops answers what it still holds; to drop a waiter is a defect.
template <class T>
class waiter : public resumable {
public:
    explicit waiter(core& home) : home_(home) {}

    // Gives the waiter up: it belongs to its core from now on.
    static void answer(std::unique_ptr<waiter> self, T value)
    {
        self->value_.emplace(std::move(value));
        core& home = self->home_;
        home.deliver(std::move(self));
    }
    static void fail(std::unique_ptr<waiter> self, std::exception_ptr why)
    {
        self->why_ = std::move(why);
        core& home = self->home_;
        home.deliver(std::move(self));
    }

    core& home() const { return home_; }

protected:
    core& home_;
    std::exception_ptr why_;
    std::optional<T> value_;
};

namespace detail {

template <class T, class Handler>
class suspended final : public waiter<T> {
public:
    suspended(core& home, Handler handler) : waiter<T>(home), handler_(std::move(handler)) {}

    void resume() override
    {
        auto handler = std::move(handler_);
        handler(std::move(this->why_), std::move(this->value_));
    }

private:
    Handler handler_;
};

}

// Suspends the calling coroutine, hands `start` a std::unique_ptr<waiter<T>>, and returns what the waiter is answered with.
// Rethrows what it fails with. Cancellation does not reach it: what it waits for is bounded by whoever answers.
template <class T, class Start>
awaitable<T> suspend_for(Start start)
{
    std::optional<T> value = co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<io_executor>, void(std::exception_ptr, std::optional<T>)>(
        [](auto handler, Start begin) {
            core& home = core::of(boost::asio::get_associated_executor(handler));
            using handler_type = decltype(handler);
            begin(std::unique_ptr<waiter<T>>(std::make_unique<detail::suspended<T, handler_type>>(home, std::move(handler))));
        },
        use_awaitable, std::move(start));
    co_return std::move(*value);
}

}
