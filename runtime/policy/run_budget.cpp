#include "runtime/policy/run_budget.hpp"

#include "storage/model/json_text.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <cmath>
#include <fmt/format.h>

namespace rowlock::runtime {

namespace {

// Times are measured in microseconds and budgets given in milliseconds: an attempt that was stopped at the end of its time has used it up.
constexpr double rounding = 0.0005;

double in_seconds(milliseconds time)
{
    return std::chrono::duration<double>(time).count();
}

void add_words(std::string& words, std::string_view what, double used, double of)
{
    // No more digits than people read.
    words += fmt::format("{}{} of {} {}", words.empty() ? "" : ", ", std::round(used * 1000) / 1000, of, what);
}

}

bool run_budgets::asks_for_usage() const
{
    return std::any_of(all.begin(), all.end(), [](const auto* each) { return each->what.budget.seconds || each->what.budget.cost_units; });
}

std::string used_up(const budget_amounts& budget, const run_usage& usage)
{
    std::string words;
    if (budget.attempts && usage.attempts >= *budget.attempts) add_words(words, "attempts", usage.attempts, *budget.attempts);
    if (budget.seconds && usage.seconds + rounding >= in_seconds(*budget.seconds)) add_words(words, "seconds", usage.seconds, in_seconds(*budget.seconds));
    if (budget.cost_units && usage.cost_units >= *budget.cost_units) add_words(words, "cost units", usage.cost_units, *budget.cost_units);
    return words;
}

std::string overdrawn(const budget_amounts& budget, const run_usage& usage)
{
    std::string words;
    if (budget.attempts && usage.attempts > *budget.attempts) add_words(words, "attempts", usage.attempts, *budget.attempts);
    if (budget.seconds && usage.seconds > in_seconds(*budget.seconds) + rounding) add_words(words, "seconds", usage.seconds, in_seconds(*budget.seconds));
    if (budget.cost_units && usage.cost_units > *budget.cost_units) add_words(words, "cost units", usage.cost_units, *budget.cost_units);
    return words;
}

std::optional<policy_finding> refuses_start(const run_budgets& budgets)
{
    // A run that has not begun has used nothing, also of a budget of nothing.
    if (budgets.before.attempts == 0) return std::nullopt;
    for (const auto* each : budgets.all) {
        if (!each->what.blocks) continue;
        if (auto words = used_up(each->what.budget, budgets.before); !words.empty()) return policy_finding{each, "the run has used " + words};
    }
    return std::nullopt;
}

std::optional<milliseconds> time_left(const run_budgets& budgets)
{
    std::optional<milliseconds> left;
    for (const auto* each : budgets.all) {
        if (!each->what.blocks || !each->what.budget.seconds) continue;
        const auto used = milliseconds{static_cast<std::int64_t>(budgets.before.seconds * 1000)};
        const auto rest = std::max(*each->what.budget.seconds - used, milliseconds{1});
        left = left ? std::min(*left, rest) : rest;
    }
    return left;
}

budget_verdict judge_end(const run_budgets& budgets, const run_usage& usage, bool again)
{
    budget_verdict verdict;
    for (const bool blocks : {true, false}) {
        for (const auto* each : budgets.all) {
            if (each->what.blocks != blocks) continue;
            const auto words = again ? used_up(each->what.budget, usage) : overdrawn(each->what.budget, usage);
            if (words.empty()) continue;
            verdict.found.push_back({each, "the run has used " + words});
            if (!again || !blocks || verdict.stops) continue;
            verdict.stops = true;
            verdict.why = fmt::format("the budget of the policy {} is used up ({})", each->policy_id, words);
        }
    }
    return verdict;
}

double cost_units_of(const outcome& ended)
{
    if (ended.metrics.find("cost_units") == std::string::npos) return 0;
    const auto parsed = parse_json(ended.metrics);
    const auto* metrics = parsed ? parsed->if_object() : nullptr;
    const auto* cost = metrics ? metrics->if_contains("cost_units") : nullptr;
    if (!cost || !cost->is_number()) return 0;
    return std::clamp(cost->to_number<double>(), 0.0, most_cost_units);
}

}
