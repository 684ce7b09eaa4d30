#include "tests/pg/retention/past.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using deed = storage::history_step::deed;

TEST_CASE("a day of which everything has been kept for long enough is dropped whole, with all that hangs on it", "[pg][retention]")
{
    past p;
    const auto job = p.job("a");
    std::vector<execution_id> old;
    for (int i = 0; i < 5; ++i) old.push_back(p.ended(job, 4));
    const auto young = p.ended(job, 3);
    for (const auto& id : {old[0], old[1], young}) p.leave_records(id);
    const int records = p.records_of(young);
    REQUIRE(records == 8 + 1);

    const auto steps = p.drop(3);
    CHECK(count(steps, deed::runs) == 0);
    // The days before are empty, and go as well.
    for (int day = 4; day <= 10; ++day) CHECK_FALSE(p.has_day(day));
    CHECK(p.has_day(3));
    for (const auto& id : old) {
        CHECK_FALSE(p.has(id));
        CHECK(p.records_of(id) == 0);
    }
    CHECK(p.has(young));
    CHECK(p.records_of(young) == records);
    const auto log = p.db().rows(fmt::format("select row_count, first_id::text, last_id::text, at <= clock() from v_retention where what = 'day' and to_char(day, 'YYYYMMDD') = '{}'", p.day(4)));
    REQUIRE(log.size() == 1);
    CHECK(log[0][0].as<int>() == 5);
    CHECK(log[0][1].as<std::string>() <= old[0].str());
    CHECK(log[0][2].as<std::string>() > old[4].str());
    CHECK(log[0][3].as<bool>());
    // What hung on them is recorded by table, but for what nobody could miss.
    CHECK(p.db().value("select string_agg(distinct what, ',' order by what) from v_retention") ==
          "artifacts,checkpoints,day,errors,extra_transitions,live_notes,logs");
    CHECK(p.db().value("select sum(row_count) from v_retention where what = 'logs'") == "4");
}

TEST_CASE("history is kept for ever where nobody says otherwise, and for a day at least", "[pg][retention]")
{
    past p;
    const auto job = p.job("a");
    const auto id = p.ended(job, 9);
    p.days_later(3650);
    CHECK(p.drop(0).front().did == deed::nothing);
    CHECK(p.has(id));
    CHECK_THROWS_AS(storage::drop_history(p.db().service(), one_day - std::chrono::milliseconds{1}, 100), pqxx::sql_error);
    CHECK(p.has(id));
    CHECK(p.db().sqlstate("update jobs set history_retention = interval '1 hour'") == "23514");
    CHECK(p.db().value("select count(*) from v_retention") == "0");
}

TEST_CASE("the retention of a job is that of its current definition", "[pg][retention]")
{
    queue_database db;
    const auto put = [&](const char* definition, const char* rules) {
        db.rows(fmt::format("select * from put_job_1(1, 'a', '{}', jsonb_build_object('max_attempts', 1) || '{}', true, 'test', '', null)", definition, rules));
        return db.value("select extract(epoch from history_retention) / 86400 from jobs where job_id = 'a'");
    };
    CHECK(put("{}", "{}") == "");
    CHECK(std::stod(put(R"({"retention": {"history_days": 7}})", R"({"history_ms": 604800000})")) == 7);
    CHECK(std::stod(put(R"({"retention": {"history_days": 0}})", R"({"history_ms": 0})")) == 0);
    CHECK(put("{}", "{}") == "");
}

TEST_CASE("a day ends with its last execution: retention counts from there", "[pg][retention]")
{
    past p;
    const auto job = p.job("a");
    const auto id = p.ended(job, 8, {.ended_days_later = 5});
    p.drop(5);
    // The day could be dropped in two days; it has been there for too long to wait for that, but nothing in it has outlived its time.
    CHECK(p.has(id));
    CHECK(p.pinned_by(8) == "what is kept longer");
    CHECK_FALSE(p.has_day(9));
    p.days_later(1);
    p.drop(5);
    CHECK(p.has(id));
    p.days_later(2);
    p.drop(5);
    CHECK_FALSE(p.has_day(8));
}

TEST_CASE("where jobs are kept for different times, only what has outlived its own is deleted", "[pg][retention]")
{
    past p;
    const auto by_default = p.job("a");
    const auto longer = p.job("b", 30);
    const auto for_ever = p.job("c", 0);
    const auto a = p.ended(by_default, 6);
    const auto a_recent = p.ended(by_default, 1);
    const auto b = p.ended(longer, 6);
    const auto c = p.ended(for_ever, 5);
    const auto a5 = p.ended(by_default, 5);
    p.leave_records(a);
    p.leave_records(b);

    p.drop(3);
    CHECK_FALSE(p.has(a));
    CHECK(p.records_of(a) == 0);
    CHECK_FALSE(p.has(a5));
    CHECK(p.has(b));
    CHECK(p.records_of(b) == 9);
    CHECK(p.has(c));
    CHECK(p.has(a_recent));
    CHECK(p.pinned_by(6) == "what is kept longer");
    CHECK(p.db().value("select string_agg(row_count || ' of ' || job_id || ', ' || reason, '; ') from (select * from v_retention where what = 'runs' order by at, day) x") ==
          "1 of a, kept for 3 days; 1 of a, kept for 3 days");
    CHECK(p.db().value(fmt::format("select executions_left || ' ' || executions_dropped from v_history_days where to_char(day, 'YYYYMMDD') = '{}'", p.day(6))) == "1 1");

    p.days_later(40);
    p.drop(3);
    CHECK_FALSE(p.has_day(6));
    CHECK(p.has(c));
    CHECK(p.has_day(5));
    // A definition that says otherwise from now on.
    p.db().rows("update jobs set history_retention = null");
    p.days_later(42);
    p.drop(3);
    CHECK_FALSE(p.has_day(5));
}

TEST_CASE("a run that reaches over midnight is kept whole and goes whole", "[pg][retention]")
{
    past p;
    const auto job = p.job("a");
    const auto run = p.run(job, {8, 7, 4});
    const auto beside = p.ended(job, 8);
    const auto last_day = p.ended(job, 4);
    for (const auto& id : run) p.leave_records(id);

    p.drop(5);
    // Its last attempt has not been kept for long enough, so all of them stay; the others in its days do not.
    for (const auto& id : run) CHECK(p.has(id));
    CHECK_FALSE(p.has(beside));
    CHECK(p.pinned_by(8) == "a run that went on on another day");
    p.days_later(3);
    p.drop(5);
    for (const auto& id : run) {
        CHECK_FALSE(p.has(id));
        CHECK(p.records_of(id) == 0);
    }
    CHECK_FALSE(p.has(last_day));
    for (const int day : {8, 7, 4}) CHECK_FALSE(p.has_day(day));
    CHECK(p.db().value("select count(*) from run_borders") == "0");
    // A row a day: its attempts lay in three.
    CHECK(p.db().value("select sum(row_count) from v_retention where what in ('runs', 'day')") == "5");
}
