#pragma once

#include "runtime/async/database.hpp"
#include "runtime/async/task_group.hpp"
#include "storage/model/ids.hpp"

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace rowlock::runtime {

// Tells those who wait that runs have ended, wherever they ran: what this instance settles is told at once, the rest is found by
// one statement for everybody who waits, at most every 100 ms. Any core.
class run_watch {
public:
    // `home`: the core that the service runs on.
    run_watch(database& db, core& home, std::size_t max_waiting);

    // True once the run has ended, false at `until`. Errors: overloaded (too many wait). `any_of_the_run`: an execution of it.
    awaitable<result<bool>> wait(execution_id any_of_the_run, deadline until);

    // From any thread: these runs have ended.
    void ended(const std::vector<execution_id>& runs);
    // Everybody goes on: the server stops.
    void stop();

    // The service: run on one core until it is cancelled.
    awaitable<void> run();

private:
    struct place;
    bool stopping_now() const;

    database& db_;
    core& home_;
    steady_timer next_look_;
    std::size_t max_waiting_;
    mutable std::mutex mutex_;
    std::unordered_multimap<execution_id, std::shared_ptr<place>> waiting_;
    bool stopping_ = false;
};

}
