#pragma once

#include "storage/session.hpp"

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace rowlock::storage {

// A piece of work for a database thread. Exactly one of the two is called, once, on a thread of the pool.
class database_task {
public:
    virtual ~database_task() = default;
    // May block on the database. Reports its own outcome, exceptions included.
    virtual void run(session& s) noexcept = 0;
    // The pool is stopping, or full: nothing was done.
    virtual void refuse(errc why) noexcept = 0;
};

// Blocking sessions, one thread each, with one bounded queue. A task runs on whichever thread is free.
class session_pool {
public:
    session_pool(session_options options, int threads, std::size_t max_queued);
    // Refuses what waits, and ends after what runs.
    ~session_pool();

    session_pool(const session_pool&) = delete;
    session_pool& operator=(const session_pool&) = delete;

    void submit(std::unique_ptr<database_task> task);
    void stop();
    // What waits, as a part of what may: 0 to 1.
    double fullness() const;

private:
    void work(session& s);

    std::size_t max_queued_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::unique_ptr<database_task>> queue_;
    bool stopping_ = false;
    std::vector<std::unique_ptr<session>> sessions_;
    std::vector<std::thread> threads_;
};

}
