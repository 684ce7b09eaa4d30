#pragma once

#include "runtime/async/types.hpp"

#include <boost/asio/redirect_error.hpp>

namespace rowlock::runtime {

// What one coroutine waits for and others ring, all on one core. A ring while nobody waits is kept for the next wait; several are one.
class bell {
public:
    explicit bell(const io_executor& executor) : timer_(executor, no_deadline) {}

    void ring()
    {
        if (std::exchange(rung_, true)) return;
        if (waiting_) timer_.cancel();
    }

    // Returns when it has been rung since the last wait, and also when the coroutine is cancelled.
    awaitable<void> wait()
    {
        if (!rung_) {
            waiting_ = true;
            boost::system::error_code ignored;
            co_await timer_.async_wait(boost::asio::redirect_error(use_awaitable, ignored));
            waiting_ = false;
        }
        rung_ = false;
    }

    // The same, and returns at `until` at the latest.
    awaitable<void> wait_until(deadline until)
    {
        if (!rung_) timer_.expires_at(until);
        co_await wait();
        timer_.expires_at(no_deadline);
    }

private:
    steady_timer timer_;
    bool rung_ = false;
    bool waiting_ = false;
};

}
