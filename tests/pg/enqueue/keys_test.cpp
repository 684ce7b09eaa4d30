#include "tests/pg/queue/queue_traffic.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/sql_user.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <future>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

TEST_CASE("a key names the execution of its first request, for SQL as for HTTP", "[pg][enqueue]")
{
    queue_database db;
    const auto job = db.job("a");
    sql_user user(db.url());
    const auto id = user.value("select rowlock.submit('a', idempotency_key => 'k')");
    struct row {
        const char* call;
        bool same;
    };
    for (const row& r : {row{"'a', idempotency_key => 'k'", true}, {"'a', '{}', 0, null, 'k', null", true}, {"'a', null, null, idempotency_key => 'k'", true},
                         {"'a', 'null', idempotency_key => 'k'", true}, {"'a', '{\"n\": 1}', idempotency_key => 'k'", false}, {"'a', priority => 1, idempotency_key => 'k'", false},
                         {"'a', scheduled_time => '2030-01-01Z', idempotency_key => 'k'", false}, {"'a', correlation_id => 'c', idempotency_key => 'k'", false}}) {
        INFO(r.call);
        const auto again = user.try_to(fmt::format("select rowlock.submit({})", r.call));
        CHECK(again.state == (r.same ? "" : "RL409"));
        if (r.same) CHECK(user.value(fmt::format("select rowlock.submit({})", r.call)) == id);
        else CHECK_THAT(again.told, Catch::Contains("idempotency_key: \"k\" was used before with another request") && Catch::Contains("Use a new key"));
    }
    CHECK(user.try_to("select * from rowlock.submit_many('a', array['{}']::jsonb[], idempotency_key => 'k')").state == "RL409");
    CHECK(db.value("select count(*) from executions") == "1");

    // As the service compares them (append_key_request).
    const auto read = [&](const char* key, const char* request) { return storage::read_key(db.service(), job.tenant, key, request); };
    REQUIRE(read("k", R"({"job_id": "a"})"));
    CHECK(read("k", R"({"job_id": "a"})")->same_request);
    CHECK(read("k", R"({"job_id": "a"})")->execution.str() == id);
    user.run("select rowlock.submit('a', '{\"n\": 1.0}', -3, '2030-01-02T03:04:05.678+01', 'whole', 'c')");
    CHECK(read("whole", R"({"job_id":"a","parameters":{"n":1},"priority":-3,"scheduled_time":"2030-01-02T02:04:05.678000Z","correlation_id":"c"})")->same_request);
    const auto many = user.run("select * from rowlock.submit_many('a', array['{}', '{\"n\": 2}']::jsonb[], 5, idempotency_key => 'batch')");
    const auto batch = read("batch", R"({"executions":[{"job_id":"a","priority":5},{"job_id":"a","parameters":{"n":2},"priority":5}]})");
    REQUIRE(batch);
    CHECK(batch->same_request);
    REQUIRE(batch->executions.size() == 2);
    CHECK(batch->executions[0].str() == many[0][0].c_str());
    CHECK(batch->executions[1].str() == many[1][0].c_str());
    CHECK(user.run("select * from rowlock.submit_many('a', array['{}', '{\"n\": 2}']::jsonb[], 5, idempotency_key => 'batch')") == many);
    CHECK(user.try_to("select * from rowlock.submit_many('a', array['{\"n\": 2}', '{}']::jsonb[], 5, idempotency_key => 'batch')").state == "RL409");

    // A job that has been disabled since answers with what it has, and takes nothing new.
    db.rows("update jobs set enabled = false");
    CHECK(user.value("select rowlock.submit('a', idempotency_key => 'k')") == id);
    CHECK(user.try_to("select rowlock.submit('a', idempotency_key => 'new')").state == "RL409");
    CHECK(db.value("select count(*) from idempotency_keys where key = 'new'") == "0");
    db.rows("update jobs set enabled = true");
    // A key is forgotten after IDEMPOTENCY_KEY_TTL_HOURS.
    db.move_clock(24h + 1min);
    CHECK(user.value("select rowlock.submit('a', idempotency_key => 'k')") != id);
    CHECK(db.violations() == "");
}

TEST_CASE("while a transaction holds a key, an equal submission of the service is told to come again, and nobody waits", "[pg][enqueue]")
{
    queue_database db;
    const auto job = db.job("a");
    db.service().run("set lock_timeout = '1s'");             // whoever waits fails
    sql_user user(db.url());
    const auto id = user.value("begin; select rowlock.submit('a', idempotency_key => 'k')");

    submission meanwhile;
    meanwhile.extent(job, 1, {.unit = 1}).key(job.tenant, "k", R"({"job_id": "a"})", 1);
    meanwhile.extent(job, 1, {.unit = 2}).key(job.tenant, "other", R"({"job_id": "a"})", 2);
    meanwhile.extent(job, 1, {.unit = 3}).key(job.tenant, "k", R"({"job_id": "a"})", 3).key(job.tenant, "with it", "{}", 3);
    meanwhile.extent(job, 5, {.unit = 4});
    const auto reply = meanwhile.commit(db.service());
    REQUIRE(reply.keys.size() == 2);
    for (const auto& each : reply.keys) CHECK(each.come_again);
    CHECK(db.value("select count(*) from executions") == "6");
    CHECK(db.value("select string_agg(key, ' ' order by key) from idempotency_keys") == "other");

    SECTION("after its commit the key names its execution")
    {
        user.run("commit");
        submission again;
        const auto answer = again.extent(job, 1, {.unit = 1}).key(job.tenant, "k", R"({"job_id": "a"})", 1).commit(db.service());
        REQUIRE(answer.keys.size() == 1);
        CHECK(answer.keys[0].same_request);
        CHECK(answer.keys[0].execution.str() == id);
    }
    SECTION("after a rollback it is free")
    {
        user.run("rollback");
        submission again;
        CHECK(again.extent(job, 1, {.unit = 1}).key(job.tenant, "k", R"({"job_id": "a"})", 1).commit(db.service()).keys.empty());
    }
    CHECK(db.violations() == "");
}

TEST_CASE("of two transactions with the same key the second waits for the first", "[pg][enqueue]")
{
    queue_database db;
    db.job("a");
    sql_user first(db.url());
    sql_user second(db.url());
    const auto id = first.value("begin; select rowlock.submit('a', idempotency_key => 'k')");
    auto waiting = std::async(std::launch::async, [&] { return second.value("select rowlock.submit('a', idempotency_key => 'k')"); });
    eventually("the second waits", [&] { return db.value("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") == "1"; });
    const bool commits = GENERATE(true, false);
    first.run(commits ? "commit" : "rollback");
    CHECK((waiting.get() == id) == commits);
    CHECK(db.value("select count(*) from executions") == "1");
    CHECK(db.violations() == "");
}

TEST_CASE("an execution of a job with dedupe stands for its equals while it has not ended", "[pg][enqueue]")
{
    queue_database db;
    const auto me = db.instance(1h);
    const auto job = db.job("a", {.rules = R"({"dedupe": true})"});
    sql_user user(db.url());
    const auto id = user.value("select rowlock.submit('a', '{\"n\": 1}')");
    CHECK(user.value("select rowlock.submit('a', '{\"n\":1}')") == id);
    CHECK(user.value("select rowlock.submit('a', '{\"n\": 1}', idempotency_key => 'k')") == id);
    CHECK(user.value("select rowlock.submit('a', '{\"n\": 1}', idempotency_key => 'k')") == id);
    // In the middle of others, and twice among them.
    CHECK(user.value(fmt::format("select array_position(x, '{}') || ' ' || (x[3] = x[5]) || ' ' || cardinality(array(select distinct unnest(x))) from (select array(select * from rowlock.submit_many('a', "
                                 "array['{{\"n\": 0}}', '{{\"n\": 1}}', '{{\"n\": 2}}', '{{\"n\": 3}}', '{{\"n\": 2}}', '{{\"n\": 4}}']::jsonb[])) as x) y", id)) == "2 true 5");
    CHECK(db.value("select count(*) from executions") == "5");
    CHECK(db.violations() == "");

    // The service is not kept waiting by the fingerprint of a transaction, either.
    db.service().run("set lock_timeout = '1s'");
    user.run("begin; select rowlock.submit('a', '{\"n\": 9}')");
    submission equal;
    const auto reply = equal.extent(job, 1, {.unit = 1, .parameters = R"({"n": 9})"}).fingerprint(job, R"({"n": 9})", 1).commit(db.service());
    REQUIRE(reply.keys.size() == 1);
    CHECK(reply.keys[0].come_again);
    user.run("commit");

    for (const auto& x : claim(db.service(), me)) ends(x).all(ids_in(x.lo, x.hi)).commit(db.service(), me);
    CHECK(user.value("select rowlock.submit('a', '{\"n\": 1}')") != id);
    CHECK(db.violations() == "");
}
