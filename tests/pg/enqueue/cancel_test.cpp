#include "tests/pg/queue/queue_traffic.hpp"
#include "tests/support/sql_user.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

std::string cancel(const execution_id& id)
{
    return fmt::format("select rowlock.cancel('{}', 'why')", id.str());
}

}

TEST_CASE("SQL cancels what is queued, asks for it where it runs, and says where there is nothing to cancel", "[pg][enqueue]")
{
    queue_database db;
    const auto me = db.instance(1h);
    const auto a = db.job("a");
    sql_user user(db.url());
    submission alone;
    alone.extent(a).commit(db.service());
    submission together;
    together.extent(a, 3).commit(db.service());

    // Alone in its extent: at once, in the transaction of the user.
    user.run("begin");
    CHECK(user.value(cancel(alone.id())) == "t");
    user.run("rollback");
    CHECK(db.status(alone.id()) == "QUEUED");
    CHECK(user.value(cancel(alone.id())) == "t");
    CHECK(db.value("select status || ' ' || error_code || ' ' || error_message from v_executions where execution_id = '" + alone.id().str() + "'") == "CANCELLED CANCELLED why");
    CHECK(db.value("select actor from v_transitions where to_status = 'CANCELLED'") == "sql:sql_user");
    CHECK(user.value(cancel(alone.id())) == "f");

    // Together with others: when the transaction has been committed, so that those are not held up.
    user.run("begin");
    CHECK(user.value(cancel(together.id(1))) == "t");
    CHECK(user.value(cancel(together.id(2))) == "t");
    CHECK(claim_one(db.service(), me, 1).lo == together.id(0));
    CHECK(db.value("select plan_step_1()") == "f");
    user.run("commit");
    CHECK(db.value("select plan_step_1()") == "t");           // both at once
    CHECK(db.value("select plan_step_1()") == "f");
    CHECK(db.status(together.id(1)) == "CANCELLED");
    CHECK(db.status(together.id(2)) == "CANCELLED");
    CHECK(db.violations() == "");

    // It runs.
    CHECK(user.value(cancel(together.id(0))) == "t");
    CHECK(db.value("select plan_step_1()") == "t");
    CHECK(db.value("select actor || ' ' || reason from cancel_requests") == "sql:sql_user why");
    CHECK(db.status(together.id(0)) == "RUNNING");
    ends(storage::claimed_extent{together.id(0), together.id(0), a.lane, fence{1}, 1}).end(together.id(0), execution_status::cancelled).clean().commit(db.service(), me);
    CHECK(db.status(together.id(0)) == "CANCELLED");
    CHECK(user.value(cancel(together.id(0))) == "f");
    CHECK(user.value("select rowlock.cancel(gen_random_uuid(), null)") == "f");
    CHECK(db.violations() == "");
}

TEST_CASE("what is submitted and cancelled in one transaction has never run", "[pg][enqueue]")
{
    queue_database db;
    const auto me = db.instance(1h);
    db.job("a");
    sql_user user(db.url());
    user.run("begin");
    const auto id = user.value("select rowlock.submit('a')");
    CHECK(user.value("select rowlock.cancel('" + id + "', '')") == "t");
    CHECK(user.value("select rowlock.cancel('" + id + "', '')") == "f");
    user.run("commit");
    CHECK(db.value("select status from v_executions") == "CANCELLED");
    CHECK(claim(db.service(), me).empty());
    CHECK(db.violations() == "");
}

TEST_CASE("what others wait for is cancelled after the commit, and lets them go on", "[pg][enqueue]")
{
    queue_database db;
    const auto a = db.job("a");
    const auto b = db.job("b", {.rules = R"({"dependencies": [{"id": "d", "upstream": "a", "type": 2}]})"});
    const auto c = db.job("c", {.rules = R"({"ordering_path": ["k"]})"});
    submission sent;
    sent.extent(a).extent(b).hold(1);
    sent.extent(c, 1, {.parameters = R"({"k": 1})"}).hold(2).extent(c, 1, {.parameters = R"({"k": 1})"}).hold(2);
    sent.commit(db.service());
    sql_user user(db.url());
    user.run("begin; " + cancel(sent.id(0)) + "; " + cancel(sent.id(2)));
    db.service().run("set lock_timeout = '1s'");
    submission more;
    more.extent(c, 1, {.parameters = R"({"k": 1})"}).hold(2).commit(db.service());
    user.run("commit");
    while (db.value("select plan_step_1()") == "t") {
    }
    CHECK(db.status(sent.id(0)) == "CANCELLED");
    CHECK(db.status(sent.id(1)) == "QUEUED");
    CHECK(db.status(sent.id(2)) == "CANCELLED");
    CHECK(db.status(sent.id(3)) == "QUEUED");
    CHECK(db.status(more.id()) == "PENDING");
    CHECK(db.violations() == "");
}
