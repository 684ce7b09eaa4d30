#pragma once

#include "runtime/async/database.hpp"
#include "runtime/async/types.hpp"
#include "runtime/execute/identity.hpp"
#include "runtime/observe/counters.hpp"
#include "storage/model/job.hpp"
#include "storage/retention_store.hpp"

#include <filesystem>

namespace rowlock::runtime {

// What is kept for how long, and how fast the rest goes.
struct retention_options {
    int error_queue_capacity = 10'000;                               // of each of the three queues: the latest stay
    milliseconds error_retention = std::chrono::hours{168};
    milliseconds dead_letter_retention = std::chrono::hours{168};    // where a job says nothing; noted in each when it is made, so nothing is looked up here
    milliseconds history_retention{0};                               // where a job says nothing; 0: for ever
    milliseconds log_retention{0};                                   // from the end of the run; 0: as long as the history
    milliseconds checkpoint_retention{0};
    milliseconds tick_retention{0};                                  // of what became of the ticks of schedules; 0: for ever
    milliseconds every = std::chrono::minutes{1};                    // between the beginnings of two rounds
    int rows_per_step = 1000;                                        // one transaction
    int rows_per_second = 10'000;                                    // on average: so that what runs does not feel it
};

// Deletes what has been kept for long enough: errors, dead letters, logs, checkpoints, history, plan runs, and the directories of runs whose history is gone. All
// instances offer to; the one that has the turn does the work in the database. Coroutines on one core.
class retention {
public:
    // `run_root`: where the directories of runs are. All references outlive it.
    retention(retention_options o, std::filesystem::path run_root, database& db, const identity& self, counters& counts);

    // The service: a round a minute until it is cancelled.
    awaitable<void> run();
    // One round, for as long as there is something to do, a few minutes at most. Does nothing in the database while another instance has the turn,
    // or the database is away. false: cancelled.
    awaitable<bool> round();
    // Removes the directories of runs that retention has dropped from history.
    awaitable<void> sweep_run_directories();

private:
    awaitable<bool> has_turn();
    awaitable<bool> sweep_failures();
    awaitable<bool> sweep_records(storage::run_record what, milliseconds kept_for);
    awaitable<bool> drop_history();
    awaitable<bool> sweep_plans();
    awaitable<bool> sweep_ticks();
    // After a step: leaves the database to others. false: cancelled.
    awaitable<bool> pause(std::int64_t rows);

    retention_options options_;
    std::filesystem::path run_root_;
    database& db_;
    const identity& self_;
    counters& counts_;
    deadline turn_until_{};
    deadline round_until_{};
    deadline directories_due_{};
};

}
