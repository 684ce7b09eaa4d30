#pragma once

#include "runtime/async/suspend.hpp"
#include "runtime/execute/executor.hpp"
#include "runtime/execute/group_commit.hpp"
#include "runtime/execute/identity.hpp"
#include "runtime/execute/lane_floors.hpp"
#include "runtime/execute/ledger.hpp"
#include "runtime/execute/slots.hpp"
#include "runtime/execute/submit.hpp"
#include "runtime/limits/waiting_tenants.hpp"
#include "runtime/observe/counters.hpp"
#include "storage/limit_store.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace rowlock::runtime {

// The group commit of submissions. While one commit is under way requests gather; then one statement inserts all of them, and
// everyone is resumed after it. What this instance has free slots for is inserted as already its own, and starts without a claim.
class submitter {
public:
    struct options {
        storage::session_options session;
        std::chrono::milliseconds priority_age{1000};
        std::chrono::milliseconds key_ttl = std::chrono::hours{24};
        std::size_t max_waiting = 100'000;           // executions that may wait for a commit; past it: overloaded
        std::int64_t queue_capacity = 0;             // so many may be queued, in the whole database; 0: as many as like
        std::size_t max_batch = 2000;
        std::chrono::milliseconds patience{5'000};   // how long commits are tried, all in all, while the database is away
    };

    // What follows a commit. On the submitting thread; must not block.
    struct listeners {
        // So many can be claimed now, which this instance has not started itself; `soonest`: until the first of those that cannot yet is due
        // (max(): there are none).
        std::function<void(std::size_t now, std::chrono::milliseconds soonest)> work_queued;
        std::function<void()> start_in_doubt;            // a commit was given up that may have given this instance something to run
        std::function<void(std::vector<execution_id>)> skipped{};    // these have ended with their submission: outside their windows
        std::function<std::optional<error>(const submit_request&)> refused{};    // why a request is not taken in now, unless it has been before; nullopt: it is
        std::function<void(const submit_request&, const error&)> was_refused{};      // for this, as it had not been before
    };

    submitter(options o, identity& self, slots& free, ledger& owned, const lane_floors& floors, const waiting_tenants& waiting, executor& runs, counters& counts, listeners tell);

    // Resumes the caller on its core, after the commit.
    awaitable<submit_answer> submit(submit_request request);
    // The same for those who wait otherwise than in a coroutine. Any thread; returns at once.
    void submit(submit_request request, std::unique_ptr<waiter<submit_answer>> who);
    std::size_t waiting() const { return commits_.waiting(); }
    // What is committed from now on is queued, and not started here; but for a batch that has begun, whose end await_turn() blocks for.
    void start_nothing() { may_start_.store(false); }
    void await_turn();
    void stop() { commits_.stop(); }

private:
    // One of those who wait for a commit, as it is counted.
    class counted_wait {
    public:
        explicit counted_wait(std::atomic<std::int64_t>& all) : all_(&all) { all_->fetch_add(1, std::memory_order_relaxed); }
        counted_wait(counted_wait&& other) noexcept : all_(std::exchange(other.all_, nullptr)) {}
        counted_wait& operator=(counted_wait&& other) noexcept
        {
            std::swap(all_, other.all_);
            return *this;
        }
        ~counted_wait()
        {
            if (all_) all_->fetch_sub(1, std::memory_order_relaxed);
        }

    private:
        std::atomic<std::int64_t>* all_;
    };
    struct item {
        submit_request request;
        std::unique_ptr<waiter<submit_answer>> who;
        counted_wait wait;
    };
    struct plan;

    void commit(storage::session& s, std::vector<item>& batch);
    // Answers those that are not taken in now; gives back the others. What a key has named before is no news.
    std::vector<item> without_refused(storage::session& s, std::vector<item> batch);
    struct refused_item;
    // Which of them name only keys that are in use?
    static std::vector<bool> repeats_of(storage::session& s, const std::vector<refused_item>& refused);
    // Commits these; gives back those that have to go again (keys that clash within one batch).
    // `judged`: what goes beyond limits that reject has been left out.
    std::vector<item> commit_round(storage::session& s, std::vector<item> batch, bool judged = false);
    // Limits that reject keep some of these out; the rest is committed. As commit_round.
    std::vector<item> commit_within(storage::session& s, std::vector<item> batch, const std::vector<storage::reached_limit>& reached);
    void answer_all(std::vector<item>& batch, const error& why);
    void answer(storage::session& s, plan& p, std::vector<item>& batch, const storage::submit_reply& reply);
    void answer_keys(storage::session& s, const plan& p, const storage::submit_reply& reply, std::vector<submit_answer>& answers);
    void start_owned(plan& p, const std::vector<int>& owned);
    // Gives the slots back, though the commit may have given this instance something to run.
    void give_up_start(plan& p);
    // What became of a batch whose commit is in doubt, or that ran into itself: nullopt = it was not committed.
    std::optional<storage::submit_reply> read_back(storage::session& s, plan& p);

    options options_;
    identity& self_;
    slots& free_;
    ledger& owned_;
    const lane_floors& floors_;
    const waiting_tenants& waiting_;
    executor& runs_;
    counters& counts_;
    listeners tell_;
    std::atomic<bool> may_start_{true};
    std::atomic<unsigned> turns_{0};                 // odd while a batch is being committed
    std::optional<deadline> away_since_;             // no commit has come through since
    storage::submit_batch columns_;
    group_commit<item> commits_;                     // last: its thread uses the rest
};

}
