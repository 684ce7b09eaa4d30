#include "runtime/trigger/trigger_flush.hpp"

#include "runtime/async/task_group.hpp"
#include "runtime/execute/crash_point.hpp"
#include "storage/event_store.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>

namespace rowlock::runtime {

namespace {

constexpr int triggers_a_step = 100;
constexpr int rows_a_step = 2000;
constexpr int swept_a_step = 1000;
constexpr auto between_sweeps = std::chrono::minutes{1};
constexpr auto between_steps_of_a_sweep = std::chrono::milliseconds{100};
constexpr auto shortest_wait = std::chrono::milliseconds{5};     // what becomes due in close succession goes together

}

trigger_flush::trigger_flush(options o, database& db, core& home, counters& counts, std::function<void(std::size_t)> queued)
    : options_(o), db_(db), home_(home), counts_(counts), queued_(std::move(queued)), timer_(home.executor())
{
}

void trigger_flush::look_at(deadline at)
{
    if (at >= next_look_) return;
    next_look_ = at;
    timer_.cancel();
}

void trigger_flush::expect(std::chrono::milliseconds due)
{
    boost::asio::post(home_.executor(), [this, at = steady_clock::now() + due] { look_at(at); });
}

void trigger_flush::pause(bool pauses)
{
    if (paused_.exchange(pauses) && !pauses) expect(std::chrono::milliseconds{0});
}

awaitable<bool> trigger_flush::wait()
{
    while (steady_clock::now() < next_look_) {
        timer_.expires_at(next_look_);
        boost::system::error_code ignored;
        co_await timer_.async_wait(boost::asio::redirect_error(use_awaitable, ignored));
        const auto state = co_await boost::asio::this_coro::cancellation_state;
        if (state.cancelled() != boost::asio::cancellation_type::none) co_return false;
    }
    const auto state = co_await boost::asio::this_coro::cancellation_state;
    co_return state.cancelled() == boost::asio::cancellation_type::none;
}

awaitable<void> trigger_flush::flush()
{
    // What is expected from here on is later than this look.
    next_look_ = steady_clock::now() + options_.poll;
    int after = 0;
    if (paused_.load(std::memory_order_relaxed)) co_return;
    do {
        const auto step = co_await db_.write([after](storage::session& s) -> result<storage::flush_step> { return storage::flush_triggers(s, after, triggers_a_step, rows_a_step); });
        counts_.statements.fetch_add(1, std::memory_order_relaxed);
        if (!step) co_return;
        crash_point("flush.after_commit");
        counts_.trigger_activations.fetch_add(static_cast<std::uint64_t>(step->executions), std::memory_order_relaxed);
        counts_.events_flushed.fetch_add(static_cast<std::uint64_t>(step->events), std::memory_order_relaxed);
        if (step->executions > 0) queued_(static_cast<std::size_t>(step->executions));
        if (step->next) look_at(steady_clock::now() + std::max<std::chrono::milliseconds>(*step->next, shortest_wait));
        after = step->next_after;
    } while (after != 0);
}

awaitable<void> trigger_flush::sweep()
{
    const auto swept = co_await db_.write([kept = options_.kept](storage::session& s) -> result<int> { return storage::sweep_events(s, kept, swept_a_step); });
    const bool more = swept && *swept == swept_a_step;
    if (swept && *swept > 0) counts_.events_dropped.fetch_add(static_cast<std::uint64_t>(*swept), std::memory_order_relaxed);
    next_sweep_ = steady_clock::now() + (more ? std::chrono::milliseconds{between_steps_of_a_sweep} : between_sweeps);
    look_at(next_sweep_);
}

awaitable<void> trigger_flush::run()
{
    next_sweep_ = steady_clock::now() + between_sweeps;
    while (co_await wait()) {
        co_await flush();
        if (steady_clock::now() >= next_sweep_) co_await sweep();
    }
}

}
