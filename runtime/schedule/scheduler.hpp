#pragma once

#include "runtime/async/bell.hpp"
#include "runtime/async/core.hpp"
#include "runtime/async/database.hpp"
#include "runtime/observe/counters.hpp"
#include "runtime/schedule/firing.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <vector>

namespace rowlock::runtime {

struct scheduler_options {
    bool enabled = true;                             // SCHEDULER_ENABLED: whether this instance fires schedules. Windows it looks after in any case
    std::chrono::milliseconds poll{1000};
    int catchup_limit = 10;
};

// Fires schedules, and opens and closes execution windows. All instances do; what comes due goes to whoever is first, once (migrations/0017_schedules.sql). By the
// database's clock. Coroutines on one core; keeps nothing that it could not lose.
class scheduler {
public:
    struct listeners {
        std::function<void(int executions)> queued;                               // so many may be claimed now, or 0: a window has opened. Home core
        std::function<void(const std::vector<execution_id>& runs)> runs_ended;    // they were skipped. Home core
    };

    // All references outlive it.
    scheduler(scheduler_options o, database& db, core& home, zone_database& zones, counters& counts, listeners tell);

    // The service: looks whenever something is due, and at least every poll, until it is cancelled.
    awaitable<void> run();
    // Another one: fires too while there is a lot to fire. Until it is cancelled.
    awaitable<void> help();
    // Something has changed: look now. Any thread.
    void poke();
    // Fires nothing from now on, or does so again; windows open and close all the same. Any thread.
    void rest(bool rests);
    // Fires nothing from now on, or does so again, and leaves it to others; windows open and close all the same. Any thread.
    void pause(bool pauses);
    // Runs have ended: some tick may have waited for that. Any thread.
    void runs_ended()
    {
        if (queued_ticks_.load(std::memory_order_relaxed)) poke();
    }
    // One round: decides all that is due. In how long there is something again, by the database's clock, at most a poll; nullopt: the database did not answer. Home core.
    awaitable<std::optional<std::chrono::microseconds>> round();
    // Looks at the schedule and the windows of one job, which has just been put, so that they hold when this returns. Any core. Errors are left to the rounds.
    awaitable<void> look_at(tenant_key tenant, std::string job_id);

private:
    awaitable<std::optional<storage::schedule_outlook>> outlook();
    bool fires() const { return options_.enabled && !rests_.load(std::memory_order_relaxed) && !paused_.load(std::memory_order_relaxed); }
    // Fires what is due, from the first but `leave_out` on. false: the database did not answer.
    awaitable<bool> fire_all(int leave_out);
    awaitable<bool> refresh_all();
    awaitable<void> skip_outside();
    awaitable<void> release_queued();
    void add(const fire_tally& tally);
    void tell(const fire_tally& tally);

    scheduler_options options_;
    database& db_;
    core& home_;
    zone_database& zones_;
    counters& counts_;
    listeners tell_;
    bell look_now_;
    bell much_to_fire_;
    std::optional<schedule_watch> watch_;            // `elapsed` as of the last round
    std::chrono::microseconds watched_at_{0};        // by the clock that goes on while the machine sleeps
    deadline next_look_{};
    deadline next_skip_{};
    std::atomic<bool> queued_ticks_{false};
    std::atomic<bool> rests_{false};
    std::atomic<bool> paused_{false};
};

}
