#include "runtime/async/task_group.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <spdlog/spdlog.h>

namespace rowlock::runtime {

task_group::task_group(io_executor executor) : executor_(executor), empty_(executor, steady_clock::time_point::max()) {}

task_group::~task_group()
{
    if (!children_.empty()) {
        spdlog::critical("a task group was destroyed with {} children", children_.size());
        std::terminate();
    }
}

void task_group::spawn(awaitable<void> work)
{
    const auto which = children_.emplace(children_.end());
    boost::asio::co_spawn(executor_, std::move(work),
                          boost::asio::bind_cancellation_slot(which->signal.slot(), [this, which](std::exception_ptr why) { ended(which, why); }));
}

void task_group::cancel()
{
    // A child may end while it is told, and leave the list.
    for (auto at = children_.begin(); at != children_.end();) {
        const auto current = at++;
        current->signal.emit(boost::asio::cancellation_type::terminal);
    }
}

void task_group::ended(std::list<child>::iterator which, std::exception_ptr why)
{
    children_.erase(which);
    if (why) {
        try {
            std::rethrow_exception(why);
        } catch (const boost::system::system_error& e) {
            if (e.code() != boost::asio::error::operation_aborted) spdlog::error("a task ended with an error: {}", e.what());
        } catch (const std::exception& e) {
            spdlog::error("a task ended with an error: {}", e.what());
        }
    }
    if (children_.empty()) empty_.cancel();
}

awaitable<void> task_group::join()
{
    // Clean-up runs after cancellation, so cancellation must not end it.
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
    while (!children_.empty()) {
        boost::system::error_code ignored;
        co_await empty_.async_wait(boost::asio::redirect_error(use_awaitable, ignored));
    }
}

awaitable<bool> sleep_until(deadline until)
{
    steady_timer timer(co_await boost::asio::this_coro::executor, until);
    boost::system::error_code ec;
    co_await timer.async_wait(boost::asio::redirect_error(use_awaitable, ec));
    co_return !ec;
}

}
