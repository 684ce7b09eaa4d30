#pragma once

#include "runtime/policy/policy_set.hpp"
#include "storage/model/execution.hpp"
#include "storage/policy_store.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::runtime {

using storage::run_usage;

// The budgets that hold for an attempt, as they were when it started, and what its run had used by then.
struct run_budgets {
    std::shared_ptr<const policy_set> set{};         // has the policies
    std::vector<const policy_in_force*> all{};
    run_usage before{};

    bool empty() const { return all.empty(); }
    // Is it of interest how long earlier attempts ran, and what they reported?
    bool asks_for_usage() const;
};

// What a run has used of a budget, and it has nothing left of that: "2 of 2 attempts, 7.5 of 5 cost units". Empty: something is left of everything.
std::string used_up(const budget_amounts& budget, const run_usage& usage);
// The same where more was used than there was.
std::string overdrawn(const budget_amounts& budget, const run_usage& usage);

// Why an attempt that is about to start may not: a budget that blocks is used up. `before`: by earlier attempts.
std::optional<policy_finding> refuses_start(const run_budgets& budgets);

// So long the next attempt may run, by the budgets that block; nullopt: as long as it likes.
std::optional<milliseconds> time_left(const run_budgets& budgets);

// What the budgets say at the end of an attempt, after which `usage` is used.
struct budget_verdict {
    bool stops = false;                              // no attempt may follow, though one would
    std::string why{};                               // of that: names the policy, with figures
    std::vector<policy_finding> found{};             // to be recorded; where it stops, the first is why
};
// `again`: another attempt would follow. Pure.
budget_verdict judge_end(const run_budgets& budgets, const run_usage& usage, bool again);

// The metric cost_units of a result: a number that is not negative, else 0.
double cost_units_of(const outcome& ended);

}
