#pragma once

#include "storage/retention_store.hpp"
#include "tests/pg/queue/queue_traffic.hpp"

#include <optional>
#include <string>
#include <vector>

namespace rowlock::test {

inline constexpr std::chrono::milliseconds one_day = std::chrono::hours{24};

// A database with partitions for the last ten days and the next two, and what was done in them. Its clock stands at noon of a day, so that no test
// depends on the hour at which it is run.
class past {
public:
    past();

    queue_database& db() { return db_; }
    // Time goes on, so many days from the beginning.
    void days_later(int days);
    // A job whose history is kept for so many days; 0: for ever; none: as the server says.
    queue_job job(std::string_view job_id, std::optional<int> days = {});

    struct like {
        int attempt = 1;
        std::optional<execution_id> run{};           // of which it is the next attempt
        execution_status status = execution_status::completed;
        int ended_days_later = 0;
    };
    // An execution that was submitted so many days ago, at eleven, and ended a minute later.
    execution_id ended(const queue_job& job, int days_ago, like as);
    execution_id ended(const queue_job& job, int days_ago) { return ended(job, days_ago, like{}); }
    // A run whose attempts were submitted so many days ago each; all but the last failed. Returns the attempts.
    std::vector<execution_id> run(const queue_job& job, const std::vector<int>& days_ago);
    // A row of plan_runs, of a plan that has nothing special. rerun_of empty: it is none.
    void plan_run(const std::string& id, const std::string& rerun_of = {});
    // A row in every table that hangs on executions.
    void leave_records(const execution_id& id);

    // The name of the day so many days ago, 20261121: the end of the names of its partitions.
    std::string day(int days_ago);
    bool has_day(int days_ago);
    bool has(const execution_id& id);
    // How many rows name this execution in all the tables that hang on executions.
    int records_of(const execution_id& id);
    std::string pinned_by(int days_ago);

    // Steps until there is nothing to do; each leaves the database as it must be. Fails where that does not come to an end.
    std::vector<storage::history_step> drop(int default_days, int rows = 1000);

private:
    queue_database db_;
    std::chrono::milliseconds to_noon_{};
};

// How many steps did this?
int count(const std::vector<storage::history_step>& steps, storage::history_step::deed did);

}
