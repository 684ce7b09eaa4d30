#include "storage/failure_store.hpp"
#include "tests/pg/queue/queue_traffic.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

std::string dead_letters(queue_database& db)
{
    return db.value("select string_agg(dead_letter_id::text, ' ' order by dead_letter_id) from dead_letters");
}

// Claims the one execution that waits, and ends it so that a dead letter is left.
void fail_for_good(queue_database& db, instance_id me, const execution_id& id)
{
    ends(claim_one(db.service(), me)).end(id, execution_status::failed).recorded(error_category::permanent, 1h).commit(db.service(), me);
}

}

TEST_CASE("a failed attempt is an execution error, and a dead letter once the run has no attempt left", "[pg][failures]")
{
    queue_database db;
    const auto me = db.instance(1h);
    submission sent;
    sent.extent(db.job("a"), 3).commit(db.service());
    const auto x = claim_one(db.service(), me);
    const auto next = first_of_new_block();
    ends(x).fail(sent.id(0), next, 5s, 1h).end(sent.id(1), execution_status::timeout).recorded(error_category::timeout, 1h)
        .end(sent.id(2)).commit(db.service(), me);

    CHECK(dead_letters(db) == sent.id(1).str());
    CHECK(db.value("select expires_at - created_at from dead_letters") == "01:00:00");
    CHECK(db.value(fmt::format("select error_category || ' ' || will_retry || ' ' || (next_retry_time - created_time) from v_errors where execution_id = '{}'", sent.id(0).str()))
          == "TRANSIENT true 00:00:05");
    CHECK(db.value(fmt::format("select error_category || ' ' || will_retry || ' ' || queue from v_errors where error_id = '{}'", sent.id(1).str())) == "TIMEOUT false execution_errors");
    CHECK(db.value("select count(*) from errors") == "2");
    CHECK(db.violations() == "");
}

TEST_CASE("a job may do without dead letters", "[pg][failures]")
{
    queue_database db;
    const auto me = db.instance(1h);
    submission sent;
    sent.extent(db.job("a")).commit(db.service());
    ends(claim_one(db.service(), me)).end(sent.id(), execution_status::failed).recorded(error_category::permanent, {}).commit(db.service(), me);
    CHECK(dead_letters(db) == "");
    CHECK(db.value("select count(*) from errors") == "1");
}

TEST_CASE("ends that are lost leave no error and no dead letter", "[pg][failures]")
{
    queue_database db;
    const auto me = db.instance(1h);
    submission sent;
    sent.extent(db.job("a")).commit(db.service());
    const auto x = claim_one(db.service(), me);
    REQUIRE(hand_back(db.service(), me, x) == 1);
    CHECK(ends(x).end(sent.id(), execution_status::failed).recorded(error_category::permanent, 1h).watched().commit(db.service(), me).size() == 1);
    CHECK(db.value("select count(*) from errors") == "0");
    CHECK(dead_letters(db) == "");
}

TEST_CASE("a settle that is repeated after a commit in doubt records its failures once", "[pg][failures]")
{
    queue_database db;
    const auto me = db.instance(1h);
    submission sent;
    sent.extent(db.job("a"), 2).commit(db.service());
    const auto x = claim_one(db.service(), me);
    ends(x).end(sent.id(0), execution_status::failed).recorded(error_category::permanent, 1h).commit(db.service(), me);
    ends(x).end(sent.id(0), execution_status::failed).recorded(error_category::permanent, 1h).end(sent.id(1), execution_status::failed)
        .recorded(error_category::permanent, 1h).commit(db.service(), me, true);
    CHECK(db.value("select count(*) from errors") == "2");
    CHECK(db.value("select count(*) from dead_letters") == "2");
    CHECK(db.violations() == "");
}

TEST_CASE("lost attempts are errors, and dead letters where the policy allows no more", "[pg][failures]")
{
    queue_database db;
    const auto me = db.instance(1h);
    const auto victim = db.instance(5s);
    submission sent;
    sent.extent(db.job("once", {.max_attempts = 1}))
        .extent(db.job("again"))
        .extent(db.job("never", {.rules = R"({"retry_lost": false})"}))
        .extent(db.job("silent", {.max_attempts = 1, .rules = R"({"dead_letter": false})"}))
        .commit(db.service(), victim, 10);
    db.move_clock(6s);
    REQUIRE(storage::tick(db.service(), me, true).dead == 1);
    REQUIRE(storage::takeover(db.service(), me, priority_age, 10, 2h) == 4);
    CHECK(dead_letters(db) == sent.id(0).str() + " " + sent.id(2).str());
    CHECK(db.value("select distinct expires_at - created_at from dead_letters") == "02:00:00");
    CHECK(db.value("select string_agg(distinct error_code || ' ' || error_category, ',') from v_errors") == "LEASE_LOST TRANSIENT");
    CHECK(db.value("select count(*) from v_errors where will_retry") == "1");
    CHECK(db.violations() == "");
}

TEST_CASE("a job that kills its host ends in the dead letters", "[pg][failures]")
{
    queue_database db;
    const auto me = db.instance(1000h);
    submission sent;
    sent.extent(db.job("killer", {.max_attempts = 1, .idempotent = true})).commit(db.service());
    int attempts = 0;
    for (auto clock = 0s; dead_letters(db).empty(); clock += 10s) {
        REQUIRE(++attempts < 30);
        db.move_clock(clock);
        const auto victim = db.instance(5s);
        REQUIRE(claim(db.service(), victim).size() == 1);
        db.move_clock(clock + 6s);
        REQUIRE(storage::tick(db.service(), me, true).dead == 1);
        REQUIRE(storage::takeover(db.service(), me, priority_age, 10) == 1);
        storage::takeover(db.service(), me, priority_age, 10);
    }
    CHECK(attempts == 21);
    CHECK(db.violations() == "");
}

TEST_CASE("what waits longer than it may ends as EXPIRED", "[pg][failures][expiry]")
{
    queue_database db;
    const auto me = db.instance(24h);
    const auto job = db.job("a", {.rules = R"({"queue_timeout_ms": 60000})"});
    submission sent;
    sent.extent(job, 5).wait(60s).extent(db.job("b"), 1).commit(db.service());
    CHECK_FALSE(storage::tick(db.service(), me, false).expired);
    // Half of it is claimed in time; what is handed back keeps its deadline.
    const auto some = claim(db.service(), me, 2);
    REQUIRE(hand_back(db.service(), me, some[0]) == 2);
    db.move_clock(61s);
    REQUIRE(storage::tick(db.service(), me, false).expired);

    CHECK(storage::expire(db.service(), 1h, 3).size() == 3);
    CHECK(db.violations() == "");
    CHECK(storage::expire(db.service(), 1h, 100).size() == 2);
    CHECK(storage::expire(db.service(), 1h, 100).empty());
    CHECK_FALSE(storage::tick(db.service(), me, false).expired);
    for (std::size_t i = 0; i < 5; ++i) {
        CHECK(db.value(fmt::format("select status || ' ' || error_code from v_executions where execution_id = '{}'", sent.id(i).str())) == "TIMEOUT EXPIRED");
    }
    CHECK(db.status(sent.id(5)) == "QUEUED");
    CHECK(db.value("select count(*) from dead_letters") == "5");
    CHECK(db.value("select string_agg(distinct error_category, ',') from v_errors") == "TIMEOUT");
    CHECK(db.violations() == "");
}

TEST_CASE("what is claimed does not expire, nor is what has expired claimed", "[pg][failures][expiry]")
{
    queue_database db;
    const auto me = db.instance(24h);
    const auto job = db.job("a", {.rules = R"({"queue_timeout_ms": 60000})"});
    submission sent;
    sent.extent(job, 1).wait(60s).extent(job, 1).wait(60s).commit(db.service());
    const auto running = claim(db.service(), me, 1);
    db.move_clock(61s);
    CHECK(claim(db.service(), me).empty());
    CHECK(storage::expire(db.service(), 1h, 100).size() == 1);
    CHECK(ends(running[0]).end(running[0].lo).commit(db.service(), me).empty());
    CHECK(db.violations() == "");
}

TEST_CASE("the next attempt may wait as long again", "[pg][failures][expiry]")
{
    queue_database db;
    const auto me = db.instance(24h);
    const auto job = db.job("a", {.rules = R"({"queue_timeout_ms": 60000})"});
    submission sent;
    sent.extent(job).wait(60s).commit(db.service());
    const auto next = first_of_new_block();
    ends(claim_one(db.service(), me)).fail(sent.id(), next, 30s, 1h, 60s).commit(db.service(), me);
    CHECK(db.value(fmt::format("select expires_at - eligible_at from extents where lo = '{}'", next.str())) == "00:01:00");
}

TEST_CASE("a retry by hand is the next attempt of the run, and another at the same time is refused", "[pg][failures][retry]")
{
    queue_database db;
    const auto me = db.instance(1h);
    submission sent;
    sent.extent(db.job("a", {.max_attempts = 1})).commit(db.service());
    CHECK(storage::retry(db.service(), default_tenant, sent.id(), "me", priority_age).refusal == storage::retry_refusal::live);
    fail_for_good(db, me, sent.id());

    CHECK(storage::retry(db.service(), db.tenant("other"), sent.id(), "me", priority_age).refusal == storage::retry_refusal::not_found);
    const auto made = storage::retry(db.service(), default_tenant, sent.id(), "me", priority_age);
    REQUIRE(made.refusal == storage::retry_refusal::none);
    CHECK(storage::retry(db.service(), default_tenant, sent.id(), "me", priority_age).refusal == storage::retry_refusal::live);
    CHECK(db.value(fmt::format("select attempt_number || ' ' || status || ' ' || run_id from v_executions where execution_id = '{}'", made.next.str())) == "2 QUEUED " + sent.id().str());
    CHECK(db.value("select status || ' ' || retried_by from dead_letters") == "RETRIED me");
    CHECK(db.violations() == "");

    // It may be named by any attempt of the run.
    fail_for_good(db, me, made.next);
    const auto third = storage::retry(db.service(), default_tenant, sent.id(), "me", priority_age);
    REQUIRE(third.refusal == storage::retry_refusal::none);
    ends(claim_one(db.service(), me)).end(third.next).commit(db.service(), me);
    CHECK(storage::retry(db.service(), default_tenant, sent.id(), "me", priority_age).refusal == storage::retry_refusal::ended);
    CHECK(db.value(fmt::format("select status || ' ' || attempts from v_runs where run_id = '{}'", sent.id().str())) == "COMPLETED 3");
    CHECK(db.violations() == "");
}

TEST_CASE("equal submissions of a job with dedupe are one unfinished run", "[pg][failures][dedupe]")
{
    queue_database db;
    const auto me = db.instance(1h);
    const auto job = db.job("a", {.max_attempts = 1, .rules = R"({"dedupe": true})"});
    submission first;
    CHECK(first.extent(job, 1, {.parameters = R"({"n": 1, "m": 2})"}).fingerprint(job, R"({"n": 1, "m": 2})", 1).commit(db.service()).keys.empty());

    submission again;
    const auto same = again.extent(job, 1, {.parameters = R"({"m":2,"n":1})"}).fingerprint(job, R"({"m":2,"n":1})", 1).commit(db.service());
    REQUIRE(same.keys.size() == 1);
    CHECK(same.keys[0].same_request);
    CHECK(same.keys[0].execution == first.id());
    submission other;
    CHECK(other.extent(job, 1, {.parameters = R"({"n": 2})"}).fingerprint(job, R"({"n": 2})", 1).commit(db.service()).keys.empty());
    CHECK(db.value("select count(*) from executions") == "2");
    CHECK(db.violations() == "");

    // Two at once, in one commit.
    submission both;
    const auto pair = both.extent(job, 1, {.parameters = R"({"n": 3})"}).fingerprint(job, R"({"n": 3})", 1).extent(job, 1, {.parameters = R"({"n":3})"}).fingerprint(job, R"({"n":3})", 2).commit(db.service());
    REQUIRE(pair.keys.size() == 1);
    CHECK(pair.keys[0].execution == both.id(0));
    CHECK(db.value("select count(*) from executions") == "3");

    // Once it has ended the next may come; and a retry of the old one may not.
    for (const auto& x : claim(db.service(), me)) {
        ends done(x);
        for (const auto& id : ids_in(x.lo, x.hi)) done.end(id, execution_status::failed).recorded(error_category::permanent, 1h);
        done.commit(db.service(), me);
    }
    submission later;
    CHECK(later.extent(job, 1, {.parameters = R"({"n": 1, "m": 2})"}).fingerprint(job, R"({"n": 1, "m": 2})", 1).commit(db.service()).keys.empty());
    CHECK(storage::retry(db.service(), default_tenant, first.id(), "me", priority_age).refusal == storage::retry_refusal::duplicate);
    CHECK(storage::retry(db.service(), default_tenant, other.id(), "me", priority_age).refusal == storage::retry_refusal::none);
    submission while_retried;
    CHECK(while_retried.extent(job, 1, {.parameters = R"({"n": 2})"}).fingerprint(job, R"({"n": 2})", 1).commit(db.service()).keys.size() == 1);
    CHECK(db.violations() == "");
}

TEST_CASE("an idempotency key of what dedupe answers names the run that is answered with", "[pg][failures][dedupe]")
{
    queue_database db;
    const auto job = db.job("a", {.rules = R"({"dedupe": true})"});
    submission first;
    first.extent(job, 1, {.parameters = R"({"n": 1})"}).fingerprint(job, R"({"n": 1})", 1).commit(db.service());
    submission keyed;
    keyed.extent(job, 1, {.parameters = R"({"n": 1})"}).key(default_tenant, "k", R"({"job_id":"a"})", 1).fingerprint(job, R"({"n": 1})", 1).commit(db.service());
    CHECK(db.value("select execution_id from idempotency_keys where key = 'k'") == first.id().str());
    CHECK(db.violations() == "");
}

TEST_CASE("a fingerprint holds while its run goes on, however long that takes", "[pg][failures][dedupe]")
{
    queue_database db;
    const auto me = db.instance(1000h);
    const auto job = db.job("a", {.rules = R"({"dedupe": true})"});
    submission first;
    first.extent(job, 1, {.parameters = "{}"}).fingerprint(job, "{}", 1).commit(db.service());
    db.move_clock(48h);
    storage::sweep(db.service(), 100);
    submission again;
    CHECK(again.extent(job, 1, {.parameters = "{}"}).fingerprint(job, "{}", 1).commit(db.service()).keys.size() == 1);
    ends(claim_one(db.service(), me)).end(first.id()).commit(db.service(), me);
    db.move_clock(96h);
    storage::sweep(db.service(), 100);
    CHECK(db.value("select count(*) from idempotency_keys") == "0");
}
