#include "storage/retention_store.hpp"
#include "tests/pg/plans/plan_bench.hpp"
#include "tests/pg/retention/past.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;

namespace {

constexpr int kept_days = 2;
constexpr auto all_well = [](const std::string&) { return execution_status::completed; };
constexpr const char* pair_of_nodes = R"({"nodes":[{"node_id":"a","job_id":"j"},{"node_id":"b","job_id":"j","needs":["a"]}]})";

// Plans that are run at the beginning, and what is left of them later.
struct history {
    history()
    {
        bench.db.move_clock({});
        bench.db.rows("update instances set lease_until = clock() + interval '1 year'");
    }

    void days_later(int days) { bench.db.move_clock(days * one_day); }

    void drop_executions()
    {
        for (int i = 0; i < 200; ++i) {
            if (storage::drop_history(bench.db.service(), kept_days * one_day, 100).did == storage::history_step::deed::nothing) return;
            CHECK(bench.db.violations() == "");
        }
        FAIL("dropping comes to no end");
    }

    // One round, from its beginning: how many plan runs went, and in how many steps.
    struct swept {
        std::int64_t runs = 0;
        int steps = 0;
    };
    swept sweep(int rows = 100)
    {
        bench.db.rows("update plan_cursor set again_at = '-infinity'");
        swept all;
        for (; all.steps < 200; ++all.steps) {
            const auto step = storage::sweep_plans(bench.db.service(), kept_days * one_day, rows);
            CHECK(bench.db.violations() == "");
            if (step.looked == 0) return all;
            all.runs += step.dropped;
        }
        FAIL("sweeping comes to no end");
        return all;
    }

    int rows_of(const uuid& run)
    {
        int n = 0;
        for (const char* table : {"plan_runs", "plan_nodes", "plan_added_edges", "plan_blocks", "plan_maps", "plan_chunks", "plan_run_keys", "plan_progress"}) {
            n += std::stoi(bench.db.value(fmt::format("select count(*) from {} where plan_run_id = '{}'", table, run.str())));
        }
        return n;
    }
    bool is_shown(const uuid& run) { return bench.db.value(fmt::format("select count(*) from v_plan_runs where plan_run_id = '{}'", run.str())) == "1"; }

    plan_bench bench;
};

}

TEST_CASE("a plan run goes with all its rows once no execution of it is left, and that is recorded", "[pg][retention][plan]")
{
    history h;
    const auto plain = h.bench.start(pair_of_nodes);
    storage::new_plan_run keyed;
    keyed.key = "k";
    keyed.key_request = "{}";
    const auto mapped = h.bench.start(R"({"nodes":[{"node_id":"m","job_id":"j","for_each":[1,2,3]},{"node_id":"n","job_id":"j","needs":["m"]}]})", keyed);
    h.bench.run(all_well);
    REQUIRE(h.bench.status(mapped) == "COMPLETED");
    CHECK(h.sweep().runs == 0);

    h.days_later(4);
    // Their executions are still there.
    CHECK(h.sweep().runs == 0);
    CHECK(h.is_shown(plain));
    h.drop_executions();
    REQUIRE(h.bench.db.value("select count(*) from executions") == "0");
    CHECK(h.sweep().runs == 2);
    CHECK(h.rows_of(plain) == 0);
    CHECK(h.rows_of(mapped) == 0);
    CHECK(h.bench.db.value("select what || ' ' || row_count || ' ' || reason from v_retention where what = 'plan_runs'") == "plan_runs 2 kept for 2 days");
}

TEST_CASE("what is younger, goes on, or never had an execution is not taken for what has outlived its time", "[pg][retention][plan]")
{
    history h;
    const auto running = h.bench.start(pair_of_nodes);
    const auto cancelled = h.bench.start(R"({"nodes":[{"node_id":"a","job_id":"j","for_each":[]}]})");
    h.bench.step();
    REQUIRE(h.bench.status(cancelled) == "COMPLETED");
    REQUIRE(h.bench.db.value(fmt::format("select count(*) from executions where plan_run_id = '{}'", cancelled.str())) == "0");
    h.days_later(1);
    CHECK(h.sweep().runs == 0);
    h.days_later(3);
    CHECK(h.sweep().runs == 1);
    CHECK_FALSE(h.is_shown(cancelled));
    CHECK(h.bench.status(running) == "RUNNING");

    // Its time counts from its end, not from its beginning.
    storage::make_partitions(h.bench.db.service(), 2);
    h.bench.run(all_well);
    REQUIRE(h.bench.status(running) == "COMPLETED");
    h.bench.db.rows("set session_replication_role = replica; delete from results; delete from executions; reset session_replication_role");
    CHECK(h.sweep().runs == 0);
    h.days_later(6);
    CHECK(h.sweep().runs == 1);
}

TEST_CASE("a rerun keeps the run whose results it shows, and its executions for as long as it goes on", "[pg][retention][plan]")
{
    history h;
    const auto first = h.bench.start(pair_of_nodes);
    h.bench.run([](const std::string& node) { return node == "b" ? execution_status::failed : execution_status::completed; });
    h.days_later(1);
    storage::make_partitions(h.bench.db.service(), 2);
    storage::new_plan_run like;
    like.rerun_of = first;
    const auto second = h.bench.start(pair_of_nodes, like, {{"a", {first, 0}}});
    h.days_later(5);
    h.drop_executions();
    CHECK(h.bench.nodes(first).find("a:COMPLETED") != std::string::npos);
    CHECK(h.bench.db.value(fmt::format("select count(*) from executions where plan_run_id = '{}' and node_no = 0", first.str())) == "1");
    CHECK(h.sweep().runs == 0);

    storage::make_partitions(h.bench.db.service(), 6);
    h.bench.run(all_well);
    REQUIRE(h.bench.status(second) == "COMPLETED");
    h.bench.db.rows("update history_days set look_at = '-infinity'");
    h.drop_executions();
    CHECK(h.bench.db.value(fmt::format("select count(*) from executions where plan_run_id = '{}'", first.str())) == "0");
    CHECK(h.sweep().runs == 0);
    CHECK(h.is_shown(first));
    h.days_later(12);
    h.bench.db.rows("update history_days set look_at = '-infinity'");
    h.drop_executions();
    // The rerun first; then nothing shows the other one any more.
    CHECK(h.sweep().runs == 1);
    CHECK_FALSE(h.is_shown(second));
    CHECK(h.sweep().runs == 1);
    CHECK(h.rows_of(first) == 0);
}

TEST_CASE("the plan run of a composite job stays while the job's run does", "[pg][retention][plan]")
{
    history h;
    auto& bench = h.bench;
    storage::new_plan_run like;
    like.parent = first_of_new_block();
    const auto child = bench.start(R"({"nodes":[{"node_id":"a","job_id":"j","for_each":[]}]})", like);
    bench.step();
    bench.db.rows(fmt::format("insert into executions (execution_id, run_id, lane_id, tenant_key, job_key, job_version, attempt_number, priority, trigger_type, submitted_at)"
                              " select '{0}', '{0}', lane_id, tenant_key, job_key, 1, 1, 0, 2, clock() from lanes;"
                              "insert into results (execution_id, status, fence, completed_at) values ('{0}', 5, 1, clock());"
                              "update jobs set history_retention = interval '5 days'", like.parent->str()));
    h.days_later(4);
    h.drop_executions();
    CHECK(h.sweep().runs == 0);
    CHECK(h.is_shown(child));
    h.days_later(7);
    h.drop_executions();
    CHECK(h.sweep().runs == 1);
    CHECK_FALSE(h.is_shown(child));
}

TEST_CASE("a key that still names a plan run keeps it", "[pg][retention][plan]")
{
    history h;
    storage::new_plan_run keyed;
    keyed.key = "k";
    keyed.key_request = "{}";
    const auto run = h.bench.start(R"({"nodes":[{"node_id":"a","job_id":"j","for_each":[]}]})", keyed);
    h.bench.step();
    h.bench.db.rows("update plan_run_keys set expires_at = clock() + interval '5 days'");
    h.days_later(4);
    CHECK(h.sweep().runs == 0);
    CHECK(h.is_shown(run));
    h.days_later(6);
    CHECK(h.sweep().runs == 1);
    CHECK(h.rows_of(run) == 0);
}

TEST_CASE("plan runs go in bounded steps, a large one over several, and nobody sees half of it", "[pg][retention][plan]")
{
    history h;
    std::string nodes;
    for (int i = 0; i < 250; ++i) nodes += fmt::format("{}{{\"node_id\":\"n{}\",\"job_id\":\"j\"}}", i > 0 ? "," : "", i);
    const auto small = h.bench.start(pair_of_nodes);
    const auto large = h.bench.start(R"({"nodes":[)" + nodes + "]}");
    for (int i = 0; i < 3; ++i) h.bench.start(pair_of_nodes);
    h.bench.run(all_well);
    h.days_later(4);
    h.drop_executions();
    h.bench.db.rows("update plan_cursor set again_at = '-infinity'");

    CHECK(storage::sweep_plans(h.bench.db.service(), kept_days * one_day, 100).dropped == 1);
    CHECK_FALSE(h.is_shown(small));
    CHECK(h.is_shown(large));
    const int before = h.rows_of(large);
    const auto head = storage::sweep_plans(h.bench.db.service(), kept_days * one_day, 100);
    CHECK(head.dropped == 1);
    CHECK_FALSE(h.is_shown(large));
    CHECK(h.bench.nodes(large).empty());
    CHECK(h.rows_of(large) == before - 101);
    CHECK(h.bench.db.violations() == "");
    const auto rest = h.sweep();
    CHECK(rest.runs == 3);
    CHECK(rest.steps >= 3);
    CHECK(h.rows_of(large) == 0);
    CHECK(h.bench.db.value("select sum(row_count) from v_retention where what = 'plan_runs'") == "5");
}

TEST_CASE("where history is kept for ever, plan runs are too, unless every job has a time of its own", "[pg][retention][plan]")
{
    history h;
    h.bench.start(R"({"nodes":[{"node_id":"a","job_id":"j","for_each":[]}]})");
    h.bench.step();
    h.days_later(40);
    CHECK(storage::sweep_plans(h.bench.db.service(), std::chrono::milliseconds{0}, 100).dropped == 0);
    h.bench.db.rows("update jobs set history_retention = interval '50 days'");
    CHECK(storage::sweep_plans(h.bench.db.service(), std::chrono::milliseconds{0}, 100).dropped == 0);
    h.bench.db.rows("update plan_cursor set again_at = '-infinity'");
    h.days_later(51);
    CHECK(storage::sweep_plans(h.bench.db.service(), std::chrono::milliseconds{0}, 100).dropped == 1);
    CHECK_THROWS(storage::sweep_plans(h.bench.db.service(), one_day / 2, 100));
}
