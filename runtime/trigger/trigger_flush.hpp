#pragma once

#include "runtime/async/core.hpp"
#include "runtime/async/database.hpp"
#include "runtime/observe/counters.hpp"

#include <atomic>
#include <chrono>
#include <functional>

namespace rowlock::runtime {

// Makes executions of the events that wait for a window or for quiet, when they are due, and forgets events that have been kept for long enough. All
// instances do; the database gives each trigger to one at a time. A coroutine on one core.
class trigger_flush {
public:
    struct options {
        std::chrono::milliseconds poll{1000};        // longest wait between two looks: others take events in too
        std::chrono::milliseconds kept = std::chrono::hours{168};
    };
    // `queued`: executions were made. On the home core. All references outlive it.
    trigger_flush(options o, database& db, core& home, counters& counts, std::function<void(std::size_t)> queued);

    // The service: works until it is cancelled.
    awaitable<void> run();
    // Events wait that may be due so soon. Any thread.
    void expect(std::chrono::milliseconds due);
    // Makes nothing of them from now on, or does so again, and leaves it to others. Any thread.
    void pause(bool pauses);

private:
    // False once the service is to end.
    awaitable<bool> wait();
    awaitable<void> flush();
    awaitable<void> sweep();
    void look_at(deadline at);

    options options_;
    database& db_;
    core& home_;
    counters& counts_;
    std::function<void(std::size_t)> queued_;
    steady_timer timer_;
    deadline next_look_{};
    deadline next_sweep_{};
    std::atomic<bool> paused_{false};
};

}
