#pragma once

#include "runtime/async/suspend.hpp"
#include "runtime/execute/group_commit.hpp"
#include "runtime/execute/identity.hpp"
#include "runtime/observe/counters.hpp"
#include "storage/event_store.hpp"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace rowlock::runtime {

// An event that comes in. Its tenant and its members have been checked; `payload` is JSON text.
struct new_event {
    tenant_key tenant{};
    std::string source;
    std::string key{};                               // "": none
    std::string payload;
    storage::event_origin origin = storage::event_origin::api;
    std::string submitter{};
    int trigger = 0;                                 // whose webhook was called, or whose channel was heard; 0: none
    std::string signature{};                         // of the call, in hex
};
using event_answer = result<storage::taken_event>;

// The group commit of events: what comes while one commit is under way is taken in by the next, with the executions that follow from it.
class event_intake {
public:
    struct options {
        storage::session_options session;            // of the kind `general`: executions are made by statements that need other plans than the queue's
        std::size_t max_waiting = 100'000;           // 4 KiB each; past it: overloaded
        std::size_t max_batch = 2000;                // the same
        std::chrono::milliseconds patience{5'000};   // how long a commit is tried while the database is away
    };
    // What follows a commit; on the committing thread, must not block.
    struct listeners {
        std::function<void(std::size_t n)> work_queued;
        std::function<void(std::chrono::milliseconds due)> events_wait;     // the first of them may be due then
    };

    event_intake(options o, identity& self, counters& counts, listeners tell);

    // Committed when it returns a value. Resumes the caller on its core. Errors: overloaded, also where somebody holds the same key in an open transaction;
    // database_unavailable (what became of it is not known, unless it has a key), internal.
    awaitable<event_answer> take(new_event event);
    // The same for those who wait for nothing. False: too much waits. Any thread.
    bool post(new_event event);
    // Commits what waits, then ends.
    void stop() { commits_.stop(); }

private:
    struct item {
        new_event event;
        std::unique_ptr<waiter<event_answer>> who;   // null: nobody waits
    };
    enum class trial : std::uint8_t { answered, locked, refused };

    bool add(item& one);
    void commit(storage::session& s, std::vector<item>& batch);
    // Together, or none of them. What is locked by somebody, or refused, is left unanswered.
    trial commit_together(storage::session& s, std::span<item> group);
    void fill(std::span<const item> group);
    void answer(item& one, event_answer with);
    void answer_all(std::span<item> group, const error& why);
    void answer_taken(std::span<item> group, std::vector<storage::taken_event> taken);

    options options_;
    identity& self_;
    counters& counts_;
    listeners tell_;
    storage::event_columns columns_;
    group_commit<item> commits_;                     // last: its thread uses the rest
};

}
