#include "runtime/execute/retention.hpp"

#include "runtime/async/task_group.hpp"
#include "runtime/handlers/run_directory.hpp"
#include "storage/schedule_firing_store.hpp"

#include <spdlog/spdlog.h>

namespace rowlock::runtime {

namespace {

namespace fs = std::filesystem;
using deed = storage::history_step::deed;

// Whoever has the turn keeps it, as a round comes sooner. Who is gone for so long loses it.
constexpr auto turn = std::chrono::minutes{3};
// Then the next round begins, so that much history does not keep errors waiting.
constexpr auto longest_round = std::chrono::minutes{2};
constexpr auto between_directory_sweeps = std::chrono::hours{1};
constexpr std::size_t directories_at_once = 500;
// Even a step that found nothing to delete was a statement.
constexpr auto shortest_pause = std::chrono::milliseconds{2};
// To read a row costs so much less than to delete it.
constexpr std::int64_t reads_per_delete = 10;

storage::kept how_long(const retention_options& o)
{
    return {o.error_queue_capacity, o.error_retention, o.history_retention, o.log_retention, o.checkpoint_retention};
}

void add(counters::count& to, std::int64_t n)
{
    to.fetch_add(static_cast<std::uint64_t>(n), std::memory_order_relaxed);
}

}

retention::retention(retention_options o, fs::path run_root, database& db, const identity& self, counters& counts)
    : options_(o), run_root_(std::move(run_root)), db_(db), self_(self), counts_(counts)
{
}

awaitable<void> retention::run()
{
    auto next = steady_clock::now() + options_.every;
    while (co_await sleep_until(next)) {
        next = steady_clock::now() + options_.every;
        if (!co_await round()) co_return;
        if (steady_clock::now() < directories_due_) continue;
        co_await sweep_run_directories();
        directories_due_ = steady_clock::now() + between_directory_sweeps;
    }
}

awaitable<bool> retention::round()
{
    turn_until_ = {};
    round_until_ = steady_clock::now() + longest_round;
    if (!co_await has_turn()) co_return true;
    if (!co_await sweep_failures()) co_return false;
    if (options_.log_retention > milliseconds{0} && !co_await sweep_records(storage::run_record::log, options_.log_retention)) co_return false;
    if (options_.checkpoint_retention > milliseconds{0} && !co_await sweep_records(storage::run_record::checkpoint, options_.checkpoint_retention)) co_return false;
    if (!co_await drop_history()) co_return false;
    if (!co_await sweep_plans()) co_return false;
    if (options_.tick_retention > milliseconds{0} && !co_await sweep_ticks()) co_return false;
    co_await db_.write([self = self_.id()](storage::session& s) -> result<void> {
        storage::note_retention_round(s, self);
        return {};
    });
    co_return true;
}

awaitable<bool> retention::has_turn()
{
    const auto now = steady_clock::now();
    if (now >= round_until_) co_return false;
    if (now < turn_until_) co_return true;
    const auto mine = co_await db_.write([self = self_.id(), o = options_](storage::session& s) -> result<bool> { return storage::take_retention_turn(s, self, turn, how_long(o)); });
    if (!mine || !*mine) co_return false;
    turn_until_ = now + turn / 2;
    co_return true;
}

awaitable<bool> retention::pause(std::int64_t rows)
{
    co_return co_await sleep_until(steady_clock::now() + shortest_pause + std::chrono::microseconds{1'000'000} * rows / options_.rows_per_second);
}

awaitable<bool> retention::sweep_failures()
{
    while (co_await has_turn()) {
        const auto swept = co_await db_.write([o = options_](storage::session& s) -> result<storage::swept_failures> { return storage::sweep_failures(s, how_long(o), o.rows_per_step); });
        if (!swept) co_return true;
        add(counts_.errors_dropped, swept->errors);
        add(counts_.dead_letters_dropped, swept->dead_letters);
        if (!co_await pause(swept->errors + swept->dead_letters)) co_return false;
        if (swept->errors < options_.rows_per_step && swept->dead_letters < options_.rows_per_step) break;
    }
    co_return true;
}

awaitable<bool> retention::sweep_records(storage::run_record what, milliseconds kept_for)
{
    while (co_await has_turn()) {
        const auto swept = co_await db_.write([what, kept_for, rows = options_.rows_per_step](storage::session& s) -> result<storage::swept_records> {
            return storage::sweep_records(s, what, kept_for, rows);
        });
        if (!swept || swept->looked == 0) break;
        add(what == storage::run_record::log ? counts_.logs_dropped : counts_.checkpoints_dropped, swept->dropped);
        if (!co_await pause(swept->looked / reads_per_delete + swept->dropped)) co_return false;
    }
    co_return true;
}

awaitable<bool> retention::drop_history()
{
    while (co_await has_turn()) {
        const auto step = co_await db_.write([o = options_](storage::session& s) -> result<storage::history_step> { return storage::drop_history(s, o.history_retention, o.rows_per_step); });
        if (!step || step->did == deed::nothing || step->did == deed::busy) break;
        std::int64_t weight = step->rows;
        switch (step->did) {
        case deed::runs: add(counts_.executions_dropped, step->rows); break;
        case deed::day:
            add(counts_.executions_dropped, step->rows);
            add(counts_.days_dropped, 1);
            spdlog::info("the history of {} has been kept for long enough: it is dropped, with {} executions", step->day, step->rows);
            weight = 0;
            break;
        case deed::surveyed: weight /= reads_per_delete; break;
        case deed::blocked: spdlog::info("the history of {} could be dropped, but for a reader: it is tried again later", step->day); break;
        case deed::records:
        case deed::looked:
        case deed::nothing:
        case deed::busy: break;
        }
        if (!co_await pause(weight)) co_return false;
    }
    co_return true;
}

awaitable<bool> retention::sweep_plans()
{
    while (co_await has_turn()) {
        const auto swept = co_await db_.write([o = options_](storage::session& s) -> result<storage::swept_plans> { return storage::sweep_plans(s, o.history_retention, o.rows_per_step); });
        if (!swept || swept->looked == 0) break;
        add(counts_.plan_runs_dropped, swept->dropped);
        if (!co_await pause(swept->looked)) co_return false;
    }
    co_return true;
}

awaitable<bool> retention::sweep_ticks()
{
    const auto kept_for = std::max<milliseconds>(options_.tick_retention, std::chrono::hours{48});
    while (co_await has_turn()) {
        const auto dropped = co_await db_.write([kept_for, o = options_](storage::session& s) -> result<std::int64_t> { return storage::sweep_schedule_ticks(s, kept_for, o.rows_per_step); });
        if (!dropped || *dropped == 0) break;
        add(counts_.ticks_dropped, *dropped);
        if (!co_await pause(*dropped)) co_return false;
    }
    co_return true;
}

awaitable<void> retention::sweep_run_directories()
{
    std::error_code ec;
    auto entry = fs::directory_iterator(run_root_, ec);
    while (!ec && entry != fs::directory_iterator()) {
        std::vector<execution_id> runs;
        for (; !ec && entry != fs::directory_iterator() && runs.size() < directories_at_once; entry.increment(ec)) {
            if (const auto run = execution_id::parse(entry->path().filename().string())) runs.push_back(*run);
        }
        if (runs.empty()) continue;
        const auto dropped = co_await db_.read([runs = std::move(runs)](storage::session& s) -> result<std::vector<execution_id>> { return storage::dropped_runs(s, runs); });
        if (!dropped) co_return;
        for (const auto& run : *dropped) {
            co_await remove_tree(run_root_ / run.str());
            add(counts_.run_directories_dropped, 1);
        }
    }
}

}
