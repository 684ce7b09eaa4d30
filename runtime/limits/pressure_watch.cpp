#include "runtime/limits/pressure_watch.hpp"

#include "runtime/async/task_group.hpp"
#include "runtime/observe/event_log.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace rowlock::runtime {

namespace {

// While it lasts the figures that others see are not older.
constexpr std::chrono::seconds figures_kept{10};
constexpr double hundred = 100;
// For the metric of what waits while nothing is started.
constexpr std::int64_t extents_counted{1'000'000};
// A disk that takes longer is measured with the next sample, or not at all.
constexpr std::chrono::milliseconds between_looks_at_disks{10};
constexpr int looks_at_disks = 50;

bool watches_anything(const pressure_rules& rules)
{
    return std::any_of(all_resources.begin(), all_resources.end(), [&rules](resource r) { return rules.of[r].watched(); });
}

double percent(double part, double whole)
{
    return whole > 0 ? hundred * part / whole : 0;
}

}

pressure_watch::pressure_watch(pressure_options o, surroundings around, database& db, const identity& self, counters& counts)
    : options_(std::move(o)), around_(std::move(around)), db_(db), self_(self), counts_(counts), machine_(options_.places.control_group), disks_(options_.places.directories)
{
    if (around_.queue_capacity <= 0) options_.rules.of[resource::queue] = {};
    report_.reject_below = options_.reject_below;
}

pressure_watch::~pressure_watch()
{
    reader_.join();
}

pressure_report pressure_watch::report() const
{
    const std::lock_guard lock(mutex_);
    return report_;
}

awaitable<void> pressure_watch::run()
{
    if (!watches_anything(options_.rules)) co_return;
    do {
        const auto samples = co_await sample();
        act_on(decide(options_.rules, state_, samples, steady_clock::now()));
        co_await tell();
    } while (co_await sleep_until(steady_clock::now() + options_.interval));
}

awaitable<machine_sampler::figures> pressure_watch::measure_machine()
{
    using figures = machine_sampler::figures;
    return suspend_for<figures>([this](std::unique_ptr<waiter<figures>> who) {
        boost::asio::post(reader_, [this, who = std::move(who)]() mutable {
            try {
                auto measured = machine_.measure();
                waiter<figures>::answer(std::move(who), std::move(measured));
            } catch (...) {
                if (who) waiter<figures>::fail(std::move(who), std::current_exception());
            }
        });
    });
}

awaitable<void> pressure_watch::measure_disks(resource_samples& into)
{
    if (!options_.rules.of[resource::disk].watched()) co_return;
    disks_.begin(options_.rules.of[resource::disk].enough_mb);
    for (int looks = 0; disks_.busy() && looks < looks_at_disks; ++looks) {
        if (!co_await sleep_until(steady_clock::now() + between_looks_at_disks)) co_return;
    }
    const bool hangs = disks_.busy();
    if (hangs && !disks_hang_) spdlog::warn("the disks of DATA and RUN_DIRECTORY do not answer: they are not watched until they do");
    if (!hangs && disks_hang_) spdlog::info("the disks of DATA and RUN_DIRECTORY answer again");
    disks_hang_ = hangs;
    auto found = disks_.take();
    into[resource::disk] = found.fullest;
    disk_path_ = std::move(found.path);
}

awaitable<resource_samples> pressure_watch::sample()
{
    resource_samples samples;
    const auto machine = co_await measure_machine();
    samples[resource::memory] = machine.memory;
    samples[resource::cpu] = machine.cpu;
    co_await measure_disks(samples);

    const bool counts_all = does(pressure_action::queue_all);
    const bool watches_queue = options_.rules.of[resource::queue].watched();
    // Always counted: queue_room is written by submissions alone, and a queue fills in other ways as well. As many extents as the queue has room for are enough.
    const auto queued_in = std::max<std::int64_t>(watches_queue ? around_.queue_capacity : 0, counts_all ? extents_counted : 0);
    if (!options_.rules.of[resource::connections].watched() && queued_in == 0) co_return samples;
    const double own = hundred * (around_.own_pools ? around_.own_pools() : 0);
    samples[resource::connections].usage = own;
    const auto seen = co_await db_.read([queued_in](storage::session& s) -> result<storage::pressure_figures> { return storage::read_pressure_figures(s, queued_in); });
    counts_.statements.fetch_add(1, std::memory_order_relaxed);
    // A database that is away is no shortage: nothing starts then anyhow.
    if (!seen) co_return samples;
    samples[resource::connections].usage = std::max(own, percent(static_cast<double>(seen->connections), static_cast<double>(seen->max_connections)));
    if (seen->queued) {
        samples[resource::queue].usage = percent(static_cast<double>(*seen->queued), static_cast<double>(around_.queue_capacity));
        counts_.queued_under_pressure.store(does(pressure_action::queue_all) ? *seen->queued : 0, std::memory_order_relaxed);
    }
    co_return samples;
}

void pressure_watch::note(const pressure_change& change)
{
    const auto name = to_string(change.what);
    const auto& bounds = options_.rules.of[change.what];
    changed_ = true;
    if (change.pressed) {
        since_[change.what] = self_.database_now();
        counts_.pressure_events[static_cast<std::size_t>(change.what)].fetch_add(1, std::memory_order_relaxed);
        event e("resource_exhausted");
        e.add("resource", name).add("usage_percent", change.usage).add("threshold_percent", bounds.high).add("actions", words_of(options_.rules.actions));
        if (change.what == resource::disk) e.add("path", disk_path_);
        e.write(spdlog::level::warn);
    } else {
        since_[change.what].reset();
        event("resource_recovered").add("resource", name).add("usage_percent", change.usage).add("lasted_seconds", static_cast<double>(change.lasted.count()) / 1000).write(spdlog::level::info);
    }
}

storage::pressure_error pressure_watch::error_of(const pressure_report& now, resource what) const
{
    const auto at = std::find_if(now.watched.begin(), now.watched.end(), [what](const pressure_report::item& each) { return each.what == what; });
    return {fmt::format("Instance {} is short of {}: {:.1f} % are used, and from {:g} % on that is too much. Until it is over it does this: {}.", self_.id().value, to_string(what),
                        at->last.usage.value_or(0), at->bounds.high, words_of(now.actions)),
            to_text(exhaustion_json(now, *at))};
}

void pressure_watch::act_on(pressure_decision decision)
{
    state_ = std::move(decision.state);
    for (const auto& change : decision.changes) note(change);
    pressure_report now;
    now.actions = actions_of(options_.rules, state_);
    now.disk_path = disk_path_;
    now.recovery = earliest_recovery(options_.rules, state_, steady_clock::now());
    now.reject_below = options_.reject_below;
    for (const auto r : all_resources) {
        if (options_.rules.of[r].watched()) now.watched.push_back({r, state_[r].last, options_.rules.of[r], state_[r].pressed, since_[r]});
    }
    for (const auto& change : decision.changes) {
        if (change.pressed) unrecorded_[change.what] = error_of(now, change.what);
    }
    const action_set after = now.actions;
    {
        const std::lock_guard lock(mutex_);
        report_ = std::move(now);
    }
    const action_set before(actions_.exchange(after.bits()));
    if (!after.has(pressure_action::queue_all)) counts_.queued_under_pressure.store(0, std::memory_order_relaxed);
    if (before != after && around_.changed) around_.changed(before, after);
}

awaitable<void> pressure_watch::tell()
{
    const auto now = report();
    const bool is_short = now.any();
    const auto self = self_.id();
    // An instance that has joined anew has a row that says nothing yet.
    const bool anew = self != told_as_ && (is_short || told_short_);
    if (!changed_ && !anew && !(is_short && steady_clock::now() >= tell_again_)) co_return;
    std::vector<storage::pressure_error> errors;
    for (const auto& [what, each] : unrecorded_) errors.push_back(each);
    auto text = is_short ? to_text(pressed_json(now)) : std::string();
    const auto told = co_await db_.write([self, text = std::move(text), errors = std::move(errors)](storage::session& s) -> result<bool> {
        return storage::tell_pressure(s, self, text, errors);
    });
    counts_.statements.fetch_add(1, std::memory_order_relaxed);
    // Otherwise it is tried again with the next sample.
    if (!told || !*told) co_return;
    changed_ = false;
    unrecorded_.clear();
    told_short_ = is_short;
    told_as_ = self;
    tell_again_ = steady_clock::now() + figures_kept;
}

}
