#include "tests/pg/retention/past.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using deed = storage::history_step::deed;

namespace {

constexpr int kept_days = 2;
constexpr int day = 6;
// 50 ms for the lock of each of ten days, and the rest of the work on a slow machine: a reader that was waited for would take for ever.
constexpr std::chrono::seconds patience_for_all_days{30};

// What holds an execution back, and what lets it go.
struct pin {
    const char* name;
    const char* says;
    void (*put)(past&, const execution_id&);
    void (*lift)(past&, const execution_id&);
};

void end_plans(past& p, const execution_id&)
{
    p.db().rows("update plan_blocks set states = '{5}'; delete from plan_work; update plan_progress set status = 5, unended = 0, ended_at = clock()");
}

const pin pins[] = {
    {"an idempotency key", "an idempotency key",
     [](past& p, const execution_id& id) {
         p.db().rows(fmt::format("insert into idempotency_keys (tenant_key, key, hash, hash2, execution_id, expires_at) values (1, 'k', 0, 0, '{}', clock() + interval '1 year')", id.str()));
     },
     [](past& p, const execution_id&) { p.db().rows("delete from idempotency_keys"); }},
    {"the key of a batch", "an idempotency key",
     [](past& p, const execution_id& id) {
         const auto first = p.ended(p.job("other"), 1);
         p.db().rows(fmt::format("insert into idempotency_keys (tenant_key, key, hash, hash2, execution_id, execution_ids, expires_at) values (1, 'k', 0, 0, '{0}', array['{0}', '{1}']::uuid[], "
                                 "clock() + interval '1 year')", first.str(), id.str()));
     },
     [](past& p, const execution_id&) { p.db().rows("delete from idempotency_keys"); }},
    {"an open dead letter", "an open dead letter",
     [](past& p, const execution_id& id) {
         p.db().rows(fmt::format("insert into dead_letters (dead_letter_id, run_id, tenant_key, job_key, expires_at) select execution_id, run_id, 1, job_key, clock() + interval '1 year' from "
                                 "executions where execution_id = '{}'", id.str()));
     },
     [](past& p, const execution_id&) { p.db().rows("update dead_letters set expires_at = clock()"); }},
    {"a later attempt that somebody asked for", "a run that went on on another day",
     [](past& p, const execution_id& id) {
         const auto next = p.ended({default_tenant, {1}, {1}}, 1, {.attempt = 2, .run = id});
         p.db().rows(fmt::format("insert into manual_retries (execution_id, next_execution_id, actor) values ('{}', '{}', 'test')", id.str(), next.str()));
     },
     [](past&, const execution_id&) {}},
    {"a plan that has not ended", "a plan that has not ended",
     [](past& p, const execution_id& id) {
         p.db().rows(fmt::format("set session_replication_role = replica; update executions set plan_run_id = execution_id where execution_id = '{0}'; "
                                 "set session_replication_role = origin; insert into plan_progress (plan_run_id, nodes, unended) values ('{0}', 1, 1); "
                                 "insert into plan_blocks values ('{0}', 0, '{{0}}', '{{1}}'); insert into plan_work (plan_run_id, kind) values ('{0}', 4)", id.str()));
     },
     end_plans},
    {"a rerun that has not ended and keeps its result", "a plan that has not ended",
     [](past& p, const execution_id& id) {
         // It began today: its own id holds no day back.
         const auto rerun = p.db().value("select first_id_at(clock())");
         p.plan_run(rerun, id.str());
         p.db().rows(fmt::format("set session_replication_role = replica; update executions set plan_run_id = execution_id where execution_id = '{0}'; set session_replication_role = origin; "
                                 "insert into plan_nodes (plan_run_id, node_no, node_id, job_key, job_version, lane_id, priority, is_gate, layer, needs, kept_run, kept_no) "
                                 "select '{1}', 0, 'a', job_key, 1, lane_id, 0, false, 0, 0, '{0}', 0 from executions where execution_id = '{0}'; "
                                 "insert into plan_progress (plan_run_id, nodes, unended) values ('{1}', 1, 1); "
                                 "insert into plan_blocks values ('{1}', 0, '{{0}}', '{{1}}'); insert into plan_work (plan_run_id, kind) values ('{1}', 4)", id.str(), rerun));
     },
     end_plans},
};

}

TEST_CASE("what pins an execution keeps it, and its day, and nothing else", "[pg][retention]")
{
    past p;
    const auto job = p.job("a");
    const auto pinned = p.ended(job, day, {.status = execution_status::failed});
    const auto free = p.ended(job, day);
    const auto& x = GENERATE(from_range(std::begin(pins), std::end(pins)));
    INFO(x.name);
    x.put(p, pinned);
    p.leave_records(pinned);
    const int records = p.records_of(pinned);

    p.drop(kept_days);
    CHECK(p.has(pinned));
    CHECK(p.records_of(pinned) == records);
    CHECK_FALSE(p.has(free));
    CHECK(p.pinned_by(day) == x.says);
    x.lift(p, pinned);
    p.days_later(4);
    p.drop(kept_days);
    CHECK_FALSE(p.has(pinned));
    CHECK(p.records_of(pinned) == 0);
    CHECK_FALSE(p.has_day(day));
}

TEST_CASE("an execution that waits or runs keeps its run, whatever its age", "[pg][retention]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance(std::chrono::hours{24 * 365});
    db.move_clock({});
    submission sent;
    sent.extent(job, 3).commit(db.service());
    const auto x = claim_one(db.service(), me, 2);
    REQUIRE(ends(x).end(sent.id(0)).commit(db.service(), me).empty());
    const auto all_days_later = [&](int days) {
        db.move_clock(days * one_day);
        for (int i = 0; i < 50 && storage::drop_history(db.service(), one_day, 10).did != deed::nothing; ++i) CHECK(db.violations() == "");
    };
    all_days_later(30);
    // Its partition stays; what has ended and has outlived its time goes by itself.
    CHECK(db.value("select string_agg(execution_id::text, ',' order by execution_id) from executions") == sent.id(1).str() + "," + sent.id(2).str());
    CHECK(db.value("select count(*) from v_history_days where pinned_by = 'an execution that has not ended'") == "1");

    // A next attempt of the one that runs: from now on the run is that long.
    storage::make_partitions(db.service(), 1);
    const auto next = *execution_id::parse(db.value("select execution_id_of((extract(epoch from clock()) * 1000)::bigint, 7, 0)"));
    REQUIRE(ends(x).fail(sent.id(1), next).commit(db.service(), me).empty());
    REQUIRE(storage::cancel(db.service(), job.tenant, sent.id(2), "test", "").ended);
    all_days_later(60);
    CHECK(db.value("select string_agg(execution_id::text, ',' order by execution_id) from executions") == sent.id(1).str() + "," + next.str());
    CHECK(db.status(next) == "QUEUED");

    const auto y = claim_one(db.service(), me);
    REQUIRE(ends(y).end(next).commit(db.service(), me).empty());
    all_days_later(60);
    CHECK(db.value("select count(*) from executions") == "2");
    all_days_later(63);
    CHECK(db.value("select count(*) from executions") == "0");
    CHECK(db.violations() == "");
}

TEST_CASE("a reader is not waited for, and a day that it reads goes later", "[pg][retention]")
{
    past p;
    const auto job = p.job("a");
    const auto id = p.ended(job, day);
    {
        pqxx::connection reader(p.db().url());
        pqxx::work reading(reader);
        reading.exec("select count(*) from rowlock.executions");
        const auto before = std::chrono::steady_clock::now();
        const auto steps = p.drop(kept_days);
        CHECK(std::chrono::steady_clock::now() - before < patience_for_all_days);
        CHECK(count(steps, deed::blocked) > 0);
        CHECK(count(steps, deed::day) == 0);
        CHECK(p.has(id));
        CHECK(p.pinned_by(day) == "a reader");
        // And nobody waits for us: a submission goes through beside it.
        submission sent;
        sent.extent(job, 1).commit(p.db().service());
    }
    p.days_later(1);
    CHECK(count(p.drop(kept_days), deed::day) > 0);
    CHECK_FALSE(p.has_day(day));
}

TEST_CASE("a run that is being retried is not deleted, and one that is being deleted is not retried", "[pg][retention]")
{
    past p;
    const auto job = p.job("a");
    const auto id = p.ended(job, day, {.status = execution_status::failed});
    const auto retry = [&](pqxx::transaction_base& tx) {
        tx.exec("set local search_path = rowlock");
        const auto answer = tx.exec(fmt::format("select next is not null, coalesce(refusal, '') from retry_1(1, array['{}']::uuid[], 'test', 1)", id.str()));
        return answer[0][0].as<bool>() ? std::string("retried") : answer[0][1].as<std::string>();
    };
    {
        pqxx::connection other(p.db().url());
        pqxx::work retrying(other);
        CHECK(retry(retrying) == "retried");
        CHECK(storage::drop_history(p.db().service(), kept_days * one_day, 100).did == deed::busy);
        retrying.commit();
    }
    p.drop(kept_days);
    CHECK(p.has(id));
    CHECK(p.db().value("select count(*) from executions") == "2");
    CHECK(p.pinned_by(day) == "a run that went on on another day");

    const auto gone = p.ended(p.job("b", 2), 1, {.status = execution_status::failed});
    p.days_later(4);
    p.drop(kept_days);
    REQUIRE_FALSE(p.has(gone));
    pqxx::connection other(p.db().url());
    pqxx::work late(other);
    late.exec("set local search_path = rowlock");
    CHECK(late.exec(fmt::format("select refusal from retry_1(1, array['{}']::uuid[], 'test', 1)", gone.str()))[0][0].as<std::string>() == "NOT_FOUND");
}
