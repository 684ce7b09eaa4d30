#include "tests/pg/retention/past.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <latch>
#include <thread>

using namespace rowlock;
using namespace rowlock::test;

namespace {

// Of each queue, `n` errors, a minute apart; the last one was now. Numbered from the oldest.
void make_errors(queue_database& db, int n)
{
    db.rows(fmt::format("insert into errors (error_id, queue, tenant_key, error_code, created_at) select gen_random_uuid(), q, 1, 'E' || k, clock() - ({0} - k) * interval '1 minute' "
                        "from generate_series(1, 3) q, generate_series(1, {0}) k", n));
}

std::string left_in(queue_database& db, int queue)
{
    return db.value(fmt::format("select string_agg(error_code, ',' order by created_at) from errors where queue = {}", queue));
}

storage::kept errors_for(int capacity, std::chrono::milliseconds time)
{
    return {.errors_per_queue = capacity, .errors = time};
}

}

TEST_CASE("an error queue over its capacity keeps the newest", "[pg][retention]")
{
    queue_database db;
    make_errors(db, 7);
    db.rows("delete from errors where queue = 2 and error_code > 'E2'");
    const auto swept = storage::sweep_failures(db.service(), errors_for(3, one_day), 100);
    CHECK(swept.errors == 8);
    CHECK(left_in(db, 1) == "E5,E6,E7");
    CHECK(left_in(db, 2) == "E1,E2");
    CHECK(left_in(db, 3) == "E5,E6,E7");
    CHECK(storage::sweep_failures(db.service(), errors_for(3, one_day), 100).errors == 0);
    CHECK(db.value("select string_agg(row_count || ' ' || reason, ',' order by reason) from v_retention") == "4 execution_errors keeps the latest 3,4 scheduling_errors keeps the latest 3");
}

TEST_CASE("errors go when they have been kept for long enough", "[pg][retention]")
{
    queue_database db;
    make_errors(db, 5);
    CHECK(storage::sweep_failures(db.service(), errors_for(100, one_day), 100).errors == 0);
    db.move_clock(one_day - std::chrono::seconds{90});
    CHECK(storage::sweep_failures(db.service(), errors_for(100, one_day), 100).errors == 9);
    CHECK(left_in(db, 3) == "E4,E5");
    db.move_clock(2 * one_day);
    CHECK(storage::sweep_failures(db.service(), errors_for(100, one_day), 100).errors == 6);
    CHECK(db.value("select sum(row_count) from v_retention where what = 'errors'") == "15");
}

TEST_CASE("errors of one moment are told apart when a queue is cut to its capacity", "[pg][retention]")
{
    queue_database db;
    db.rows("insert into errors (error_id, queue, tenant_key) select gen_random_uuid(), 3, 1 from generate_series(1, 50)");
    CHECK(storage::sweep_failures(db.service(), errors_for(20, one_day), 100).errors == 30);
    CHECK(db.value("select count(*) from errors") == "20");
}

TEST_CASE("dead letters go when they expire, whatever their number", "[pg][retention]")
{
    past p;
    const auto job = p.job("a");
    for (int i = 0; i < 5; ++i) {
        const auto id = p.ended(job, 1, {.status = execution_status::failed});
        p.db().rows(fmt::format("insert into dead_letters (dead_letter_id, run_id, tenant_key, job_key, expires_at) values ('{0}', '{0}', 1, {1}, clock() + interval '1 day' * {2})", id.str(), job.key.value, i + 1));
    }
    CHECK(storage::sweep_failures(p.db().service(), errors_for(1, one_day), 100).dead_letters == 0);
    p.days_later(3);
    CHECK(storage::sweep_failures(p.db().service(), errors_for(1, one_day), 2).dead_letters == 2);
    CHECK(storage::sweep_failures(p.db().service(), errors_for(1, one_day), 2).dead_letters == 1);
    CHECK(p.db().value("select count(*) from dead_letters") == "2");
    CHECK(p.db().value("select sum(row_count) from v_retention where what = 'dead_letters' and reason = 'expired'") == "3");
    CHECK(p.db().value("select count(*) from executions") == "5");
    CHECK(p.db().violations() == "");
}

TEST_CASE("sweeps of errors are bounded, pass over what is locked, and never stand in each other's way", "[pg][retention]")
{
    queue_database db;
    make_errors(db, 40);
    CHECK(storage::sweep_failures(db.service(), errors_for(0, one_day), 10).errors == 10);
    {
        pqxx::connection other(db.url());
        pqxx::work holds(other);
        holds.exec("select 1 from rowlock.errors where error_code in ('E30', 'E31') for update");
        while (storage::sweep_failures(db.service(), errors_for(0, one_day), 25).errors > 0) {}
        CHECK(db.value("select count(*) from errors") == "6");
    }
    make_errors(db, 300);
    constexpr int sweepers = 4;
    std::latch start(sweepers);
    std::atomic<std::int64_t> swept{0};
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < sweepers; ++t) {
            threads.emplace_back([&] {
                storage::session mine({.url = db.url()});
                start.arrive_and_wait();
                for (;;) {
                    const auto n = storage::sweep_failures(mine, errors_for(10, one_day), 20).errors;
                    if (n == 0) break;
                    swept += n;
                }
            });
        }
    }
    while (storage::sweep_failures(db.service(), errors_for(10, one_day), 100).errors > 0) {}
    CHECK(db.value("select count(*) from errors") == "30");
    CHECK(left_in(db, 1) == "E291,E292,E293,E294,E295,E296,E297,E298,E299,E300");
}

TEST_CASE("logs and checkpoints of runs that ended long ago may go before their history", "[pg][retention]")
{
    past p;
    const auto job = p.job("a");
    const auto old = p.ended(job, 9);
    const auto late = p.ended(job, 9, {.ended_days_later = 7});
    const auto run = p.run(job, {9, 8, 2});
    const auto recent = p.ended(job, 3);
    for (const auto& id : {old, late, run[0], run[1], run[2], recent}) p.leave_records(id);
    const auto sweep = [&](storage::run_record what) {
        std::int64_t dropped = 0;
        for (int i = 0; i < 20; ++i) {
            const auto swept = storage::sweep_records(p.db().service(), what, 4 * one_day, 2);
            if (swept.looked == 0) break;
            CHECK(swept.looked <= 2);
            dropped += swept.dropped;
        }
        return dropped;
    };
    const auto owners = [&](const char* table) { return p.db().value(fmt::format("select count(distinct execution_id) from {}", table)); };
    CHECK(sweep(storage::run_record::log) == 2);
    CHECK(sweep(storage::run_record::checkpoint) == 1);
    // Those of a run stay until its last attempt ended so long ago.
    CHECK(owners("logs") == "5");
    CHECK(owners("checkpoints") == "5");
    CHECK(p.db().value(fmt::format("select count(*) from logs where execution_id = '{}'", old.str())) == "0");
    CHECK(p.db().value(fmt::format("select count(*) from checkpoints where execution_id = '{}'", run[0].str())) == "1");
    CHECK(p.has(old));
    // It begins anew, for what had not ended.
    CHECK(sweep(storage::run_record::log) == 0);
    p.days_later(5);
    CHECK(sweep(storage::run_record::log) == 10);
    CHECK(sweep(storage::run_record::checkpoint) == 5);
    CHECK(p.db().value("select sum(row_count) filter (where what = 'logs') || ' ' || sum(row_count) filter (where what = 'checkpoints') from v_retention") == "12 6");
    CHECK_THROWS_AS(storage::sweep_records(p.db().service(), storage::run_record::log, std::chrono::hours{1}, 10), pqxx::sql_error);
}

TEST_CASE("the checkpoints of a run that goes on stay, whatever their age", "[pg][retention]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance(std::chrono::hours{24 * 365});
    submission sent;
    sent.extent(job, 1).commit(db.service());
    claim_one(db.service(), me);
    db.rows(fmt::format("insert into checkpoints (execution_id, run_id, checkpoint_number, sha256, body) values ('{0}', '{0}', 1, '', '');"
                        "insert into logs (execution_id, part, stream, body) values ('{0}', 1, 1, '')", sent.id().str()));
    db.move_clock(30 * one_day);
    for (const auto what : {storage::run_record::log, storage::run_record::checkpoint}) {
        CHECK(storage::sweep_records(db.service(), what, one_day, 10).dropped == 0);
    }
    CHECK(db.value("select (select count(*) from logs) + (select count(*) from checkpoints)") == "2");
}
