#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace rowlock::runtime {

// What an instance counts of itself. Written from any thread with relaxed order, read by /metrics.
struct counters {
    using count = std::atomic<std::uint64_t>;

    count submitted{0};                 // executions committed
    count submit_batches{0};            // group commits
    count replayed{0};                  // answered from an idempotency key
    count claimed{0};                   // executions claimed from the queue
    count claims{0};                    // claim statements that got something
    count started_eagerly{0};           // executions that were never queued
    count settle_batches{0};
    std::array<count, 10> ended{};      // by execution_status
    count lost{0};                      // outcomes that came too late: somebody else owned the execution
    count taken_over{0};                // executions of dead instances ended by this one
    count handed_back{0};
    count retries{0};                   // next attempts made
    count leases_lost{0};
    count statements{0};                // of the queue and its services
    count events_taken{0};
    count events_repeated{0};           // with a key, or signed, as one before
    count event_batches{0};             // group commits
    count events_flushed{0};            // that had waited for a window or for quiet
    count events_dropped{0};            // by retention, here
    count trigger_activations{0};       // executions made of events
    count trigger_refusals{0};          // triggers that did not act on an event of their source
    count webhooks_refused{0};          // unsigned, stale or repeated
    count notifications_dropped{0};     // too much waited
    // By retention, here:
    count executions_dropped{0};        // from history, with what hung on them
    count days_dropped{0};              // whole
    count errors_dropped{0};
    count dead_letters_dropped{0};
    count logs_dropped{0};              // pieces, before their history
    count checkpoints_dropped{0};       // before their history
    count plan_runs_dropped{0};
    count run_directories_dropped{0};
    count ticks_dropped{0};             // what became of the ticks of schedules
    // Schedules, here:
    count ticks_fired{0};               // executions made for ticks in time
    count ticks_caught_up{0};           // for ticks that had been missed
    count ticks_skipped{0};
    count scheduling_errors{0};         // schedules and windows that could not be evaluated
    std::atomic<std::int64_t> invalid_schedules{0};      // of all, at the last look
    // Pressure, here:
    std::array<count, 5> pressure_events{};      // times that a resource became short, by runtime::resource
    count refused_under_pressure{0};    // submissions of low priority
    std::atomic<std::int64_t> queued_under_pressure{0};  // executions that are queued while this instance starts nothing for that reason; else 0
    count policy_violations{0};         // found here: refused, or let pass
    count budgets_exceeded{0};          // of them: runs that have used up a budget
    count dependency_timeouts{0};       // recorded here: what a job depends on has not come for too long
    count database_errors{0};
    std::atomic<std::int64_t> running{0};
    std::atomic<std::int64_t> waiting_for_commit{0};
    count run_us{0};                    // sum, started to returned
};

}
