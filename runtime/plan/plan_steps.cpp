#include "runtime/plan/plan_steps.hpp"

#include "runtime/async/task_group.hpp"
#include "storage/child_plan_store.hpp"
#include "storage/dependency_store.hpp"
#include "storage/plan_run_store.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

namespace rowlock::runtime {

namespace {

constexpr auto pause_after_failure = std::chrono::milliseconds{500};
// Whoever runs a composite job cancels its plan: only what ended otherwise leaves one behind, in the queue between two attempts, say.
constexpr auto between_orphans = std::chrono::seconds{5};
constexpr int most_orphans = 100;

}

plan_steps::plan_steps(database& db, core& home, counters& counts, std::chrono::milliseconds between_dependency_checks, std::function<void()> advanced)
    : db_(db), home_(home), counts_(counts), between_dependency_checks_(between_dependency_checks), advanced_(std::move(advanced)), there_is_work_(home.executor())
{
}

void plan_steps::poke()
{
    boost::asio::post(home_.executor(), [this] { there_is_work_.ring(); });
}

awaitable<void> plan_steps::cancel_orphans()
{
    next_orphans_ = steady_clock::now() + between_orphans;
    co_await db_.write([](storage::session& s) -> result<void> {
        // Another instance may be faster.
        for (const auto& orphan : storage::orphaned_plan_runs(s, most_orphans)) storage::cancel_plan_run(s, orphan.tenant, orphan.id, "system", "the composite job that ran it has ended");
        return {};
    });
    counts_.statements.fetch_add(1, std::memory_order_relaxed);
}

awaitable<void> plan_steps::check_dependencies()
{
    next_dependency_check_ = steady_clock::now() + between_dependency_checks_;
    const auto late = co_await db_.write([](storage::session& s) -> result<int> { return storage::sweep_dependencies(s); });
    counts_.statements.fetch_add(1, std::memory_order_relaxed);
    if (late) counts_.dependency_timeouts.fetch_add(static_cast<std::uint64_t>(*late), std::memory_order_relaxed);
}

awaitable<void> plan_steps::run()
{
    for (;;) {
        co_await there_is_work_.wait();
        const auto state = co_await boost::asio::this_coro::cancellation_state;
        if (state.cancelled() != boost::asio::cancellation_type::none) co_return;
        if (steady_clock::now() >= next_orphans_) co_await cancel_orphans();
        if (steady_clock::now() >= next_dependency_check_) co_await check_dependencies();
        for (;;) {
            const auto did = co_await db_.write([](storage::session& s) -> result<bool> { return storage::plan_step(s); });
            counts_.statements.fetch_add(1, std::memory_order_relaxed);
            // While the database is away the tick tells us when to go on.
            if (!did && !co_await sleep_until(steady_clock::now() + pause_after_failure)) co_return;
            if (!did || !*did) break;
            advanced_();
        }
    }
}

}
