#pragma once

#include "runtime/async/bell.hpp"
#include "runtime/async/core.hpp"
#include "runtime/async/database.hpp"
#include "runtime/observe/counters.hpp"

#include <chrono>
#include <functional>

namespace rowlock::runtime {

// Goes on with what one transaction could not do for a plan, or for what waits: the next items of a list, the next nodes to start, skip or cancel.
// All instances offer to; the database gives each step to one. Now and then it cancels the plans of composite jobs that ended without them, and looks after
// the dependencies of jobs. A coroutine on one core.
class plan_steps {
public:
    // `advanced`: nodes or dependents may have been queued. On the home core. All references outlive it.
    plan_steps(database& db, core& home, counters& counts, std::chrono::milliseconds between_dependency_checks, std::function<void()> advanced);

    // The service: works until it is cancelled.
    awaitable<void> run();
    // There is something to do. Any thread.
    void poke();

private:
    awaitable<void> cancel_orphans();
    awaitable<void> check_dependencies();

    database& db_;
    core& home_;
    counters& counts_;
    std::chrono::milliseconds between_dependency_checks_;
    std::function<void()> advanced_;
    bell there_is_work_;
    deadline next_orphans_{};
    deadline next_dependency_check_{};
};

}
