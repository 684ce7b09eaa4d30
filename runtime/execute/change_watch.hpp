#pragma once

#include "runtime/async/bell.hpp"
#include "runtime/async/core.hpp"
#include "runtime/async/database.hpp"
#include "runtime/execute/change_follower.hpp"
#include "runtime/observe/counters.hpp"

#include <atomic>
#include <memory>
#include <mutex>

namespace rowlock::runtime {

// Tells followers how executions change, wherever they run. What changes is found by one look at the database for everything that is followed
// on this instance: soon after this instance has done something, and twice a second for what others do. While nobody follows anything
// it costs nothing, and what is done to executions never waits for it. Changes that lie between two looks are told as one. Any core.
class change_watch {
public:
    // `home`: the core that the service runs on. `done_here` tells when this instance has done something. All outlive it.
    change_watch(database& db, core& home, const counters& done_here);
    ~change_watch();

    // Begins to tell `who`, under `token`, of these: first each one's state now, then every change. Errors: invalid_request or job_not_found with
    // the fields (as in executions[3]) that name nothing of the tenant's; overloaded; database_unavailable; stopping.
    awaitable<result<void>> follow(std::shared_ptr<change_follower> who, std::uint64_t token, tenant_key tenant, follow_targets targets);
    // Nothing with this token is put into the mail any more; some may lie there. Any thread.
    void unfollow(const change_follower& who, std::uint64_t token);
    // Forgets a follower. Any thread.
    static void close(change_follower& who) { who.closed_.store(true); }

    // Something has happened that the counters do not show. Any thread.
    void poke() { poked_.store(true, std::memory_order_relaxed); }

    // The service: run on `home` until it is cancelled.
    awaitable<void> run();

private:
    class followed_things;

    awaitable<void> look();
    std::uint64_t done_so_far() const;

    database& db_;
    core& home_;
    const counters& done_here_;
    std::atomic<bool> poked_{false};
    std::atomic<bool> anything_{false};              // is anything followed?
    bell begun_;                                     // something is; on `home`
    std::mutex mutex_;
    std::unique_ptr<followed_things> all_;           // under the mutex
};

}
