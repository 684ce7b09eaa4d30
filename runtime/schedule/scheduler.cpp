#include "runtime/schedule/scheduler.hpp"

#include "runtime/async/task_group.hpp"
#include "runtime/execute/crash_point.hpp"
#include "storage/model/execution.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <ctime>

namespace rowlock::runtime {

namespace {

using std::chrono::microseconds;

// One transaction: it is short enough for others not to notice, and long enough for its commit to cost nothing.
constexpr int schedules_at_once = 500;
constexpr int lanes_at_once = 1000;
constexpr int extents_at_once = 500;
constexpr int jobs_at_once = 200;
// What others are at is left to them: where they took more than half of a batch, the next one is sought this much further down.
constexpr int stride = 2 * schedules_at_once;
// To look through the lanes that skip takes its time where there are many: this part of all time, at most.
constexpr int skip_share = 10;
constexpr auto shortest_pause = std::chrono::milliseconds{2};

// Goes on while the machine sleeps, and is never set.
microseconds boot_time()
{
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return std::chrono::duration_cast<microseconds>(std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec});
}

}

scheduler::scheduler(scheduler_options o, database& db, core& home, zone_database& zones, counters& counts, listeners tell)
    : options_(o), db_(db), home_(home), zones_(zones), counts_(counts), tell_(std::move(tell)), look_now_(home.executor()), much_to_fire_(home.executor())
{
}

void scheduler::poke()
{
    boost::asio::post(home_.executor(), [this] { look_now_.ring(); });
}

void scheduler::rest(bool rests)
{
    if (rests_.exchange(rests) && !rests) poke();
}

void scheduler::pause(bool pauses)
{
    if (paused_.exchange(pauses) && !pauses) poke();
}

void scheduler::add(const fire_tally& tally)
{
    const auto n = [](counters::count& to, std::int64_t by) { to.fetch_add(static_cast<std::uint64_t>(by), std::memory_order_relaxed); };
    n(counts_.ticks_fired, tally.fired + tally.queued);
    n(counts_.ticks_caught_up, tally.caught_up);
    n(counts_.ticks_skipped, tally.skipped);
    n(counts_.scheduling_errors, tally.failed);
    n(counts_.ended[static_cast<std::size_t>(execution_status::skipped)], static_cast<std::int64_t>(tally.ended.size()));
}

void scheduler::tell(const fire_tally& tally)
{
    add(tally);
    if (tally.made() > 0) tell_.queued(tally.made());
    if (!tally.ended.empty()) tell_.runs_ended(tally.ended);
}

awaitable<void> scheduler::look_at(tenant_key tenant, std::string job_id)
{
    auto looked = co_await db_.write([this, tenant, job_id = std::move(job_id)](storage::session& s) -> result<fire_tally> {
        refresh_due(s, storage::read_due_windows(s, tenant, job_id), zones_);
        if (!fires()) return fire_tally{};
        return fire_due(s, storage::read_due_schedule(s, tenant, job_id), {zones_, options_.catchup_limit, std::nullopt});
    });
    if (looked) boost::asio::post(home_.executor(), [this, tally = std::move(*looked)] { tell(tally); });
    poke();
}

awaitable<bool> scheduler::fire_all(int leave_out)
{
    const bool leads = leave_out == 0;
    for (;;) {
        if (!fires()) co_return true;
        crash_point("schedule.before_fire");
        struct fired {
            int due = 0;
            fire_tally tally{};
        };
        const auto done = co_await db_.write([this, leave_out, watch = watch_](storage::session& s) -> result<fired> {
            const auto due = storage::read_due_schedules(s, schedules_at_once, leave_out);
            if (due.all.empty()) return fired{};
            return fired{static_cast<int>(due.all.size()), fire_due(s, due, {zones_, options_.catchup_limit, watch})};
        });
        crash_point("schedule.after_fire");
        counts_.statements.fetch_add(2, std::memory_order_relaxed);
        if (!done) co_return false;
        tell(done->tally);
        if (done->due < schedules_at_once && done->tally.evaluated + done->tally.failed == 0) {
            // There is nothing, or others have it in their hands.
            if (leave_out == 0 || !leads) co_return true;
            leave_out = 0;
            if (!co_await sleep_until(steady_clock::now() + shortest_pause)) co_return false;
            continue;
        }
        if (done->due == schedules_at_once && leads) much_to_fire_.ring();
        if (done->due < schedules_at_once) leave_out = 0;
        else if (done->tally.evaluated < schedules_at_once / 2) leave_out += stride;
    }
}

awaitable<void> scheduler::skip_outside()
{
    const auto began = steady_clock::now();
    if (began < next_skip_) co_return;
    lane_id after{};
    for (bool more = true; more;) {
        const auto skipped = co_await db_.write([after](storage::session& s) -> result<storage::skipped_outside> { return storage::skip_outside_windows(s, after, extents_at_once); });
        counts_.statements.fetch_add(1, std::memory_order_relaxed);
        if (!skipped) break;
        if (!skipped->executions.empty()) {
            fire_tally tally;
            tally.ended = skipped->executions;
            tell(tally);
        }
        more = skipped->go_on_after.has_value();
        if (more) after = *skipped->go_on_after;
        // What it has found there is in others' hands: it is left to the next look, as asking again at once would be to spin.
        if (more && skipped->executions.empty()) ++after.value;
    }
    next_skip_ = steady_clock::now() + skip_share * (steady_clock::now() - began);
}

awaitable<void> scheduler::release_queued()
{
    job_key after{};
    int released = 0;
    for (bool more = true; more;) {
        const auto some = co_await db_.write([after](storage::session& s) -> result<storage::released_ticks> { return storage::release_queued_ticks(s, after, jobs_at_once); });
        counts_.statements.fetch_add(1, std::memory_order_relaxed);
        if (!some) break;
        released += some->released;
        more = some->go_on_after.has_value();
        if (more) after = *some->go_on_after;
    }
    if (released > 0) tell_.queued(released);
}

awaitable<bool> scheduler::refresh_all()
{
    for (int seen = lanes_at_once; seen == lanes_at_once;) {
        const auto refreshed = co_await db_.write([this, &seen](storage::session& s) -> result<fire_tally> {
            const auto due = storage::read_due_windows(s, lanes_at_once);
            seen = static_cast<int>(due.all.size());
            return refresh_due(s, due, zones_);
        });
        counts_.statements.fetch_add(2, std::memory_order_relaxed);
        if (!refreshed) co_return false;
        add(*refreshed);
        // Others are at the same.
        if (refreshed->evaluated == 0) break;
    }
    co_return true;
}

awaitable<std::optional<storage::schedule_outlook>> scheduler::outlook()
{
    const auto seen = co_await db_.read([](storage::session& s) -> result<storage::schedule_outlook> { return storage::look_at_schedules(s); });
    counts_.statements.fetch_add(1, std::memory_order_relaxed);
    if (!seen) co_return std::nullopt;
    queued_ticks_.store(seen->queued_ticks, std::memory_order_relaxed);
    counts_.invalid_schedules.store(seen->invalid, std::memory_order_relaxed);
    co_return *seen;
}

awaitable<std::optional<microseconds>> scheduler::round()
{
    const auto asked = boot_time();
    auto seen = co_await outlook();
    if (!seen) co_return std::nullopt;
    // Up to the answer: the database may have stood still for as long as that took.
    if (watch_) watch_->elapsed = boot_time() - watched_at_;
    const auto began = seen->now;
    const bool windows = seen->windows && *seen->windows <= began;
    const bool schedules = fires() && seen->schedules && *seen->schedules <= began;
    if (windows) {
        if (!co_await refresh_all()) co_return std::nullopt;
        // Some have opened, and others closed.
        tell_.queued(0);
        next_skip_ = {};
    }
    if (schedules && !co_await fire_all(0)) co_return std::nullopt;
    if (seen->queued_ticks && !paused_.load(std::memory_order_relaxed)) co_await release_queued();
    if (seen->may_skip || windows) co_await skip_outside();
    watch_ = schedule_watch{began, microseconds{0}};
    watched_at_ = asked;
    if (windows || schedules) seen = co_await outlook();
    if (!seen) co_return std::nullopt;
    auto wait = std::chrono::duration_cast<microseconds>(options_.poll);
    if (fires() && seen->schedules) wait = std::min(wait, *seen->schedules - seen->now);
    if (seen->windows) wait = std::min(wait, *seen->windows - seen->now);
    // What is due and still there is in the hands of others.
    co_return std::max<microseconds>(wait, shortest_pause);
}

awaitable<void> scheduler::help()
{
    for (;;) {
        co_await much_to_fire_.wait();
        const auto state = co_await boost::asio::this_coro::cancellation_state;
        if (state.cancelled() != boost::asio::cancellation_type::none) co_return;
        co_await fire_all(stride);
    }
}

awaitable<void> scheduler::run()
{
    for (;;) {
        const auto wait = co_await round();
        next_look_ = steady_clock::now() + wait.value_or(options_.poll);
        co_await look_now_.wait_until(next_look_);
        const auto state = co_await boost::asio::this_coro::cancellation_state;
        if (state.cancelled() != boost::asio::cancellation_type::none) co_return;
    }
}

}
