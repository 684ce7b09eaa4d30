#pragma once

#include "runtime/async/database.hpp"
#include "runtime/async/task_group.hpp"
#include "storage/model/ids.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace rowlock::runtime {

// Tells those who wait that runs of jobs, or of plans, have ended, wherever they ran: what this instance knows to have ended is told at once, the
// rest is found by one statement for everybody who waits, at most every 100 ms. Any core.
class run_watch {
public:
    // Those of `ids` that have ended. On a database thread.
    using find_ended = std::vector<execution_id> (*)(storage::session& s, const std::vector<execution_id>& ids);

    // `home`: the core that the service runs on.
    run_watch(database& db, core& home, std::size_t max_waiting, find_ended look);

    // True once the run has ended, false at `until`. Errors: overloaded (too many wait). `any_of_the_run`: an execution of it; of a plan the run itself.
    awaitable<result<bool>> wait(execution_id any_of_the_run, deadline until);

    // From any thread: these runs have ended.
    void ended(const std::vector<execution_id>& runs);
    // From any thread: some of those that are waited for may have ended. Costs nothing while nobody waits.
    void poke();
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
    find_ended look_;
    std::atomic<bool> poked_{false};
    deadline rested_{};                              // no look for a poke before; on `home`
    mutable std::mutex mutex_;
    std::unordered_multimap<execution_id, std::shared_ptr<place>> waiting_;
    bool stopping_ = false;
};

}
