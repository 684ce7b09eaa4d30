#pragma once

#include "runtime/async/bell.hpp"
#include "runtime/async/core.hpp"
#include "storage/model/ids.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace rowlock::runtime {

// What somebody wants to follow.
struct follow_targets {
    std::vector<execution_id> executions{};
    std::vector<execution_id> runs{};                // their attempts, one after the other
    std::vector<std::string> jobs{};                 // every execution that is submitted from now on
    std::vector<execution_id> logs{};                // what these executions write, from the beginning
    std::vector<uuid> plan_runs{};

    std::size_t size() const { return executions.size() + runs.size() + jobs.size() + logs.size() + plan_runs.size(); }
};

// One thing to tell.
struct change {
    std::uint64_t token = 0;                         // under which it is followed
    std::shared_ptr<const std::string> execution{};  // JSON of the whole execution; shared by all who are told
    std::shared_ptr<const std::string> plan_run{};   // the same of a run of a plan, without its nodes. Both null: of a log
    execution_id log_of{};
    std::string log{};                               // UTF-8
    bool log_ended = false;                          // nothing comes after it
};

// The mail of one who follows executions. Read on one core; written by the watch from another.
class change_follower {
public:
    // Mail of more than this is not kept: whoever lets it grow so far is cut off.
    static constexpr std::size_t most_mail = 8u << 20;

    explicit change_follower(core& home) : home_(home), mail_has_come_(home.executor()) {}

    // Waits for mail, and takes it. Empty where it has been woken for another reason. On its own core.
    awaitable<std::vector<change>> take();
    // Wakes who waits in take(). Any thread; `self` is kept until then.
    static void wake(const std::shared_ptr<change_follower>& self);

    // Was there more mail than is kept, or more to follow than can be? Then nothing comes any more.
    bool cut_off() const { return cut_off_.load(); }
    // How much of what was taken has not been sent yet, in bytes: logs wait until it is little. Any thread.
    void set_backlog(std::size_t bytes) { backlog_.store(bytes, std::memory_order_relaxed); }

private:
    friend class change_watch;

    // Any thread. False: it is cut off.
    bool put(change one);

    core& home_;
    bell mail_has_come_;
    std::mutex mutex_;
    std::vector<change> mail_{};
    std::size_t mail_bytes_ = 0;
    std::atomic<bool> cut_off_{false};
    std::atomic<bool> closed_{false};
    std::atomic<std::size_t> backlog_{0};
    std::size_t links_ = 0;                          // the watch's, under its mutex
    bool has_mail_ = false;                          // the watch's: to be woken at the end of its round
};

}
