#pragma once

#include "runtime/async/types.hpp"

#include <boost/asio/cancellation_signal.hpp>
#include <list>

namespace rowlock::runtime {

// The children of a service: spawned on one core, cancelled and joined together. Used on that core only. Every coroutine of
// the program is a child of some group, or is awaited; nothing is detached.
class task_group {
public:
    explicit task_group(io_executor executor);
    // Joined before: to destroy a group with children is a defect, and ends the program.
    ~task_group();

    task_group(const task_group&) = delete;
    task_group& operator=(const task_group&) = delete;

    // An exception that leaves a child is logged as an error, except operation_aborted.
    void spawn(awaitable<void> child);

    // Terminal cancellation for every child. May be repeated.
    void cancel();
    std::size_t size() const { return children_.size(); }

    // Returns when there are no children. A group may go on to be used.
    awaitable<void> join();

private:
    struct child {
        boost::asio::cancellation_signal signal;
    };

    void ended(std::list<child>::iterator which, std::exception_ptr why);

    io_executor executor_;
    std::list<child> children_;
    steady_timer empty_;
};

// Waits until `until`; false if cancelled before.
awaitable<bool> sleep_until(deadline until);

}
