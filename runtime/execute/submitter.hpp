#pragma once

#include "runtime/async/suspend.hpp"
#include "runtime/execute/executor.hpp"
#include "runtime/execute/group_commit.hpp"
#include "runtime/execute/identity.hpp"
#include "runtime/execute/ledger.hpp"
#include "runtime/execute/slots.hpp"
#include "runtime/execute/submit.hpp"
#include "runtime/observe/counters.hpp"

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
        std::size_t max_batch = 2000;
        std::chrono::milliseconds patience{5'000};   // how long commits are tried, all in all, while the database is away
    };

    submitter(options o, identity& self, slots& free, ledger& owned, executor& runs, counters& counts, std::function<void(std::size_t)> work_queued);

    // Resumes the caller on its core, after the commit.
    awaitable<submit_answer> submit(submit_request request);
    std::size_t waiting() const { return commits_.waiting(); }
    void stop() { commits_.stop(); }

private:
    struct item {
        submit_request request;
        std::unique_ptr<waiter<submit_answer>> who;
    };
    struct plan;

    void commit(storage::session& s, std::vector<item>& batch);
    // Commits these; gives back those that have to go again (keys that clash within one batch).
    std::vector<item> commit_round(storage::session& s, std::vector<item> batch);
    void answer_all(std::vector<item>& batch, const error& why);
    void answer(storage::session& s, plan& p, std::vector<item>& batch, const storage::submit_reply& reply);
    void answer_keys(storage::session& s, const plan& p, const storage::submit_reply& reply, std::vector<submit_answer>& answers);
    void start_owned(plan& p, const std::vector<int>& owned);
    // What became of a batch whose commit is in doubt, or that ran into itself: nullopt = it was not committed.
    std::optional<storage::submit_reply> read_back(storage::session& s, plan& p);

    options options_;
    identity& self_;
    slots& free_;
    ledger& owned_;
    executor& runs_;
    counters& counts_;
    std::function<void(std::size_t)> work_queued_;
    std::optional<deadline> away_since_;             // no commit has come through since
    storage::submit_batch columns_;
    group_commit<item> commits_;                     // last: its thread uses the rest
};

}
