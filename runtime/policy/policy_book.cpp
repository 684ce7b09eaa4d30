#include "runtime/policy/policy_book.hpp"

#include "runtime/async/task_group.hpp"
#include "runtime/observe/event_log.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace rowlock::runtime {

namespace {

// Between two looks; what is noted meanwhile is recorded together.
constexpr std::chrono::seconds between_looks{1};
// So many violations are recorded one by one; what is noted beyond that before they are written is counted by policy and job.
constexpr std::size_t most_single = 1000;
constexpr std::size_t most_noted = 10'000;
constexpr std::size_t most_named = 100;
constexpr std::chrono::minutes between_sweeps{1};
constexpr int swept_at_once = 1000;

std::string place_of(const storage::policy_violation& v, bool single)
{
    auto place = fmt::format("{} {} {} {} {} {} {} {}", v.owner.value, v.policy_id, v.policy_version, v.tenant.value, v.job_id, v.job_version, static_cast<int>(v.stage), v.blocked);
    if (single && v.id) place += " " + v.id->str();
    return place;
}

void tell(const storage::policy_violation& v, bool budget)
{
    if (!event::on(spdlog::level::warn)) return;
    event e(budget ? "budget_exceeded" : "policy_violation");
    e.add("policy_id", v.policy_id).add("job_id", v.job_id).add("stage", to_string(v.stage)).add("enforcement", v.blocked ? "block" : "warn").add("detail", v.detail);
    if (v.id) e.add("execution_id", v.id->str());
    if (v.run_id) e.add("run_id", v.run_id->str());
    if (v.occurrences > 1) e.add("occurrences", v.occurrences);
    e.write(spdlog::level::warn);
}

// One that this release does not understand was made by a later one: its instances judge by it.
std::optional<policy_in_force> understood(storage::policy_row row)
{
    const auto document = parse_json(row.document);
    const auto* object = document ? document->if_object() : nullptr;
    auto what = object ? parse_policy(*object) : result<policy>(error{errc::invalid_request, "no object"});
    if (!what) {
        spdlog::error("the policy {} is not understood by this release, and not enforced here: {}", row.policy_id, what.error().detail);
        return std::nullopt;
    }
    return policy_in_force{std::move(row.policy_id), row.version, row.owner, row.subject, std::move(*what)};
}

outcome denied(std::string code, std::string message)
{
    outcome o;
    o.status = execution_status::failed;
    o.error_code = std::move(code);
    o.error_message = std::move(message);
    return o;
}

}

awaitable<result<void>> policy_book::load()
{
    struct read_policies {
        storage::policy_look look;
        std::vector<storage::policy_row> rows;
    };
    auto found = co_await db_.read([](storage::session& s) -> result<read_policies> {
        // In this order: what changes in between is read again.
        auto look = storage::policy_tick(s);
        return read_policies{std::move(look), storage::load_policies(s)};
    });
    if (!found) co_return found.error();
    std::vector<policy_in_force> all;
    for (auto& row : found->rows) {
        if (auto one = understood(std::move(row))) all.push_back(std::move(*one));
    }
    auto fresh = std::make_shared<const policy_set>(std::move(all));
    const auto changes = found->look.changes;
    remember(std::move(found->look));
    const std::lock_guard lock(mutex_);
    if (changes < seen_) co_return result<void>{};           // a later look came first
    seen_ = changes;
    any_.store(!fresh->empty(), std::memory_order_relaxed);
    in_force_ = std::move(fresh);
    co_return result<void>{};
}

awaitable<result<std::optional<std::string>>> policy_book::change(change_function change)
{
    auto changed = co_await db_.write(std::move(change));
    if (changed) co_await load();                    // where the database has just gone away, the service reads it later
    co_return changed;
}

awaitable<void> policy_book::run()
{
    auto sweep_at = steady_clock::now() + between_sweeps;
    while (co_await sleep_until(steady_clock::now() + between_looks)) {
        auto look = co_await db_.write([](storage::session& s) -> result<storage::policy_look> { return storage::policy_tick(s); });
        if (look) {
            const auto changes = look->changes;
            remember(std::move(*look));
            bool changed;
            {
                const std::lock_guard lock(mutex_);
                changed = changes != seen_;
            }
            if (changed) co_await load();
        }
        co_await flush();
        if (steady_clock::now() < sweep_at) continue;
        const auto swept = co_await db_.write([kept = kept_](storage::session& s) -> result<int> { return storage::sweep_policy_violations(s, kept, swept_at_once); });
        if (!swept || *swept < swept_at_once) sweep_at = steady_clock::now() + between_sweeps;
    }
}

awaitable<void> policy_book::flush()
{
    std::vector<storage::policy_violation> all;
    std::uint64_t dropped = 0;
    {
        const std::lock_guard lock(mutex_);
        all = std::exchange(noted_, {});
        places_.clear();
        dropped = std::exchange(dropped_, 0);
    }
    if (dropped > 0) spdlog::warn("{} violations of policies were not recorded: too many kinds of them waited", dropped);
    if (all.empty()) co_return;
    const auto written = co_await db_.write([all](storage::session& s) -> result<void> {
        storage::note_violations(s, all);
        return {};
    });
    if (written || written.error().code == errc::internal) co_return;
    // They wait until the database is back.
    const std::lock_guard lock(mutex_);
    for (auto& each : all) keep(std::move(each));
}

std::shared_ptr<const policy_set> policy_book::in_force() const
{
    const std::lock_guard lock(mutex_);
    return in_force_;
}

void policy_book::remember(storage::policy_look look)
{
    const auto ends = steady_clock::now() + look.day_left;
    const std::lock_guard lock(mutex_);
    // Told by whoever hears of it first; a budget that only warns is told of by v_policy_violations alone.
    for (const auto& each : look.closed) {
        if (!closed_.contains(each.tenant)) {
            event("budget_exceeded").add("policy_id", each.policy_id).add("tenant_key", std::int64_t{each.tenant.value}).add("stage", "DAY").add("enforcement", "block")
                .add("detail", "the tenant has used " + each.used + " today").write(spdlog::level::warn);
        }
    }
    for (const auto& each : look.plans) {
        counts_.budgets_exceeded.fetch_add(1, std::memory_order_relaxed);
        event("budget_exceeded").add("policy_id", each.policy_id).add("plan_run_id", each.plan_run_id).add("stage", "PLAN").add("enforcement", each.stops ? "block" : "warn")
            .add("detail", "the plan has used " + each.used).write(spdlog::level::warn);
    }
    closed_.clear();
    for (auto& each : look.closed) closed_.try_emplace(each.tenant, std::move(each));
    day_ends_ = ends;
}

std::optional<error> policy_book::refusal_by_day(const submit_request& request) const
{
    const std::lock_guard lock(mutex_);
    const auto at = closed_.find(request.tenant);
    if (at == closed_.end()) return std::nullopt;
    const auto now = steady_clock::now();
    if (now >= day_ends_) return std::nullopt;
    const auto wall = wall_clock();
    const bool all_later = std::all_of(request.items.begin(), request.items.end(), [wall](const submission& s) { return s.scheduled_time && *s.scheduled_time > wall; });
    if (all_later) return std::nullopt;
    error why{errc::budget_exceeded, fmt::format("Nothing was submitted: what the tenant may use today is used up (the policy {}: {}). Try again after the end of the day, UTC.", at->second.policy_id, at->second.used),
              {}, std::chrono::ceil<std::chrono::seconds>(day_ends_ - now)};
    return why;
}

// Calls found(i, finding) for each item that a policy blocks.
template <class Found>
void policy_book::judge(const submit_request& request, Found found) const
{
    const auto set = in_force();
    const job_version* judged = nullptr;
    std::vector<policy_finding> findings;
    for (std::size_t i = 0; i < request.items.size(); ++i) {
        const auto& job = *request.items[i].job;
        // Mostly a batch is of one job.
        if (&job != judged) {
            findings = set->judge(job.tenant, job.definition);
            judged = &job;
        }
        if (!findings.empty() && findings.front().policy->what.blocks) found(i, findings.front());
    }
}

void policy_book::note_refusal(const submit_request& request)
{
    judge(request, [&](std::size_t i, const policy_finding& found) {
        const auto& job = *request.items[i].job;
        note({found.policy->owner, found.policy->policy_id, found.policy->version, job.tenant, job.definition.job_id, job.version, {}, {}, storage::policy_stage::submission, true, found.detail});
    });
}

std::optional<error> policy_book::refusal_of(const submit_request& request) const
{
    if (!any()) return std::nullopt;
    if (auto closed = refusal_by_day(request)) return closed;
    error why{errc::policy_violation, {}, {}, {}};
    const bool one = request.items.size() == 1;
    judge(request, [&](std::size_t i, const policy_finding& found) {
        const auto& job_id = request.items[i].job->definition.job_id;
        if (why.detail.empty()) why.detail = fmt::format("Nothing was submitted: the policy {} does not allow the job {}: {}.", found.policy->policy_id, job_id, found.detail);
        if (why.fields.size() == most_named) return;
        why.fields.push_back({one ? "job_id" : fmt::format("executions[{}].job_id", i), fmt::format("\"{}\"", job_id),
                              fmt::format("is not allowed by the policy {}: {}", found.policy->policy_id, found.detail)});
    });
    if (why.detail.empty()) return std::nullopt;
    return why;
}

std::optional<outcome> policy_book::refusal_of(const assignment& work)
{
    // Recorded when its plan run was stopped.
    if (!work.refusal.empty()) return denied("BUDGET_EXCEEDED", work.refusal);
    if (!any()) return std::nullopt;
    const auto set = in_force();
    std::optional<outcome> refusal;
    for (const auto& found : set->judge(work.job->tenant, work.job->definition)) {
        note(work, found, storage::policy_stage::start, found.policy->what.blocks);
        if (found.policy->what.blocks && !refusal) refusal = denied("PERMISSION_DENIED", fmt::format("The policy {} does not allow it: {}.", found.policy->policy_id, found.detail));
    }
    if (refusal) return refusal;
    // What is known without asking; the rest is looked at when the attempt starts.
    if (work.attempt_number == 1) return std::nullopt;
    return refusal_of(work, budgets_of(work));
}

std::optional<outcome> policy_book::refusal_of(const assignment& work, const run_budgets& budgets)
{
    const auto found = refuses_start(budgets);
    if (!found) return std::nullopt;
    note(work, *found, storage::policy_stage::start, true);
    return denied("BUDGET_EXCEEDED", fmt::format("The budget of the policy {} is used up: {}.", found->policy->policy_id, found->detail));
}

run_budgets policy_book::budgets_of(const assignment& work) const
{
    run_budgets budgets;
    if (!any()) return budgets;
    budgets.set = in_force();
    budgets.all = budgets.set->budgets(work.job->tenant, work.job->definition);
    budgets.before.attempts = work.attempt_number - 1;
    return budgets;
}

awaitable<result<run_usage>> policy_book::usage_of(execution_id run)
{
    co_return co_await db_.read([run](storage::session& s) -> result<run_usage> { return storage::usage_of_run(s, run); });
}

void policy_book::note(const assignment& work, const policy_finding& found, storage::policy_stage stage, bool blocked)
{
    const auto& policy = *found.policy;
    storage::policy_violation v{policy.owner, policy.policy_id, policy.version, work.job->tenant, work.job->definition.job_id, work.job->version, work.id, work.run_id, stage, blocked, found.detail};
    if (policy.what.type == policy_type::budget) counts_.budgets_exceeded.fetch_add(1, std::memory_order_relaxed);
    tell(v, policy.what.type == policy_type::budget);
    note(std::move(v));
}

void policy_book::note(storage::policy_violation violation)
{
    counts_.policy_violations.fetch_add(1, std::memory_order_relaxed);
    if (!violation.id) tell(violation, false);
    const std::lock_guard lock(mutex_);
    keep(std::move(violation));
}

void policy_book::keep(storage::policy_violation&& violation)
{
    auto place = place_of(violation, noted_.size() < most_single);
    const auto at = places_.find(place);
    if (at != places_.end()) {
        noted_[at->second].occurrences += violation.occurrences;
    } else if (noted_.size() < most_noted) {
        places_.emplace(std::move(place), noted_.size());
        noted_.push_back(std::move(violation));
    } else {
        dropped_ += static_cast<std::uint64_t>(violation.occurrences);
    }
}

}
