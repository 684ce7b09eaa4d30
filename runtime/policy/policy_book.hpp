#pragma once

#include "runtime/async/database.hpp"
#include "runtime/execute/submit.hpp"
#include "runtime/observe/counters.hpp"
#include "runtime/policy/policy_set.hpp"
#include "runtime/policy/run_budget.hpp"
#include "storage/policy_store.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace rowlock::runtime {

// The policies in force, in memory, and what is found against them on its way to the database. Follows changes made elsewhere within a second, and
// its own at once. Any thread, where nothing else is said.
class policy_book {
public:
    // `kept`: how long violations are.
    policy_book(database& db, counters& counts, milliseconds kept) : db_(db), counts_(counts), kept_(kept) {}

    // Reads all policies. Before anything is judged, and after a change. Errors: database_unavailable.
    awaitable<result<void>> load();
    // Changes a policy by `change`, on a database thread; it holds here when this returns.
    using change_function = std::function<result<std::optional<std::string>>(storage::session&)>;
    awaitable<result<std::optional<std::string>>> change(change_function change);
    // The service, on one core until it is cancelled: looks for changes, and records violations, once a second.
    awaitable<void> run();
    // Records what has been noted so far.
    awaitable<void> flush();

    // Is there any policy? One load: for hot paths, before anything else.
    bool any() const { return any_.load(std::memory_order_relaxed); }
    std::shared_ptr<const policy_set> in_force() const;

    // Why a request may not come in as a whole: a policy that blocks does not allow one of its jobs, or what its tenant may use today is used up.
    // Errors: policy_violation, budget_exceeded.
    std::optional<error> refusal_of(const submit_request& request) const;
    // It has been refused for a policy_violation: what of it is not allowed is noted.
    void note_refusal(const submit_request& request);
    // What comes of an attempt that may not start: it fails, for good. Noted, as is what is let pass. Nullopt: it may start.
    std::optional<outcome> refusal_of(const assignment& work);
    // The budgets of an attempt, without what its run has used before.
    run_budgets budgets_of(const assignment& work) const;
    awaitable<result<run_usage>> usage_of(execution_id run);
    // Of a later attempt: the refusal of refuses_start, noted.
    std::optional<outcome> refusal_of(const assignment& work, const run_budgets& budgets);

    void note(storage::policy_violation violation);
    // What was found of an attempt.
    void note(const assignment& work, const policy_finding& found, storage::policy_stage stage, bool blocked);

private:
    void keep(storage::policy_violation&& violation);
    // Nullopt: the tenant may start something today, or all of it is for later.
    std::optional<error> refusal_by_day(const submit_request& request) const;
    void remember(storage::policy_look look);
    template <class Found>
    void judge(const submit_request& request, Found found) const;

    database& db_;
    counters& counts_;
    milliseconds kept_;
    std::atomic<bool> any_{false};
    mutable std::mutex mutex_;
    std::shared_ptr<const policy_set> in_force_ = std::make_shared<const policy_set>();
    std::vector<storage::policy_violation> noted_;   // in their order
    std::unordered_map<std::string, std::size_t> places_;    // in it
    std::uint64_t dropped_ = 0;
    std::int64_t seen_ = -1;                         // the changes that in_force_ has
    std::unordered_map<tenant_key, storage::closed_day> closed_;
    deadline day_ends_{};                            // of closed_
};

}
