#pragma once

#include "runtime/async/core.hpp"
#include "runtime/async/task_group.hpp"
#include "runtime/execute/records.hpp"
#include "runtime/execute/retry_matchers.hpp"
#include "runtime/execute/settler.hpp"
#include "runtime/handlers/handlers.hpp"
#include "runtime/policy/policy_book.hpp"

#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

namespace rowlock::runtime {

// Runs what has been claimed: every execution as a coroutine on some core, or at once where its work needs no waiting. What
// comes of it goes to the settler.
class executor {
public:
    // How each kind of work is done.
    struct options {
        process_options process;
        http_options http;
        sql_options sql;
        composite_options composite;
        std::function<void()> handed_back{};         // something that ran has been given up, for others to do. On its core
    };

    executor(core_group& cores, settler& ends, records& notes, ledger& owned, slots& free, policy_book& policies, counters& counts, options o);
    ~executor();

    // Takes over executions that this instance owns; their slots are taken. Any thread.
    void start(std::vector<assignment> work);

    // Asks what runs to stop: these executions (cancelled), or everything. Any thread.
    void cancel(const std::vector<storage::cancel_request>& requests);
    void stop_all(stop_reason why);
    // What only waits for other executions can do so elsewhere. Any thread.
    void hand_back_what_waits();

    // Executions that have been started and have not returned.
    int running() const { return running_.load(std::memory_order_acquire); }

    // After the last attempt has returned: joins the workers. From a thread that is no core.
    void stop();

private:
    class worker;
    void dropped(const assignment& work);
    // What is to be made of an end. `ran`: for so long. `out_of_time`: it was stopped by one of its budgets.
    finished finish(const assignment& work, outcome result, const run_budgets& budgets, std::chrono::microseconds ran, bool out_of_time);

    options options_;
    settler& ends_;
    records& notes_;
    ledger& owned_;
    slots& free_;
    policy_book& policies_;
    counters& counts_;
    retry_matchers retries_;
    std::unique_ptr<sql_pool> databases_;
    std::atomic<int> running_{0};
    std::atomic<std::size_t> turn_{0};
    std::vector<std::unique_ptr<worker>> workers_;
};

}
