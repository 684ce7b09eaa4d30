#pragma once

#include "storage/queue_store.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <string_view>
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

// What becomes of the executions that a hand ends: this share of them fails, evenly spread, and each failure has an error row beside its result. It is
// followed by a next attempt with a delay of its own, or, where `dead`, by a dead letter.
struct failing {
    double share = 0;
    bool dead = false;
};

// One session that calls the queue's statements as an instance does, and nothing else: no HTTP, no coroutines, no handler. What it
// reaches is what PostgreSQL allows these statements. Used by one thread. Throws what storage throws.
class queue_hand {
public:
    queue_hand(const std::string& database_url, const std::vector<lane_of_job>& jobs, failing ends = {});
    // Leaves the cluster, so that nobody waits for a lease to end.
    ~queue_hand();
    queue_hand(const queue_hand&) = delete;
    queue_hand& operator=(const queue_hand&) = delete;

    // One statement that submits so many executions, spread evenly over as many jobs as there are, at most all of them. `start`: this hand owns
    // them at once, and the next settle() ends them; otherwise they are queued.
    void submit(std::size_t count, bool start);
    // Claims at most `budget` executions and reads them. Returns how many; 0 when nothing waits.
    std::size_t claim(std::size_t budget);
    // Ends what this hand owns, extent by extent until there are `most` executions or more. Returns how many there were. Throws runtime_error where some of
    // it was lost.
    std::size_t settle(std::size_t most = static_cast<std::size_t>(-1));

    // How many of what it has ended have failed, and what it waited for the statements that ended it.
    std::size_t failed() const { return failed_; }
    std::chrono::duration<double> settling() const { return settling_; }

private:
    struct owned_extent {
        execution_id lo;
        fence under;
        std::vector<execution_id> executions;
    };

    std::uint64_t next_block();
    // The columns of an end, as an instance fills them.
    void add_success();
    void add_failure(const execution_id& next);
    void add_result(std::string_view code, std::string_view message);

    storage::session session_;
    const std::vector<lane_of_job>& jobs_;
    instance_id self_{};
    std::uint64_t counter_;
    std::minstd_rand random_;
    failing failing_;
    double due_ = 0;                                  // failures that the share asks for and that have not been
    std::size_t failed_ = 0;
    std::chrono::duration<double> settling_{0};
    std::size_t next_job_ = 0;
    lane_id cursor_{};
    storage::submit_batch submission_{};
    storage::settle_batch ends_{};
    std::deque<owned_extent> owned_{};
};

}
