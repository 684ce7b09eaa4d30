#include "storage/dependency_store.hpp"
#include "tests/pg/queue/queue_traffic.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view needs = R"({{"dependencies": [{{"id": "d", "upstream": "{}", "type": {}, "skip": {}, "timeout_s": 60}}]{}}})";

queue_job_options after(std::string_view upstream, int type = 1, bool skip = false, std::string_view more = "")
{
    return {.rules = fmt::format(needs, upstream, type, skip, more)};
}

// Job b depends on job a.
struct pair_of_jobs {
    queue_database db;
    instance_id me = db.instance(1h);
    queue_job a = db.job("a");
    queue_job b = db.job("b", after("a"));
};

// Submits an execution of the job, claims it and ends it.
execution_id run(queue_database& db, instance_id me, const queue_job& job, execution_status as = execution_status::completed)
{
    submission sent;
    sent.extent(job).commit(db.service());
    ends e(claim_one(db.service(), me));
    e.end(sent.id(), as);
    if (as == execution_status::failed) e.recorded(error_category::permanent, {});
    e.commit(db.service(), me);
    return sent.id();
}

std::string waiting_for(queue_database& db, const execution_id& id)
{
    return db.value(fmt::format("select waiting_on ->> 'detail' from v_executions where execution_id = '{}'", id.str()));
}

void do_what_is_left(queue_database& db)
{
    while (db.value("select plan_step_1()") == "t") {
    }
}

}

TEST_CASE("where an upstream was skipped, a dependent that says so is skipped, and what depends on that in turn", "[pg][waits]")
{
    queue_database db;
    const auto me = db.instance(1h);
    const auto a = db.job("a");
    const auto b = db.job("b", after("a", 2, true));
    db.job("c", after("b", 2, true));
    db.job("d", after("b", 2, false));
    submission waiting;
    waiting.extent(b).hold(1).commit(db.service());
    CHECK(waiting_for(db, waiting.id()) == "waits for a (COMPLETION)");

    submission sent;
    sent.extent(a).commit(db.service());
    ends(claim_one(db.service(), me)).end(sent.id(), execution_status::skipped).commit(db.service(), me);
    do_what_is_left(db);

    CHECK(db.status(waiting.id()) == "SKIPPED");
    CHECK(db.value("select status || ' ' || trigger_type || ' ' || trigger_id from v_executions where job_id = 'c'") == "SKIPPED DEPENDENCY d");
    CHECK(db.value("select status from v_executions where job_id = 'd'") == "QUEUED");
    CHECK(db.violations() == "");
}

TEST_CASE("ends of many executions of an upstream start as many dependents, with one transaction", "[pg][waits]")
{
    pair_of_jobs jobs;
    auto& [db, me, a, b] = jobs;
    submission waiting;
    waiting.extent(b).hold(1).extent(b).hold(1).commit(db.service());
    submission sent;
    sent.extent(a, 100).commit(db.service());
    ends(claim_one(db.service(), me)).all(sent.ids()).commit(db.service(), me);

    CHECK(db.value("select count(*) from v_executions where job_id = 'b' and status = 'QUEUED'") == "100");
    CHECK(db.value("select count(*) from v_executions where job_id = 'b' and trigger_type = 'MANUAL'") == "2");
    CHECK(db.value("select count(*) || ' ' || count(distinct upstream_execution_id) from v_dependency_uses") == "100 100");
    CHECK(db.violations() == "");
}

TEST_CASE("of ends that are settled together the one that returned last decides, whatever their ids", "[pg][waits]")
{
    queue_database db;
    const auto me = db.instance(1h);
    const auto gate = db.job("gate", {.rules = R"({"is_gate": true})"});
    const auto other = db.job("other");
    db.job("b", {.rules = R"({"dependencies": [{"id": "g", "upstream": "gate", "type": 1, "skip": false}, {"id": "o", "upstream": "other", "type": 1, "skip": false}]})"});
    submission sent;
    sent.extent(gate).extent(gate).commit(db.service());
    REQUIRE(claim(db.service(), me).size() == 2);
    const bool fails_last = GENERATE(false, true);
    const bool alone = GENERATE(false, true);
    CAPTURE(fails_last, alone);

    ends both;
    for (std::size_t i = 0; i < 2; ++i) {
        const auto status = i == 0 ? execution_status::failed : execution_status::completed;
        if (alone) both.alone(sent.id(i), fence{1}, status);
        else both.from(sent.id(i), fence{1}).end(sent.id(i), status);
        if (i == 0) both.recorded(error_category::permanent, {});
    }
    both.columns().age_us.clear();
    for (const bool earlier : {!fails_last, fails_last}) both.columns().age_us.add(std::int32_t{earlier ? 5000 : 1000});
    REQUIRE(both.commit(db.service(), me).empty());

    run(db, me, other);
    CHECK(db.value("select count(*) from v_executions where job_id = 'b'") == (fails_last ? "0" : "1"));
    CHECK(db.violations() == "");
}

TEST_CASE("an execution whose cancel holds its row is passed over, and the next one is let go", "[pg][waits]")
{
    pair_of_jobs jobs;
    auto& [db, me, a, b] = jobs;
    submission waiting;
    waiting.extent(b).hold(1).extent(b).hold(1).commit(db.service());
    {
        pqxx::connection other(db.url());
        pqxx::work cancelling(other);
        cancelling.exec(fmt::format("set search_path = rowlock; select from cancel_1(1, array['{}'::uuid], 'somebody', '')", waiting.id(0).str()));
        run(db, me, a);
        CHECK(db.status(waiting.id(1)) == "QUEUED");
        // The cancel is undone: the first waits on, for the next end.
    }
    CHECK(db.status(waiting.id(0)) == "PENDING");
    CHECK(db.violations() == "");
    ends(claim_one(db.service(), me)).end(waiting.id(1)).commit(db.service(), me);
    run(db, me, a);
    CHECK(db.status(waiting.id(0)) == "QUEUED");
}

TEST_CASE("the turn of an execution whose row somebody holds is not given to the next", "[pg][waits]")
{
    queue_database db;
    const auto me = db.instance(1h);
    const auto o = db.job("o", {.rules = R"({"ordering_path": ["k"]})"});
    submission sent;
    for (int i = 0; i < 3; ++i) sent.extent(o, 1, {.parameters = R"({"k": "x"})"}).hold(2);
    CHECK(sent.commit(db.service()).held == std::vector<int>{2, 3});
    const auto first = claim_one(db.service(), me);
    {
        // As a cancel begins.
        pqxx::connection other(db.url());
        pqxx::work cancelling(other);
        cancelling.exec(fmt::format("select from rowlock.extents where lo = '{}' for no key update", sent.id(1).str()));
        ends(first).end(sent.id(0)).followed().commit(db.service(), me);
        CHECK(db.status(sent.id(1)) == "PENDING");
        CHECK(db.status(sent.id(2)) == "PENDING");
    }
    do_what_is_left(db);
    CHECK(db.status(sent.id(1)) == "QUEUED");
    CHECK(db.status(sent.id(2)) == "PENDING");
    CHECK(db.violations() == "");
}

TEST_CASE("an execution of an ordered job without the value, or with another, waits for nobody", "[pg][waits]")
{
    queue_database db;
    const auto me = db.instance(1h);
    const auto o = db.job("o", {.rules = R"({"ordering_path": ["customer", "id"]})"});
    submission sent;
    for (const auto* parameters : {R"({"customer": {"id": 1}})", R"({"customer": {"id": "1"}})", R"({"customer": {"id": 2}})", R"({"customer": null})", R"({})"}) {
        sent.extent(o, 1, {.parameters = parameters}).hold(2);
    }
    CHECK(sent.commit(db.service()).held == std::vector<int>{2});        // 1 and "1" are the same key
    CHECK(claim(db.service(), me).size() == 4);
    CHECK(db.violations() == "");
}

TEST_CASE("a run that is retried by hand takes its place at the end of its order", "[pg][waits]")
{
    queue_database db;
    const auto me = db.instance(1h);
    const auto o = db.job("o", {.rules = R"({"ordering_path": ["k"]})"});
    submission sent;
    for (int i = 0; i < 2; ++i) sent.extent(o, 1, {.parameters = R"({"k": "x"})"}).hold(2);
    sent.commit(db.service());
    ends(claim_one(db.service(), me)).end(sent.id(0), execution_status::failed).recorded(error_category::permanent, {}).followed().commit(db.service(), me);
    const execution_id next = *execution_id::parse(db.value(fmt::format("select next from retry_1(1, array['{}'::uuid], 'me', 1)", sent.id(0).str())));
    CHECK(db.status(next) == "PENDING");
    const auto second = claim_one(db.service(), me);
    CHECK(second.lo == sent.id(1));
    ends(second).end(sent.id(1)).followed().commit(db.service(), me);
    CHECK(db.status(next) == "QUEUED");
    CHECK(db.violations() == "");
}

TEST_CASE("what is scheduled begins to wait when its time has come", "[pg][waits]")
{
    pair_of_jobs jobs;
    auto& [db, me, a, b] = jobs;
    submission sent;
    sent.extent(b, 1, {.eligible = wall_clock() + 10min}).hold(1).commit(db.service());
    CHECK(db.value(fmt::format("select waiting_on ->> 'rule' from v_executions where execution_id = '{}'", sent.id().str())) == "schedule");
    run(db, me, a);
    CHECK(db.value("select count(*) from executions where trigger_type = 3") == "1");       // that end was nobody's: b started by itself
    ends(claim_one(db.service(), me)).end(*execution_id::parse(db.value("select execution_id from executions where trigger_type = 3"))).commit(db.service(), me);
    db.move_clock(11min);
    db.rows("select promote_1(100)");
    CHECK(waiting_for(db, sent.id()) == "waits for a (SUCCESS)");
    CHECK(db.violations() == "");
}

TEST_CASE("an execution waits for each dependency as long as that one says, from when it is due", "[pg][waits]")
{
    queue_database db;
    const auto me = db.instance(2h);
    const auto a = db.job("a");
    db.job("b");
    const auto c = db.job("c", {.rules = R"({"dependencies": [{"id": "c-a", "upstream": "a", "type": 1, "timeout_s": 60}, {"id": "c-b", "upstream": "b", "type": 1, "timeout_s": 600}]})"});
    submission sent;
    sent.extent(c).hold(1).commit(db.service());
    run(db, me, a);                                  // the impatient one is satisfied
    db.move_clock(2min);
    db.rows("select expire_1('1 day', 100)");
    CHECK(db.status(sent.id()) == "PENDING");
    CHECK(storage::sweep_dependencies(db.service()) == 0);
    db.move_clock(11min);
    db.rows("select expire_1('1 day', 100)");
    CHECK(storage::dependency_timeouts_of(db.service(), {sent.id()}) == 1);
    CHECK(db.value(fmt::format("select status || ' ' || error_code from v_executions where execution_id = '{}'", sent.id().str())) == "TIMEOUT EXPIRED");
    CHECK(db.value("select error_code || ': ' || error_message from v_errors where queue = 'dependency_errors'")
          == "DEP_003_UPSTREAM_TIMEOUT: It waited for b for 600 s, which is as long as it may.");
    CHECK(db.violations() == "");

    // The end of a was not used. Nobody waits for b now but the job itself, which is said once.
    CHECK(storage::sweep_dependencies(db.service()) == 1);
    CHECK(storage::sweep_dependencies(db.service()) == 0);
    CHECK(db.value("select count(*) from v_errors where queue = 'dependency_errors'") == "2");
}

TEST_CASE("a new dependency is satisfied by what its upstream did before, and starts nothing by itself", "[pg][waits]")
{
    queue_database db;
    const auto me = db.instance(1h);
    const auto a = db.job("a");
    run(db, me, a);
    run(db, me, a, execution_status::failed);
    const auto b = db.job("b", after("a"));
    CHECK(db.value("select count(*) from executions where trigger_type = 3") == "0");
    submission sent;
    CHECK(sent.extent(b).hold(1).extent(b).hold(1).commit(db.service()).held == std::vector<int>{2});
    CHECK(db.status(sent.id(0)) == "QUEUED");
    CHECK(db.violations() == "");
}

TEST_CASE("what is cancelled with all that follows starts nothing, whoever ends it", "[pg][waits]")
{
    queue_database db;
    const auto me = db.instance(1h);
    const auto a = db.job("a");
    db.job("b", after("a", 2));
    submission sent;
    sent.extent(a, 2).commit(db.service());
    const auto mine = claim_one(db.service(), me);
    for (const auto& id : sent.ids()) {
        const auto cascade = id == sent.id(0) ? cancel_cascade::all_downstream : cancel_cascade::none;
        REQUIRE(storage::cancel(db.service(), a.tenant, id, "token:t", "enough", cascade).owner == me);
    }
    CHECK(hand_back(db.service(), me, mine) == 0);
    CHECK(db.value("select parameters -> 'upstream' -> 'a' ->> 'execution_id' from v_executions where job_id = 'b'") == sent.id(1).str());
    CHECK(db.value("select count(*) from executions where trigger_type = 3") == "1");
    CHECK(storage::cancel_requests(db.service(), me).empty());
    CHECK(db.violations() == "");
}

TEST_CASE("those who store several jobs at once take turns from the beginning: none waits for what another holds halfway", "[pg][waits]")
{
    queue_database db;
    pqxx::connection one(db.url());
    pqxx::work storing(one);
    storing.exec("set search_path = rowlock; select lock_jobs_1(1, array['a', 'b'])");
    storing.exec("select from put_job_1(1, 'a', '{}', '{\"max_attempts\": 1}', null, 'test', '', null)");
    db.rows("set lock_timeout = '100ms'");
    CHECK(db.sqlstate("select lock_jobs_1(1, array['c', 'd'])") == "55P03");
    storing.commit();
    CHECK(db.sqlstate("select lock_jobs_1(1, array['c', 'd'])") == "");
}
