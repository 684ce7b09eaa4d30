#pragma once

#include "runtime/async/database.hpp"
#include "runtime/execute/identity.hpp"
#include "runtime/limits/pressure_report.hpp"
#include "runtime/observe/counters.hpp"
#include "storage/pressure_store.hpp"

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <mutex>
#include <map>

namespace rowlock::runtime {

// Watches what this instance may run short of, and says what is to be done about it. A coroutine on one core; files are read on a thread of its own. Off the hot
// path: whoever submits reads one number.
class pressure_watch {
public:
    struct surroundings {
        std::int64_t queue_capacity = 0;             // EXECUTOR_QUEUE_CAPACITY; 0: there is no such resource
        std::function<double()> own_pools{};         // how full the queue before the instance's own sessions is, 0 to 1. On the home core
        std::function<void(action_set before, action_set now)> changed{};    // on the home core
    };
    // All references outlive it.
    pressure_watch(pressure_options o, surroundings around, database& db, const identity& self, counters& counts);
    // After run() has ended.
    ~pressure_watch();

    // The service: until it is cancelled; at once where nothing is watched.
    awaitable<void> run();

    // Any thread.
    bool does(pressure_action a) const { return action_set(actions_.load(std::memory_order_relaxed)).has(a); }
    pressure_report report() const;

private:
    awaitable<resource_samples> sample();
    awaitable<machine_sampler::figures> measure_machine();
    awaitable<void> measure_disks(resource_samples& into);
    void note(const pressure_change& change);
    storage::pressure_error error_of(const pressure_report& now, resource what) const;
    void act_on(pressure_decision decision);
    awaitable<void> tell();

    pressure_options options_;
    surroundings around_;
    database& db_;
    const identity& self_;
    counters& counts_;
    machine_sampler machine_;                        // on reader_'s thread
    boost::asio::thread_pool reader_{1};
    disk_probe disks_;
    bool disks_hang_ = false;
    pressure_state state_{};
    by_resource<std::optional<timestamp>> since_{};
    std::string disk_path_;
    std::map<resource, storage::pressure_error> unrecorded_;    // what has happened since errors were last recorded; of each the latest
    bool changed_ = false;                           // since the others were last told
    bool told_short_ = false;                        // that is what they were told
    instance_id told_as_{};
    deadline tell_again_{};
    std::atomic<unsigned> actions_{0};
    mutable std::mutex mutex_;
    pressure_report report_;                         // under mutex_
};

}
