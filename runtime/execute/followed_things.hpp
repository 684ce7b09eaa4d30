#pragma once

#include "runtime/execute/change_follower.hpp"
#include "runtime/execute/change_watch.hpp"
#include "storage/change_store.hpp"
#include "storage/execution_store.hpp"
#include "storage/plan_watch_store.hpp"

#include <deque>
#include <map>
#include <unordered_map>
#include <unordered_set>

namespace rowlock::runtime {

// What is followed on this instance, by whom, and what they have been told. No I/O: the watch asks the database what question() wants to
// know, and says what it heard. For the watch and its tests; one thread at a time.
class change_watch::followed_things {
public:
    // More is refused, and who follows a job that grows beyond the share of one is cut off.
    static constexpr std::size_t most = 100'000;
    static constexpr std::size_t most_of_one = 20'000;

    // What is read when somebody begins to follow something.
    struct beginning {
        std::vector<storage::shown_execution> executions{};
        std::vector<storage::shown_execution> attempts{};      // the last ones of the runs
        std::vector<storage::shown_plan_run> plan_runs{};
        std::vector<job_key> jobs{};
        timestamp now{};                                       // by the database's clock; executions that are newer are told
    };
    // Error: overloaded.
    result<void> begin(std::shared_ptr<change_follower> who, std::uint64_t token, tenant_key tenant, const follow_targets& targets, beginning found);
    void end(const change_follower& who, std::uint64_t token);
    bool empty() const { return executions_.empty() && jobs_.empty() && logs_.empty() && plan_runs_.empty(); }

    // What has to be known for everybody. Forgets those who are gone.
    struct question {
        std::vector<storage::state_of_execution> known{};
        std::vector<job_key> jobs{};
        std::vector<timestamp> since{};                        // by job
        int most_new = 0;                                      // of a job
        struct log {
            std::size_t number;
            tenant_key tenant;
            execution_id id;
            std::int64_t after;
        };
        std::vector<log> logs{};
        std::vector<storage::state_of_plan_run> plan_runs{};
    };
    question ask();

    struct findings {
        std::vector<execution_id> changed{};
        std::vector<storage::new_execution> fresh{};           // some may be known already
        timestamp now{};
        std::vector<std::pair<std::size_t, storage::log_part>> logs{};   // by number
        std::vector<storage::shown_plan_run> plan_runs{};      // those that have changed
    };
    // The executions that have to be shown: those that have changed, and those that nobody has been told of. Tells of logs and of runs of plans.
    std::vector<execution_id> hear(findings found);
    // Tells of executions. True: there is more to be seen at once.
    bool show(std::vector<storage::shown_execution> now);
    // Wakes everybody who has got mail since the last time.
    void wake();

private:
    struct interest {
        std::shared_ptr<change_follower> who;
        std::uint64_t token;
        tenant_key tenant;
        bool over = false;
        bool is_gone() const { return over || who->closed_.load() || who->cut_off(); }
    };
    using interest_ptr = std::shared_ptr<interest>;
    struct link {
        interest_ptr by;
        bool follows_run;
    };
    struct execution {
        storage::execution_state known{};
        std::vector<link> links{};
    };
    struct plan_run {
        storage::plan_run_state known{};
        std::vector<interest_ptr> watchers{};
    };
    struct job {
        struct watcher {
            interest_ptr by;
            timestamp from;
        };
        timestamp since{};                                     // executions from here on are looked for
        std::vector<watcher> watchers{};
        std::unordered_set<execution_id> seen{};
        std::deque<std::pair<timestamp, execution_id>> seen_in_order{};
    };
    struct log {
        interest_ptr by;
        execution_id id;
        std::int64_t after = 0;
        std::size_t number = 0;
    };

    void put(const interest_ptr& to, change one);
    void tell(const std::vector<storage::shown_plan_run>& changed);
    void add(const interest_ptr& by, execution_id id, const storage::execution_state& known, bool follows_run);
    // To be woken by the next wake().
    void wake_later(const std::shared_ptr<change_follower>& who);
    void cut_off(const std::shared_ptr<change_follower>& who);
    void drop(execution& one);

    std::unordered_map<execution_id, execution> executions_{};
    std::unordered_map<job_key, job> jobs_{};
    std::vector<log> logs_{};
    std::map<uuid, plan_run> plan_runs_{};
    std::vector<std::weak_ptr<interest>> interests_{};
    // Executions that have to be shown because they are new, until they are.
    std::unordered_map<execution_id, std::pair<job_key, timestamp>> fresh_{};
    std::vector<std::shared_ptr<change_follower>> with_mail_{};
    std::size_t links_ = 0;
    std::size_t next_number_ = 0;
};

}
