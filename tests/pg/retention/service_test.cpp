#include "runtime/async/database.hpp"
#include "runtime/async/task_group.hpp"
#include "runtime/execute/retention.hpp"
#include "tests/pg/retention/past.hpp"
#include "tests/support/run_on_core.hpp"
#include "tests/support/scratch_folder.hpp"

#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>

using namespace rowlock;
using namespace rowlock::test;

namespace {

runtime::retention_options quick()
{
    runtime::retention_options o;
    o.error_queue_capacity = 5;
    o.history_retention = 2 * one_day;
    o.rows_per_step = 10;
    o.rows_per_second = 1'000'000;
    return o;
}

void make_errors(queue_database& db, int n)
{
    db.rows(fmt::format("insert into errors (error_id, queue, tenant_key) select gen_random_uuid(), 3, 1 from generate_series(1, {})", n));
}

// Takes part in the core's work until something has been swept.
runtime::awaitable<void> cancel_once_it_sweeps(runtime::task_group& group, const runtime::counters& counts)
{
    while (counts.errors_dropped == 0) co_await boost::asio::post(runtime::use_awaitable);
    group.cancel();
}

// What an instance has around the service.
struct bench {
    explicit bench(queue_database& db, runtime::retention_options o = quick(), std::filesystem::path run_root = "/nowhere")
        : pool({.url = db.url()}, 1, 100), work(pool), service(o, std::move(run_root), work, self, counts)
    {
        self.become(db.instance());
    }
    ~bench() { pool.stop(); }

    storage::session_pool pool;
    runtime::database work;
    runtime::identity self;
    runtime::counters counts;
    runtime::retention service;
};

}

TEST_CASE("a round of retention deletes all that has outlived its time, and counts it", "[pg][retention]")
{
    past p;
    const auto job = p.job("a");
    const auto for_ever = p.job("b", 0);
    for (int i = 0; i < 15; ++i) p.ended(job, 7);
    for (int i = 0; i < 12; ++i) p.ended(job, 6);
    p.ended(for_ever, 6);
    make_errors(p.db(), 47);
    p.plan_run(p.db().value("select first_id_at(clock() - interval '7 days')"));
    p.db().rows("insert into plan_progress (plan_run_id, status, nodes, unended, ended_at) select plan_run_id, 5, 1, 0, clock() - interval '6 days' from plan_runs");
    runtime::core core(0);
    bench b(p.db());
    REQUIRE(run_on_core(core, b.service.round()));
    CHECK(p.db().value("select count(*) from executions") == "1");
    CHECK(p.db().value("select count(*) from plan_progress") == "0");
    CHECK(b.counts.plan_runs_dropped == 1);
    CHECK(p.db().value("select count(*) from errors") == "5");
    CHECK(b.counts.executions_dropped == 27);
    CHECK(b.counts.errors_dropped == 42);
    CHECK(b.counts.days_dropped > 0);
    CHECK(p.db().value("select swept_at = clock() or swept_at < clock() from retention_state") == "t");
    CHECK(p.db().violations() == "");
}

TEST_CASE("one instance sweeps, and another one when that is gone", "[pg][retention]")
{
    past p;
    runtime::core core(0);
    bench first(p.db());
    bench second(p.db());
    REQUIRE(run_on_core(core, first.service.round()));
    const auto holder = p.db().value("select holder from retention_state");
    CHECK(holder == std::to_string(first.self.id().value));
    make_errors(p.db(), 20);
    REQUIRE(run_on_core(core, second.service.round()));
    CHECK(p.db().value("select count(*) from errors") == "20");
    CHECK(p.db().value("select holder from retention_state") == holder);
    // The first one keeps its turn, round by round; without rounds it loses it.
    REQUIRE(run_on_core(core, first.service.round()));
    CHECK(p.db().value("select count(*) from errors") == "5");
    make_errors(p.db(), 20);
    p.days_later(1);
    REQUIRE(run_on_core(core, second.service.round()));
    CHECK(p.db().value("select holder from retention_state") == std::to_string(second.self.id().value));
    CHECK(p.db().value("select count(*) from errors") == "5");
}

TEST_CASE("a round of retention that is cancelled ends at once", "[pg][retention]")
{
    past p;
    make_errors(p.db(), 100);
    auto slow = quick();
    // One step, and then a pause that outlasts the test's patience.
    slow.rows_per_step = 90;
    slow.rows_per_second = 1;
    slow.every = std::chrono::milliseconds{0};
    runtime::core core(0);
    bench b(p.db(), slow);
    runtime::task_group group(core.executor());
    group.spawn(b.service.run());
    run_on_core(core, cancel_once_it_sweeps(group, b.counts));
    run_on_core(core, group.join());
    CHECK(p.db().value("select count(*) from errors") == "10");
}

TEST_CASE("the directory of a run goes when its history is gone, and no other does", "[pg][retention]")
{
    past p;
    const auto job = p.job("a");
    const auto kept = p.job("b", 0);
    const auto dropped = p.ended(job, 7);
    const auto dropped_alone = p.ended(job, 6);
    const auto stays = p.ended(kept, 6);
    const auto recent = p.ended(job, 1);
    const auto unknown = first_of_new_block();
    const scratch_folder folder;
    const auto root = folder.path() / "runs";
    for (const auto& id : {dropped, dropped_alone, stays, recent, unknown}) {
        std::filesystem::create_directories(root / id.str() / "below");
        std::ofstream(root / id.str() / "below" / "file") << "x";
    }
    std::filesystem::create_directories(root / ".attempts" / dropped.str());
    std::filesystem::create_directories(root / "something");
    runtime::core core(0);
    bench b(p.db(), quick(), root);
    run_on_core(core, b.service.sweep_run_directories());
    CHECK(b.counts.run_directories_dropped == 0);
    REQUIRE(run_on_core(core, b.service.round()));
    run_on_core(core, b.service.sweep_run_directories());
    CHECK(b.counts.run_directories_dropped == 2);
    for (const auto& id : {dropped, dropped_alone}) CHECK_FALSE(std::filesystem::exists(root / id.str()));
    for (const auto& id : {stays, recent, unknown}) CHECK(std::filesystem::exists(root / id.str() / "below" / "file"));
    CHECK(std::filesystem::exists(root / ".attempts" / dropped.str()));
    CHECK(std::filesystem::exists(root / "something"));
}
