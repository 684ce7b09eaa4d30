#pragma once

#include "runtime/async/types.hpp"

#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace rowlock::runtime {

// Something that waits on a core and is resumed there.
class resumable {
public:
    virtual ~resumable() = default;
    virtual void resume() = 0;
};

// One thread's event loop and an inbox through which other threads resume what waits on it. Every coroutine of the program
// runs on a core, and is resumed on that core whoever completes what it waits for.
class core : public boost::asio::io_context {
public:
    explicit core(int index);

    int index() const { return index_; }
    io_executor executor() { return get_executor(); }

    // From any thread. What is delivered while the core is busy is resumed together, with one wake-up.
    void deliver(std::unique_ptr<resumable> what);

    // The core that an executor belongs to. Every io_context of the program is a core.
    static core& of(const io_executor& executor) { return static_cast<core&>(executor.context()); }

private:
    void drain();

    int index_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<resumable>> inbox_;
    std::vector<std::unique_ptr<resumable>> draining_;
    bool posted_ = false;
};

// The cores of an instance, one thread each. Destroyed after everything that runs on them.
class core_group {
public:
    // At least one core.
    explicit core_group(int count);
    ~core_group();

    core_group(const core_group&) = delete;
    core_group& operator=(const core_group&) = delete;

    std::size_t size() const { return cores_.size(); }
    core& operator[](std::size_t i) { return *cores_[i]; }
    // The next one, in turns: for work that belongs to no core yet. Any thread.
    core& next();

    void start();
    // Lets the cores run out of work: returns when every task has ended.
    void join();

private:
    std::vector<std::unique_ptr<core>> cores_;
    std::vector<boost::asio::executor_work_guard<io_executor>> guards_;
    std::vector<std::thread> threads_;
    std::atomic<std::size_t> turn_{0};
};

}
