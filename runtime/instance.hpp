#pragma once

#include "runtime/async/core.hpp"
#include "runtime/async/database.hpp"
#include "runtime/catalog/catalog.hpp"
#include "runtime/execute/change_watch.hpp"
#include "runtime/execute/retention.hpp"
#include "runtime/execute/run_watch.hpp"
#include "runtime/execute/submit.hpp"
#include "runtime/handlers/handlers.hpp"
#include "runtime/limits/pressure_report.hpp"
#include "runtime/observe/counters.hpp"
#include "runtime/plan/plan_runs.hpp"
#include "runtime/trigger/event_intake.hpp"
#include "storage/dead_letter_store.hpp"
#include "storage/instance_store.hpp"
#include "storage/queue_store.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace rowlock::runtime {

class callback_board;
class policy_book;
class scheduler;
class zone_database;

struct instance_options {
    std::string database_url;
    std::string public_url{};                        // where targets of http jobs reach the servers; empty: where this one listens
    int parallelism = 20;
    int general_sessions = 4;
    std::chrono::milliseconds lease{30'000};
    std::chrono::milliseconds poll{1000};
    std::chrono::milliseconds grace{30'000};
    std::chrono::milliseconds priority_age{1000};
    std::chrono::milliseconds dependency_check{10'000};
    std::chrono::milliseconds key_ttl = std::chrono::hours{24};
    std::size_t max_queued_submissions = 100'000;
    bool share_fairly = true;                        // tenants share what can run by their weights; false: the best ranks first, whosever they are
    int concurrency_per_tenant = 0;                  // executions of each tenant without a limit of its own that may run at once, on all instances; 0: as many as like
    std::int64_t queue_capacity = 0;                 // executions that may be QUEUED, in the whole database; 0: as many as like
    int partition_days_ahead = 3;
    bool sole_instance = false;                      // nobody else uses this database: earlier instances are dead
    process_options process;
    http_options http;
    sql_options sql;
    definition_defaults defaults;
    retention_options retention;
    bool scheduler_enabled = true;
    int catchup_limit = 10;
    std::chrono::milliseconds event_retention = std::chrono::hours{168};
    std::map<std::string, std::string> labels{};     // what placements ask for
    std::map<std::string, int> by_handler{};         // of executions with handlers of these types at most so many run here at a time
    resource_amounts capacity{};                     // that executions here have together; none: as much as they ask for
    pressure_options pressure{};
};

// One Rowlock instance: everything between the API and PostgreSQL. Keeps nothing that it could not lose.
class instance {
public:
    // `cores` outlives it and is started by the caller.
    instance(core_group& cores, instance_options options);
    ~instance();

    // Connects, joins the cluster, starts the services. `address`: where the API listens, for people. Errors: database_unavailable,
    // internal (not migrated).
    result<void> start(std::string address);
    // A stop has three steps, so that requests can be answered through the first two. Each blocks; from a thread that is no core, one
    // after the other. Each does the ones before it, where they have not been done.
    //
    // Not ready from now on, and nothing is started here any more: what is submitted is queued for the other instances.
    void wind_down();
    // Running work gets the grace; what is left then is stopped. Ends are committed, and what is not done goes back to the queue at once.
    // `hurry` turns true when the caller wants the wait to end now.
    void hand_over(const std::atomic<bool>& hurry);
    // Takes in nothing any more, and leaves the cluster.
    void stop(const std::atomic<bool>& hurry);

    // Committed when it returns a value. Resumes the caller on its core.
    awaitable<submit_answer> submit(submit_request request);
    // The same for those who wait otherwise than in a coroutine: they have an answer in any case. Any thread; returns at once.
    void submit(submit_request request, std::unique_ptr<waiter<submit_answer>> who);
    // Committed when it returns a value. Errors: those of event_intake::take, stopping.
    awaitable<event_answer> take_event(new_event event);
    // A webhook was called, and refused.
    void count_refused_webhook();
    // What a key gave to the same request before; empty where it is not in use, or was used with another request. For requests that
    // would be refused by now: their repeats are not.
    awaitable<result<std::vector<submitted>>> find_replay(tenant_key tenant, std::string key, std::string key_request);
    // A cancel of one execution. Queued: it has ended CANCELLED when this returns. Running: its owner has been asked to.
    // `cascade`: what waits for it in its plan. Errors: not_found, already_ended.
    awaitable<result<void>> cancel(principal who, execution_id id, std::string reason, storage::cancel_cascade cascade);
    // The next attempt of the run that this execution, or this dead letter, belongs to. Errors: not_found, not_retryable.
    awaitable<result<execution_id>> retry(principal who, execution_id id);
    awaitable<result<execution_id>> retry_dead_letter(principal who, execution_id id);
    // One batch, see storage::retry_dead_letters.
    awaitable<result<std::vector<storage::retried_dead_letter>>> retry_dead_letters(principal who, storage::dead_letter_filter filter,
                                                                                   std::optional<storage::time_place> after, int limit);
    // Closes a circuit breaker; false: there is none of this key.
    awaitable<result<bool>> reset_breaker(principal who, std::string key);
    // Changes a limit by `change`, on a database thread; what may start by it is looked for at once, here and elsewhere. Its answer: the limit as JSON, or
    // none.
    awaitable<result<std::optional<std::string>>> change_limit(std::function<result<std::optional<std::string>>(storage::session&)> change);
    // Asks an instance, this one or another, to start nothing more, or to start again; what it runs goes on to its end. When this returns `done`, it holds.
    awaitable<result<storage::drain_answer>> drain(principal who, instance_id id, bool drains, std::string reason);

    catalog& jobs();
    policy_book& policies();
    // Any thread.
    zone_database& zones();
    // After start().
    scheduler& schedules();
    plan_runs& plans();
    database& db();
    run_watch& runs();
    // By the ids of runs of plans.
    run_watch& plan_run_ends();
    change_watch& changes();
    callback_board& callbacks();
    const counters& figures() const;
    instance_id id() const;

    // For /readyz: the database was reached within the last seconds, the lease holds, not stopping, not drained. Otherwise why not.
    struct readiness {
        bool ready = false;
        std::string why;
        bool drained = false;
    };
    readiness ready() const;
    // What it watches and is short of. It is ready even so: what it does not start others do, or itself later.
    pressure_report pressure() const;
    bool stopping() const;

private:
    struct parts;
    std::unique_ptr<parts> parts_;
};

}
