#pragma once

#include "runtime/execute/group_commit.hpp"
#include "runtime/execute/identity.hpp"
#include "runtime/execute/ledger.hpp"
#include "runtime/execute/slots.hpp"
#include "runtime/observe/counters.hpp"
#include "storage/queue_store.hpp"

#include <functional>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

namespace rowlock::runtime {

// An attempt that has come to its end, and what is to be made of it.
struct finished {
    execution_id id;
    execution_id run_id;
    execution_id extent_lo;
    bool alone = false;                              // in its extent, from the first
    rowlock::fence fence;
    instance_id owner;
    outcome result;
    steady_clock::time_point returned_at{};
    std::optional<milliseconds> retry_in{};          // the run goes on with a next attempt after this delay
    std::string actor{};                             // who ended it, where that was not its own work
    job_version_ptr job{};                           // what is done about a failure: its dead letters, breaker and queue timeout
    error_category category = error_category::permanent;    // of a failure
    std::string details{};                           // of a failure, beyond its result: JSON text; empty: none
    bool leaves_notes = false;                       // live notes or a cancel request are to be cleared away
    bool followed = false;                           // a node of a plan, or one of an ordering key: what follows starts with its end
};

// The group commit of ends. What an attempt held (its slot, its place in the ledger) is given back when its end is durable, or when
// it turns out to be somebody else's by now.
class settler {
public:
    struct options {
        storage::session_options session;
        std::chrono::milliseconds priority_age{1000};
        std::chrono::milliseconds dead_letters_kept = storage::dead_letters_kept;    // where the job does not say
        std::size_t max_batch = 2000;
    };
    // What follows a commit. On the settling thread; must not block.
    struct listeners {
        std::function<void(const std::vector<execution_id>& runs)> runs_ended;
        std::function<void(milliseconds soonest)> retries_queued;
        std::function<void()> slots_returned{};              // slots of limits are free again
        std::function<void()> kept_slots_freed{};            // which the next claim of this instance may use
        std::function<void()> forgotten{};                   // results were given up or lost: what the database says of their executions is not known
        std::function<void(bool left)> others_advanced{};    // nodes of plans or dependents may be queued; `left`: there may be more to do for them
    };

    settler(options o, identity& self, slots& free, ledger& owned, counters& counts, listeners tell);

    // Any thread. Bounded by the slots that the attempts hold.
    void settle(std::vector<finished> ends);
    std::size_t waiting() const { return commits_.waiting(); }
    // Where the database stays away, what waits is given up once this is set: others will take it over.
    void give_up() { give_up_.store(true); }
    void stop() { commits_.stop(); }

private:
    using batch = std::vector<std::vector<finished>>;

    void commit(storage::session& s, batch& ends);
    // `again`: an earlier try may have been committed.
    void commit_of(storage::session& s, instance_id owner, std::vector<finished*>& ends, bool again);
    bool try_commit(storage::session& s, instance_id owner, const std::vector<finished*>& ends, bool again);
    void fill(const std::vector<finished*>& ends);
    // The columns of what failed, or is watched by a breaker; `number`: its place in the batch, from 1; `next`: the next attempt, if there is one.
    void fill_failure(const finished& end, std::int32_t number, const std::optional<execution_id>& next);
    // Which of these executions belong to somebody else by now.
    std::unordered_set<execution_id> lost_of(storage::session& s, instance_id owner, const std::vector<finished*>& ends,
                                             const std::vector<execution_id>& lost_extents, bool again);
    void account(const std::vector<finished*>& ends, const std::unordered_set<execution_id>& lost);

    options options_;
    identity& self_;
    slots& free_;
    ledger& owned_;
    counters& counts_;
    listeners tell_;
    std::atomic<bool> give_up_{false};
    storage::settle_batch columns_;
    group_commit<std::vector<finished>> commits_;    // last: its thread uses the rest
};

}
