#include "tests/pg/queue/queue_traffic.hpp"
#include "tests/support/sql_user.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view after_a = R"({"dependencies": [{"id": "d", "upstream": "a", "type": 1}]})";
constexpr std::string_view by_key = R"({"ordering_path": ["k"]})";

void do_what_is_left(queue_database& db)
{
    while (db.value("select plan_step_1()") == "t") {
    }
}

std::string ready(queue_database& db, std::string_view job_id)
{
    return db.value(fmt::format("select string_agg(parameters ->> 'n', ' ' order by parameters ->> 'n') from v_executions where job_id = '{}' and status = 'QUEUED'", job_id));
}

}

TEST_CASE("a transaction that has submitted and stays open stops nobody", "[pg][enqueue]")
{
    queue_database db;
    const auto me = db.instance(1h);
    const auto a = db.job("a");
    const auto b = db.job("b", {.rules = std::string(after_a)});
    const auto c = db.job("c", {.rules = std::string(by_key)});
    // Somebody runs and somebody waits of each.
    submission before;
    before.extent(a, 3).extent(c, 1, {.parameters = R"({"k": "x", "n": 0})"}).hold(2);
    before.commit(db.service());
    const auto running = claim(db.service(), me);
    REQUIRE(running.size() == 2);

    sql_user user(db.url());
    user.run("begin; select rowlock.submit('a'); select rowlock.submit('b'); select rowlock.submit('c', '{\"k\": \"x\", \"n\": 1}'); select rowlock.submit_many('a', array['{}', '{}']::jsonb[])");
    user.run("select rowlock.cancel('" + before.id(1).str() + "', 'it runs')");

    // Whoever waits for a lock fails.
    db.service().run("set lock_timeout = '1s'");
    db.rows("set lock_timeout = '1s'");
    submission others;
    others.extent(a, 10).extent(b).hold(1).extent(c, 1, {.parameters = R"({"k": "x", "n": 2})"}).hold(2);
    CHECK(others.commit(db.service(), me, 100).owned.size() == 1);
    for (const auto& x : running) ends(x).all(ids_in(x.lo, x.hi)).followed().commit(db.service(), me);
    db.rows("select put_job_1(1, 'a', '{\"priority\": 1}', '{\"max_attempts\": 1}', null, 'test', '', null)");
    db.rows("select put_job_1(1, 'b', '{\"priority\": 1}', jsonb_build_object('max_attempts', 1) || '" + std::string(after_a) + "', null, 'test', '', null)");
    db.rows("select put_job_1(1, 'c', '{\"priority\": 1}', jsonb_build_object('max_attempts', 1) || '" + std::string(by_key) + "', null, 'test', '', null)");
    db.rows("select switch_job_1(1, 'a', false, 'test', '', null); select switch_job_1(1, 'a', true, 'test', '', null)");
    db.rows("select promote_1(1000); select sweep_1(1000); select sweep_dependencies_1(); select make_partitions(3); select expire_1(interval '1 hour', 100)");
    do_what_is_left(db);
    CHECK(db.violations() == "");
    // Of the three ends of a one lets go on what waited, and the others start more.
    CHECK(db.value("select string_agg(status || ' ' || trigger_type, ', ' order by trigger_type) from v_executions where job_id = 'b'") == "QUEUED DEPENDENCY, QUEUED DEPENDENCY, QUEUED MANUAL");

    user.run("commit");
    db.rows("select promote_1(1000)");
    do_what_is_left(db);
    CHECK(db.value("select count(*) from v_executions where submitter = 'sql:sql_user'") == "5");
    CHECK(db.value("select status from v_executions where job_id = 'b' and submitter = 'sql:sql_user'") == "PENDING");
    CHECK(db.violations() == "");
}

TEST_CASE("what may have to wait begins to wait when the transaction has been committed", "[pg][enqueue]")
{
    queue_database db;
    const auto me = db.instance(1h);
    const auto a = db.job("a");
    db.job("b", {.rules = std::string(after_a)});
    db.job("c", {.rules = std::string(by_key)});
    sql_user user(db.url());
    user.run("select rowlock.submit('b', '{\"n\": 1}'); select rowlock.submit('b', '{\"n\": 2}')");
    user.run("select * from rowlock.submit_many('c', array['{\"k\": 1, \"n\": 1}', '{\"k\": 2, \"n\": 2}', '{\"k\": 1, \"n\": 3}', '{\"n\": 4}']::jsonb[])");
    CHECK(db.value("select count(*) from v_executions where status = 'PENDING'") == "5");
    CHECK(ready(db, "c") == "4");                             // it has no key
    CHECK(db.violations() == "");
    db.rows("select promote_1(1000)");
    CHECK(ready(db, "c") == "1 2 4");
    CHECK(ready(db, "b") == "");
    CHECK(db.violations() == "");

    submission up;
    up.extent(a).commit(db.service());
    for (const auto& x : claim(db.service(), me)) ends(x).all(ids_in(x.lo, x.hi)).followed().commit(db.service(), me);
    do_what_is_left(db);
    CHECK(ready(db, "b") == "1");
    CHECK(ready(db, "c") == "3");
    CHECK(db.violations() == "");
}

TEST_CASE("what a long transaction has submitted is claimed though it is older than what was claimed before it", "[pg][enqueue]")
{
    queue_database db;
    const auto me = db.instance(1h);
    const auto a = db.job("a");
    sql_user user(db.url());
    user.run("begin; select rowlock.submit('a')");
    submission later;
    later.extent(a, 3).commit(db.service());
    CHECK(storage::claim_next(db.service(), me, {}, 10, 100).extents.size() == 1);
    user.run("commit");
    const auto found = storage::claim_next(db.service(), me, {}, 10, 100).extents;
    REQUIRE(found.size() == 1);
    CHECK(found[0].lo < later.id());
    CHECK(db.violations() == "");
}

TEST_CASE("a transaction with a snapshot of its own may submit as well", "[pg][enqueue]")
{
    queue_database db;
    db.job("a", {.rules = R"({"dedupe": true})"});
    db.job("c", {.rules = std::string(by_key)});
    const auto* level = GENERATE("repeatable read", "serializable");
    sql_user user(db.url());
    user.run(fmt::format("begin isolation level {}; select 1", level));
    user.run("select rowlock.submit('a', idempotency_key => 'k'); select rowlock.submit('c', '{\"k\": 1}'); commit");
    db.rows("select promote_1(1000)");
    CHECK(db.value("select count(*) from v_executions where status = 'QUEUED'") == "2");
    // A key that came after its snapshot is a failure that is to be tried again, as PostgreSQL says it.
    sql_user other(db.url());
    user.run(fmt::format("begin isolation level {}; select 1", level));
    other.run("select rowlock.submit('a', '{\"n\": 1}', idempotency_key => 'late')");
    CHECK_THROWS_AS(user.run("select rowlock.submit('a', '{\"n\": 1}', idempotency_key => 'late')"), pqxx::transaction_rollback);
    user.run("rollback");
    CHECK(db.violations() == "");
}
