#pragma once

#include "storage/queue_store.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace rowlock::bench {

// A job that executions can be submitted to.
struct lane_of_job {
    job_key job;
    lane_id lane;
    int version = 1;
};

// Brings the database to the version of this program and makes `count` jobs that do nothing: ceiling-0, ceiling-1, ... Throws runtime_error with a
// sentence, or what libpqxx throws.
std::vector<lane_of_job> make_jobs(const std::string& database_url, std::size_t count);

// One session that calls the queue's statements as an instance does, and nothing else: no HTTP, no coroutines, no handler. What it
// reaches is what PostgreSQL allows these statements. Used by one thread. Throws what storage throws.
class queue_hand {
public:
    queue_hand(const std::string& database_url, const std::vector<lane_of_job>& jobs);
    // Leaves the cluster, so that nobody waits for a lease to end.
    ~queue_hand();
    queue_hand(const queue_hand&) = delete;
    queue_hand& operator=(const queue_hand&) = delete;

    // One statement that submits so many executions, spread evenly over as many jobs as there are, at most all of them. `start`: this hand owns
    // them at once, and the next settle() ends them; otherwise they are queued.
    void submit(std::size_t count, bool start);
    // Claims at most `budget` executions and reads them. Returns how many; 0 when nothing waits.
    std::size_t claim(std::size_t budget);
    // Ends everything that this hand owns. Returns how many executions that were. Throws runtime_error where some of it was lost.
    std::size_t settle();

private:
    struct owned_extent {
        execution_id lo;
        fence under;
        std::vector<execution_id> executions;
    };

    std::uint64_t next_block();

    storage::session session_;
    const std::vector<lane_of_job>& jobs_;
    instance_id self_{};
    std::uint64_t counter_;
    std::size_t next_job_ = 0;
    lane_id cursor_{};
    storage::submit_batch submission_{};
    storage::settle_batch ends_{};
    std::vector<owned_extent> owned_{};
};

}
