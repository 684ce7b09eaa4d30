#include "tests/crash/crew.hpp"
#include "tests/crash/history.hpp"
#include "tests/support/job_runs.hpp"

#include <catch2/catch.hpp>
#include <csignal>

namespace {

using namespace rowlock::test;
namespace json = boost::json;

const std::vector<std::string> none;

const std::vector<std::string> steps = {"submit.after_commit:3", "claim.after_commit:2", "settle.before_commit:2", "settle.before_commit:9", "settle.after_commit:2", "settle.after_commit:9"};

// Of those of one ordering key, which run one after the other, there are so many more with each step.
constexpr int ordered_at_a_step = 6;

}

TEST_CASE("a server may be killed at any step between an end and what depends on it: each end starts one execution, and an order is kept", "[crash][dependencies][ordering]")
{
    const test_database database;
    const scratch_folder scratch;
    crew servers(database.url());
    const auto& steady = servers.start("steady");
    define_load(steady, scratch.path() / "ledger");
    const json::object retried{{"retry_policy", {{"max_attempts", 8}, {"initial_delay_seconds", 0.05}}}};
    const json::object noop{{"type", "noop"}};
    steady.define("after-quick", noop, with(retried, {{"dependencies", json::array{on("quick")}}}));
    steady.define("after-after", noop, with(retried, {{"dependencies", json::array{on("after-quick")}}}));
    steady.define("after-both", noop, with(retried, {{"dependencies", json::array{on("quick"), on("fails")}}}));
    steady.define("ordered", {{"type", "fail"}, {"error_code", "ON_PURPOSE"}, {"times", 1}}, with(retried, {{"parameters", {{"key", "one"}}}, {"ordering_key", "key"}}));
    load clients(servers.where(), 2, {.pace = std::chrono::milliseconds(50), .kinds = {"quick", "fails"}});
    for (const auto& step : steps) {
        INFO(step);
        CHECK(servers.run_until_crash(step, [&] {
            for (int i = 0; i < ordered_at_a_step; ++i) steady.submit("ordered");
        }) == -SIGKILL);
        CHECK(violations(database.url()) == none);
    }
    clients.finish();
    await_idle(database.url());

    const auto value = [&](const std::string& sql) { return value_of(database.url(), sql); };
    const auto ends = value("select count(*) from rowlock.v_executions where job_id = 'quick' and status = 'COMPLETED'");
    for (const auto* job : {"after-quick", "after-after"}) {
        INFO(job);
        CHECK(value(std::string("select count(*) from rowlock.v_runs where status = 'COMPLETED' and run_id in (select run_id from rowlock.v_executions where job_id = '") + job + "')") == ends);
        CHECK(value(std::string("select count(distinct run_id) from rowlock.v_executions where job_id = '") + job + "'") == ends);
    }
    // No end has started two, and nothing has started without one.
    CHECK(value("select count(*) from (select u.dependency_id, u.upstream_execution_id from rowlock.v_dependency_uses u group by 1, 2 having count(*) > 1) twice") == "0");
    CHECK(value("select count(*) from rowlock.v_executions e where e.trigger_type = 'DEPENDENCY' and e.attempt_number = 1"
                " and not exists (select from rowlock.v_dependency_uses u where u.run_id = e.run_id)") == "0");
    // Those of the ordering key: one attempt at a time, and the attempts of a run without another run's between them.
    CHECK(value("select count(*) from (select started_time, lag(completed_time) over (order by started_time) as before from rowlock.v_executions where job_id = 'ordered') x"
                " where started_time < before") == "0");
    CHECK(value("select count(*) - (select count(distinct run_id) from rowlock.v_executions where job_id = 'ordered')"
                " from (select run_id, lag(run_id) over (order by started_time) as before from rowlock.v_executions where job_id = 'ordered') x where run_id is distinct from before") == "0");
    CHECK(violations(database.url()) == none);
}
