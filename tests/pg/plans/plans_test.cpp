#include "storage/child_plan_store.hpp"
#include "tests/pg/plans/plan_bench.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <set>

using namespace rowlock;
using namespace rowlock::test;

namespace {

constexpr auto ok = execution_status::completed;
constexpr auto bad = execution_status::failed;

auto fails(std::string which)
{
    return [which = std::move(which)](const std::string& node_id) { return node_id == which ? bad : ok; };
}

execution_status all_well(const std::string&)
{
    return ok;
}

}

TEST_CASE("D4: what is below a failed node is skipped, and the other branches go on", "[pg][plan]")
{
    plan_bench bench;
    const auto run = bench.start(R"({"nodes":[{"node_id":"a","job_id":"j"},{"node_id":"b","job_id":"j","needs":["a"]},{"node_id":"c","job_id":"j","needs":["b"]},
        {"node_id":"d","job_id":"j","needs":["a"]},{"node_id":"e","job_id":"j","needs":["d",{"node":"c","type":"COMPLETION"}]}]})");
    bench.run(fails("b"));
    CHECK(bench.nodes(run) == "a:COMPLETED b:FAILED c:SKIPPED d:COMPLETED e:COMPLETED");
    CHECK(bench.status(run) == "FAILED");
    CHECK(bench.db.violations() == "");
}

TEST_CASE("a node starts in the transaction that ends the last of what it needs", "[pg][plan]")
{
    plan_bench bench;
    bench.start(R"({"nodes":[{"node_id":"a","job_id":"j"},{"node_id":"b","job_id":"j","needs":["a"]}]})");
    bench.settle(bench.take(), all_well);
    CHECK(bench.db.value("select b.submitted_at = r.completed_at from executions a join results r using (execution_id), executions b where a.node_no = 0 and b.node_no = 1") == "t");
    CHECK(bench.db.value("select trigger_type from v_executions where node_id = 'b'") == "DEPENDENCY");
}

TEST_CASE("what a plan starts is dated no earlier than the ends that brought it about, whoever began first and then waited", "[pg][plan]")
{
    plan_bench bench;
    const auto run = bench.start(R"({"nodes":[{"node_id":"a","job_id":"j"},{"node_id":"b","job_id":"j"},{"node_id":"c","job_id":"j","needs":["a","b"]}]})");
    const auto first = bench.take(1);
    const auto second = bench.take();
    bench.db.move_clock(std::chrono::minutes{1});
    bench.settle(first, all_well);
    bench.db.move_clock({});
    bench.settle(second, all_well);
    CHECK(bench.db.value("select submitted_at = (select max(completed_at) from results) from executions where node_no = 2") == "t");
    CHECK(bench.db.violations() == "");
    bench.run(all_well);
    CHECK(bench.status(run) == "COMPLETED");
    CHECK(bench.db.violations() == "");
}

TEST_CASE("D4: a fallback stands in for a node that has failed", "[pg][plan]")
{
    const auto plan = R"({"nodes":[{"node_id":"a","job_id":"j","fallback":"f"},{"node_id":"f","job_id":"j"},
        {"node_id":"z","job_id":"j","needs":["a"],"parameters":{"n":"{{ nodes.a.outputs.n }}"}}]})";
    plan_bench bench;
    const auto stood_in = bench.start(plan);
    bench.run(fails("a"));
    CHECK(bench.nodes(stood_in) == "a:FAILED f:COMPLETED z:COMPLETED");
    CHECK(bench.status(stood_in) == "COMPLETED");
    CHECK(bench.db.value("select parameters from v_executions where node_id = 'z'") == R"({"n": 5})");

    const auto not_needed = bench.start(plan);
    bench.run(all_well);
    CHECK(bench.nodes(not_needed) == "a:COMPLETED f:SKIPPED z:COMPLETED");

    const auto both = bench.start(plan);
    bench.run([](const std::string& node_id) { return node_id == "z" ? ok : bad; });
    CHECK(bench.nodes(both) == "a:FAILED f:FAILED z:SKIPPED");
    CHECK(bench.status(both) == "FAILED");
    CHECK(bench.db.violations() == "");
}

TEST_CASE("I5: nothing goes on behind a gate that has not succeeded", "[pg][plan]")
{
    plan_bench bench;
    const auto run = bench.start(R"({"nodes":[{"node_id":"gate","job_id":"j","type":"validator"},{"node_id":"z","job_id":"j","needs":[{"node":"gate","type":"COMPLETION"}]}]})");
    bench.run(fails("gate"));
    CHECK(bench.nodes(run) == "gate:FAILED z:SKIPPED");
}

TEST_CASE("D2: a condition decides on the upstream's result, and one that cannot be evaluated does not hold", "[pg][plan]")
{
    plan_bench bench;
    const auto run = bench.start(R"({"nodes":[{"node_id":"a","job_id":"j"},
        {"node_id":"b","job_id":"j","needs":[{"node":"a","condition":"$.outputs.n > 4"}]},{"node_id":"c","job_id":"j","needs":[{"node":"a","condition":"$.outputs.n > 5"}]},
        {"node_id":"d","job_id":"j","needs":[{"node":"a","condition":"$.outputs.missing > 5"}]},{"node_id":"e","job_id":"j","needs":[{"node":"a","type":"DATA_READY"}]}]})");
    bench.run(all_well);
    CHECK(bench.nodes(run) == "a:COMPLETED b:COMPLETED c:SKIPPED d:SKIPPED e:COMPLETED");
    CHECK(bench.status(run) == "COMPLETED");
}

TEST_CASE("fail_fast: the first failure stops the plan", "[pg][plan]")
{
    plan_bench bench;
    const auto run = bench.start(R"({"on_failure":"fail_fast","nodes":[{"node_id":"a","job_id":"j"},{"node_id":"b","job_id":"slow"},{"node_id":"c","job_id":"j","needs":["b"]},
        {"node_id":"d","job_id":"j","needs":["a"]}]})");
    const auto extents = bench.take();
    REQUIRE(extents.size() == 2);
    for (const auto& x : extents) {
        if (bench.db.value(fmt::format("select node_id from v_executions where execution_id = '{}'", x.lo.str())) == "a") bench.settle({x}, fails("a"));
    }
    CHECK(bench.nodes(run) == "a:FAILED b:RUNNING c:SKIPPED d:SKIPPED");
    bench.step();
    CHECK(bench.db.value("select reason from cancel_requests") == "a node has failed, and the plan says on_failure: fail_fast");
    CHECK(bench.db.violations() == "");
}

TEST_CASE("D5: a node maps over a list in bounded batches, and ends with the last item", "[pg][plan]")
{
    plan_bench bench;
    std::string items;
    for (int k = 0; k < 2500; ++k) items += fmt::format("{}{}", k ? "," : "", k);
    const auto run = bench.start(R"({"nodes":[{"node_id":"each","job_id":"j","for_each":[)" + items + R"(],"parameters":{"i":"{{ item }}","t":"no {{ item }}"}},
        {"node_id":"z","job_id":"j","needs":["each"],"parameters":{"all":"{{ nodes.each.outputs }}"}}]})");
    CHECK(bench.db.value("select count(*) from executions") == "1000");
    bench.step();
    CHECK(bench.db.value("select count(*) from executions") == "2500");
    CHECK(bench.db.value("select parameters from v_executions where item_no = 2041") == R"({"i": 2041, "t": "no 2041"})");
    bench.db.move_clock(std::chrono::minutes{3});
    bench.settle(bench.take(2499), all_well);
    CHECK(bench.nodes(run) == "each:RUNNING z:PENDING");
    CHECK(bench.db.value("select started_time is not null and completed_time is null from v_plan_nodes where for_each") == "t");
    bench.run(all_well);
    CHECK(bench.nodes(run) == "each:COMPLETED z:COMPLETED");
    CHECK(bench.db.value("select completed_time - started_time >= '3 minutes' from v_plan_nodes where for_each") == "t");
    CHECK(bench.db.value("select jsonb_array_length(parameters -> 'all') from v_executions where node_id = 'z'") == "2500");
    CHECK(bench.db.violations() == "");
}

TEST_CASE("D5: a list with nothing in it is done at once; what is no list fails its node", "[pg][plan]")
{
    plan_bench bench;
    const auto empty = bench.start(R"({"nodes":[{"node_id":"each","job_id":"j","for_each":[]},{"node_id":"z","job_id":"j","needs":["each"]}]})");
    bench.run(all_well);
    CHECK(bench.nodes(empty) == "each:COMPLETED z:COMPLETED");
    CHECK(bench.db.value("select completed_time = started_time from v_plan_nodes where for_each") == "t");
    const auto wrong = bench.start(R"({"nodes":[{"node_id":"a","job_id":"j"},{"node_id":"each","job_id":"j","needs":["a"],"for_each":"{{ nodes.a.outputs.n }}"}]})");
    bench.run(all_well);
    CHECK(bench.nodes(wrong) == "a:COMPLETED each:FAILED");
    CHECK(bench.db.value("select error_message from v_executions where error_code = 'INVALID_CONFIG'") == "for_each: $.outputs.n is no list");
    CHECK(bench.db.violations() == "");
}

TEST_CASE("a template that finds nothing when the node starts fails the node", "[pg][plan]")
{
    plan_bench bench;
    const auto run = bench.start(R"({"nodes":[{"node_id":"a","job_id":"j"},{"node_id":"b","job_id":"j","needs":["a"],"parameters":{"x":"{{ nodes.a.outputs.rows }}"}}]})");
    bench.run(all_well);
    CHECK(bench.nodes(run) == "a:COMPLETED b:FAILED");
    CHECK(bench.db.value("select error_code || ' ' || error_message from v_executions where node_id = 'b'") == "INVALID_CONFIG a: $.outputs.rows names nothing");
    CHECK(bench.db.violations() == "");
}

TEST_CASE("S5: nodes of plans that have the same ordering key run one at a time, whatever plan they are of", "[pg][plan]")
{
    struct row { const char* why; const char* plan; int runs; int turns; };
    const auto r = GENERATE(values<row>({
        {"nodes that an end starts", R"({"nodes":[{"node_id":"first","job_id":"j"},{"node_id":"a","job_id":"o","parameters":{"k":1},"needs":["first"]},
             {"node_id":"b","job_id":"o","parameters":{"k":1},"needs":["first"]},{"node_id":"c","job_id":"o","parameters":{"k":2},"needs":["first"]}]})", 2, 5},
        {"nodes that start with their plan", R"({"nodes":[{"node_id":"a","job_id":"o","parameters":{"k":1}},{"node_id":"b","job_id":"o","parameters":{"k":1}}]})", 2, 4},
        {"a key that an upstream gives", R"({"nodes":[{"node_id":"a","job_id":"j"},{"node_id":"b","job_id":"o","parameters":{"k":"{{ nodes.a.outputs.n }}"},"needs":["a"]}]})", 3, 4},
        {"items of a list", R"({"nodes":[{"node_id":"each","job_id":"o","for_each":[7,8,7,7],"parameters":{"k":"{{ item }}"}}]})", 2, 6},
        {"nodes without a key wait for nobody", R"({"nodes":[{"node_id":"a","job_id":"o"},{"node_id":"b","job_id":"o","parameters":{"other":1}}]})", 2, 1}}));
    INFO(r.why);
    plan_bench bench;
    bench.define("o", {.max_attempts = 100, .rules = R"({"ordering_path": ["k"]})"});
    std::vector<uuid> runs;
    for (int k = 0; k < r.runs; ++k) runs.push_back(bench.start(r.plan));
    int turns = 0;
    for (;; ++turns) {
        bench.step();
        const auto extents = bench.take();
        if (extents.empty()) break;
        CHECK(bench.db.value("select count(*) - count(distinct e.ordering_key) from extents s join executions e on e.execution_id between s.lo and s.hi"
                             " where s.owner is not null and e.ordering_key is not null") == "0");
        CHECK(bench.db.violations() == "");
        bench.settle(extents, all_well);
    }
    CHECK(turns == r.turns);
    for (const auto& run : runs) CHECK(bench.status(run) == "COMPLETED");
    CHECK(bench.db.value("select count(*) from waits") + bench.db.value("select count(*) from ordered_runs") == "00");
    CHECK(bench.db.violations() == "");
}

TEST_CASE("rule 16: a cancel goes as far as it was told to", "[pg][plan]")
{
    const auto cascade = GENERATE(0, 1, 2);
    plan_bench bench;
    const auto run = bench.start(R"({"nodes":[{"node_id":"a","job_id":"j"},{"node_id":"b","job_id":"j","needs":["a"]},{"node_id":"c","job_id":"j","needs":["b"]},
        {"node_id":"d","job_id":"j","needs":[{"node":"c","type":"COMPLETION"}]}]})");
    bench.db.rows(fmt::format("select cancel_1(1, array(select execution_id from executions), 'me', 'enough', {}::smallint)", cascade));
    bench.run(all_well);
    const char* expected[] = {"a:CANCELLED b:SKIPPED c:SKIPPED d:COMPLETED", "a:CANCELLED b:CANCELLED c:SKIPPED d:COMPLETED", "a:CANCELLED b:CANCELLED c:CANCELLED d:CANCELLED"};
    CHECK(bench.nodes(run) == expected[cascade]);
    CHECK(bench.status(run) == "CANCELLED");
    CHECK(bench.db.violations() == "");
}

TEST_CASE("a cancelled plan starts nothing, cancels what waits, and asks what runs", "[pg][plan]")
{
    plan_bench bench;
    const auto run = bench.start(R"({"nodes":[{"node_id":"a","job_id":"j"},{"node_id":"b","job_id":"j"},{"node_id":"c","job_id":"j","needs":["a"]}]})");
    const auto running = bench.take(1);
    REQUIRE(storage::cancel_plan_run(bench.db.service(), default_tenant, run, "me", "enough").has_value());
    bench.step();
    CHECK(bench.db.value("select string_agg(status, ' ' order by status) from v_plan_nodes") == "CANCELLED CANCELLED RUNNING");
    CHECK(bench.db.value("select count(*) from cancel_requests") == "1");
    bench.settle(running, [](const std::string&) { return execution_status::cancelled; });
    CHECK(bench.status(run) == "CANCELLED");
    CHECK(storage::cancel_plan_run(bench.db.service(), default_tenant, run, "me", "again").error().code == errc::already_ended);
    CHECK(bench.db.violations() == "");
    CHECK(bench.db.sqlstate(fmt::format("update plan_progress set failed = 7 where plan_run_id = '{}'", run.str())) == "42501");
}

TEST_CASE("a rerun keeps what has completed, with its outputs", "[pg][plan]")
{
    const auto plan = R"({"nodes":[{"node_id":"a","job_id":"j"},{"node_id":"b","job_id":"j","needs":["a"],"parameters":{"n":"{{ nodes.a.outputs.n }}"}}]})";
    plan_bench bench;
    const auto first = bench.start(plan);
    bench.run(fails("b"));
    storage::new_plan_run like;
    like.rerun_of = first;
    const auto second = bench.start(plan, like, {{"a", {first, 0}}});
    CHECK(bench.nodes(second) == "a:COMPLETED b:QUEUED");
    bench.run(all_well);
    CHECK(bench.status(second) == "COMPLETED");
    CHECK(bench.db.value(fmt::format("select parameters from v_executions where plan_run_id = '{}'", second.str())) == R"({"n": 5})");
    CHECK(bench.db.violations() == "");
}

TEST_CASE("I1: a key makes one plan run", "[pg][plan]")
{
    const auto plan = R"({"nodes":[{"node_id":"a","job_id":"j"}]})";
    plan_bench bench;
    storage::new_plan_run like;
    like.key = "k";
    like.key_request = R"({"plan_id": "p"})";
    const auto first = bench.start(plan, like);
    CHECK(bench.start(plan, like) == first);
    like.key_request = R"({"plan_id": "q"})";
    CHECK_THROWS(bench.start(plan, like));
    CHECK(bench.db.value("select count(*) from plan_runs") == "1");
}

TEST_CASE("the plan of a composite job's run is made once", "[pg][plan]")
{
    const auto plan = R"({"nodes":[{"node_id":"a","job_id":"j"}]})";
    plan_bench bench;
    storage::new_plan_run like;
    like.parent = first_of_new_block();
    const auto first = bench.start(plan, like);
    CHECK(bench.start(plan, like) == first);
    bench.run(fails("a"));
    CHECK(storage::last_plan_run_of(bench.db.service(), *like.parent)->status == "FAILED");
    CHECK(bench.start(plan, like) != first);
}

TEST_CASE("plans of composite jobs that have ended are found, so many at a time, and those of others are not", "[pg][plan]")
{
    const auto plan = R"({"nodes":[{"node_id":"a","job_id":"j"}]})";
    plan_bench bench;
    submission sent;
    sent.extent(bench.db.job("composite"), 1).commit(bench.db.service());
    storage::new_plan_run like;
    like.parent = sent.id();
    const auto waited_for = bench.start(plan, like);
    std::set<std::string> left;
    for (int i = 0; i < 3; ++i) {
        // Retention has forgotten the job's run.
        like.parent = first_of_new_block();
        left.insert(bench.start(plan, like).str());
    }
    bench.start(plan);
    CHECK(storage::orphaned_plan_runs(bench.db.service(), 2).size() == 2);
    std::set<std::string> found;
    for (int i = 0; i < 3; ++i) {
        const auto one = storage::orphaned_plan_runs(bench.db.service(), 1);
        REQUIRE(one.size() == 1);
        found.insert(one[0].id.str());
        REQUIRE(storage::cancel_plan_run(bench.db.service(), one[0].tenant, one[0].id, "system", "").has_value());
    }
    CHECK(found == left);
    CHECK(storage::orphaned_plan_runs(bench.db.service(), 100).empty());
    REQUIRE(storage::cancel(bench.db.service(), default_tenant, sent.id(), "me", "").ended);
    const auto last = storage::orphaned_plan_runs(bench.db.service(), 100);
    REQUIRE(last.size() == 1);
    CHECK(last[0].id == waited_for);
}

TEST_CASE("a run that a retry by hand would go past is left to its plan", "[pg][plan]")
{
    plan_bench bench;
    bench.start(R"({"nodes":[{"node_id":"a","job_id":"j"},{"node_id":"b","job_id":"j"}]})");
    bench.settle(bench.take(1), [](const std::string&) { return bad; });
    CHECK(bench.db.value("select refusal from retry_1(1, array(select execution_id from results), 'me', 1)") == "IN_PLAN");
}
