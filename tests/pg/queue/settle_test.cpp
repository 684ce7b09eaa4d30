#include "tests/pg/queue/queue_traffic.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

// Everything that a settle could change.
std::string everything(queue_database& db)
{
    return db.value("select concat((select json_agg(r order by execution_id) from results r), (select json_agg(s order by lo) from extents s),"
                    " (select json_agg(execution_id order by execution_id) from executions), (select json_agg(c order by execution_id) from cancel_requests c),"
                    " (select json_agg(l) from limits l))");
}

}

TEST_CASE("an end under a claim that does not hold any more changes nothing", "[pg][queue]")
{
    struct row {
        const char* why;
        int fence;
        bool other_instance;
        bool lo_of_another;
    };
    const auto r = GENERATE(values<row>({
        {"an older fence", 1, false, false},
        {"a fence that was never given", 3, false, false},
        {"another instance than the owner", 2, true, false},
        {"an extent that is not there", 2, false, true},
    }));
    INFO(r.why);
    queue_database db;
    const auto job = db.job("a");
    db.limit(5, {job});
    const auto me = db.instance();
    const auto other = db.instance();
    submission sent;
    sent.extent(job, 2).commit(db.service());
    REQUIRE(hand_back(db.service(), me, claim_one(db.service(), me)) == 2);
    const auto mine = claim_one(db.service(), me);
    REQUIRE(mine.fence == fence{2});
    storage::cancel(db.service(), job.tenant, sent.id(1), "test", "no more");

    const auto before = everything(db);
    const auto lo = r.lo_of_another ? sent.id(1) : mine.lo;
    ends stale;
    stale.from(lo, {r.fence}).fail(sent.id(0), first_of_new_block()).end(sent.id(1)).clean();
    CHECK(stale.commit(db.service(), r.other_instance ? other : me) == std::vector{lo});
    CHECK(everything(db) == before);
    CHECK(db.violations() == "");
}

TEST_CASE("ends of a lost extent do not touch the others of their commit", "[pg][queue]")
{
    queue_database db;
    const auto a = db.job("a");
    const auto b = db.job("b");
    const auto me = db.instance();
    const auto other = db.instance();
    submission sent;
    sent.extent(a, 2).extent(b, 2).commit(db.service());
    const auto all = claim(db.service(), me);
    REQUIRE(all.size() == 2);
    const auto& kept = all[0].lo == sent.id(0) ? all[0] : all[1];
    const auto& lost = all[0].lo == sent.id(0) ? all[1] : all[0];
    REQUIRE(hand_back(db.service(), me, lost) == 2);
    const auto theirs = claim_one(db.service(), other);
    REQUIRE(storage::cancel(db.service(), b.tenant, sent.id(3), "test", "no more").owner == other);

    ends mixed;
    mixed.from(lost.lo, lost.fence).end(sent.id(3)).clean().end(sent.id(2)).from(kept.lo, kept.fence).end(sent.id(1)).end(sent.id(0));
    CHECK(mixed.commit(db.service(), me) == std::vector{lost.lo});
    CHECK(db.status(sent.id(0)) == "COMPLETED");
    CHECK(db.status(sent.id(1)) == "COMPLETED");
    CHECK(db.status(sent.id(2)) == "RUNNING");

    // The request to cancel is the new owner's now: an end that was lost must not have cleaned it away.
    const auto requests = storage::cancel_requests(db.service(), other);
    REQUIRE(requests.size() == 1);
    CHECK(requests[0].id == sent.id(3));
    CHECK(ends(theirs).end(sent.id(2)).end(sent.id(3), execution_status::cancelled).clean().commit(db.service(), other).empty());
    CHECK(storage::cancel_requests(db.service(), other).empty());
    CHECK(db.violations() == "");
}

TEST_CASE("an end that is sent twice, or lies outside its extent, is refused with its whole commit", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance();
    submission sent;
    sent.extent(job, 3).extent(job, 1).commit(db.service());
    const auto mine = claim_one(db.service(), me, 3);
    REQUIRE(ends(mine).end(sent.id(0)).commit(db.service(), me).empty());

    struct row {
        const char* why;
        execution_id bad;
        const char* sqlstate;
    };
    for (const row& r : {row{"it has ended before", sent.id(0), "23505"}, row{"it is twice in the commit", sent.id(1), "23505"},
                         row{"it lies in another extent", sent.id(3), "RL002"}, row{"it does not exist", first_of_new_block(), "RL002"}}) {
        INFO(r.why);
        const auto before = everything(db);
        ends refused(mine);
        refused.end(sent.id(1)).end(r.bad);
        std::string sqlstate;
        try {
            refused.commit(db.service(), me);
        } catch (const pqxx::sql_error& e) {
            sqlstate = storage::sqlstate_of(e);
        }
        CHECK(sqlstate == r.sqlstate);
        CHECK(everything(db) == before);
    }
    CHECK(ends(mine).end(sent.id(1)).end(sent.id(2)).commit(db.service(), me).empty());
    CHECK(db.violations() == "");
}

TEST_CASE("an extent can be settled in parts, in any order, and counts what is left", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance();
    submission sent;
    sent.extent(job, 6).commit(db.service());
    const auto mine = claim_one(db.service(), me);
    const auto remaining = [&] { return db.value("select coalesce(sum(remaining), 0) from extents"); };

    CHECK(ends(mine).end(sent.id(4)).end(sent.id(1)).commit(db.service(), me).empty());
    CHECK(remaining() == "4");
    CHECK(db.status(sent.id(1)) == "COMPLETED");
    CHECK(db.status(sent.id(2)) == "RUNNING");
    CHECK(db.violations() == "");
    CHECK(ends(mine).end(sent.id(0), execution_status::timeout).commit(db.service(), me).empty());
    CHECK(remaining() == "3");
    CHECK(db.violations() == "");
    CHECK(ends(mine).end(sent.id(5)).end(sent.id(2)).end(sent.id(3)).commit(db.service(), me).empty());
    CHECK(remaining() == "0");
    CHECK(storage::owned_extents(db.service(), me).empty());
    CHECK(db.violations() == "");
}

TEST_CASE("a settle that may have been committed can be repeated", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance();
    submission sent;
    sent.extent(job, 4).commit(db.service());
    const auto mine = claim_one(db.service(), me);
    const auto next = first_of_new_block();
    REQUIRE(ends(mine).end(sent.id(0)).fail(sent.id(1), next).commit(db.service(), me).empty());

    SECTION("what was committed is passed over, the rest is done")
    {
        CHECK(ends(mine).end(sent.id(0), execution_status::failed).fail(sent.id(1), first_of_new_block()).end(sent.id(2)).commit(db.service(), me, true).empty());
        CHECK(db.status(sent.id(0)) == "COMPLETED");
        CHECK(db.status(sent.id(2)) == "COMPLETED");
        CHECK(db.value("select count(*) from executions") == "5");
        CHECK(db.value("select remaining from extents where owner is not null") == "1");
    }
    SECTION("what was committed whole is not there any more, and nothing changes")
    {
        REQUIRE(ends(mine).end(sent.id(2)).end(sent.id(3)).commit(db.service(), me).empty());
        const auto before = everything(db);
        CHECK(ends(mine).end(sent.id(2)).end(sent.id(3)).commit(db.service(), me, true) == std::vector{mine.lo});
        CHECK(everything(db) == before);
    }
    CHECK(db.violations() == "");
}

TEST_CASE("the attempts of a run are numbered without gaps and name the first as their parent", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance(1h);
    submission sent;
    sent.extent(job, 1, {.priority = 3, .correlation = "c"}).commit(db.service());
    std::vector<execution_id> attempts{sent.id()};
    for (int i = 0; i < 3; ++i) {
        const auto mine = claim_one(db.service(), me);
        CHECK(mine.lo == attempts.back());
        attempts.push_back(first_of_new_block());
        CHECK(ends(mine).fail(mine.lo, attempts.back()).commit(db.service(), me).empty());
    }
    const auto rows = db.rows("select execution_id, run_id, parent_execution_id, attempt_number, trigger_type, priority, correlation_id, status, next_execution_id"
                              " from v_executions order by attempt_number");
    REQUIRE(rows.size() == 4);
    for (std::size_t at = 0; at < 4; ++at) {
        const int i = static_cast<int>(at);
        const auto row = rows.at(at);
        CHECK(row["execution_id"].as<std::string>() == attempts[at].str());
        CHECK(row["run_id"].as<std::string>() == attempts[0].str());
        CHECK(std::string(row["parent_execution_id"].c_str()) == (i == 0 ? "" : attempts[0].str()));
        CHECK(row["attempt_number"].as<int>() == i + 1);
        CHECK(row["trigger_type"].as<std::string>() == (i == 0 ? "MANUAL" : "RETRY"));
        CHECK(row["priority"].as<int>() == 3);
        CHECK(row["correlation_id"].as<std::string>() == "c");
        CHECK(row["status"].as<std::string>() == (i == 3 ? "QUEUED" : "FAILED"));
        CHECK(std::string(row["next_execution_id"].c_str()) == (i == 3 ? "" : attempts[at + 1].str()));
    }
    const auto run = db.rows("select * from v_runs").at(0);
    CHECK(run["attempts"].as<int>() == 4);
    CHECK(run["last_execution_id"].as<std::string>() == attempts[3].str());
    CHECK(run["status"].as<std::string>() == "QUEUED");
    CHECK(storage::ended_of(db.service(), {attempts[0]}).empty());

    REQUIRE(ends(claim_one(db.service(), me)).end(attempts[3]).commit(db.service(), me).empty());
    CHECK(storage::ended_of(db.service(), {attempts[0], attempts[2]}) == std::vector{attempts[0], attempts[2]});
    CHECK(db.violations() == "");
}

TEST_CASE("a next attempt with a delay waits for it", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance(1h);
    submission sent;
    sent.extent(job).commit(db.service());
    const auto mine = claim_one(db.service(), me);
    const auto next = first_of_new_block();
    REQUIRE(ends(mine).fail(mine.lo, next, 90s).commit(db.service(), me).empty());
    CHECK(db.status(next) == "PENDING");
    CHECK(db.value(fmt::format("select waiting_on->>'rule' from v_executions where execution_id = '{}'", next.str())) == "backoff");
    db.move_clock(89s);
    storage::tick(db.service(), me, false);
    CHECK(claim(db.service(), me).empty());
    db.move_clock(92s);
    storage::tick(db.service(), me, false);
    CHECK(claim_one(db.service(), me).lo == next);
    CHECK(db.violations() == "");
}

TEST_CASE("a result keeps what the work came back with", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance();
    submission sent;
    sent.extent(job, 2).commit(db.service());
    const auto mine = claim_one(db.service(), me);
    ends done(mine);
    done.end(sent.id(0), execution_status::failed).end(sent.id(1));
    auto& c = done.columns();
    c.exit_code.add(static_cast<std::int32_t>(3));
    c.error_code.add(std::string_view("EXIT_3"));
    c.error_message.add(std::string_view("it broke"));
    c.records_processed.add(std::int64_t{5'000'000'000});
    c.records_failed.add(std::int64_t{1});
    c.metrics.add(std::string_view(R"({"m":1})"));
    c.outputs.add(std::string_view(R"({"o":[1,2]})"));
    c.termination.add(std::string_view("GRACEFUL"));
    c.actor.add_null();
    REQUIRE(done.commit(db.service(), me).empty());

    const auto row = db.rows(fmt::format("select * from v_executions where execution_id = '{}'", sent.id(0).str())).at(0);
    CHECK(row["result_status"].as<std::string>() == "FAILED");
    CHECK(row["instance_id"].as<int>() == me.value);
    CHECK(row["fence"].as<int>() == 1);
    CHECK(row["exit_code"].as<int>() == 3);
    CHECK(row["error_code"].as<std::string>() == "EXIT_3");
    CHECK(row["error_message"].as<std::string>() == "it broke");
    CHECK(row["records_processed"].as<std::int64_t>() == 5'000'000'000);
    CHECK(row["records_failed"].as<std::int64_t>() == 1);
    CHECK(row["metrics"].as<std::string>() == R"({"m": 1})");
    CHECK(row["outputs"].as<std::string>() == R"({"o": [1, 2]})");
    CHECK(row["termination"].as<std::string>() == "GRACEFUL");
    CHECK(db.value(fmt::format("select result_status from v_executions where execution_id = '{}'", sent.id(1).str())) == "SUCCESS");
    CHECK(db.violations() == "");
}

TEST_CASE("what is alone in its extent ends by deleting that, and everything else is as ever", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    db.limit(5, {job});
    const auto me = db.instance();
    submission sent;
    sent.extent(job).extent(job).extent(job).extent(job).commit(db.service());
    REQUIRE(claim(db.service(), me).size() == 4);
    REQUIRE(storage::cancel(db.service(), job.tenant, sent.id(2), "test", "no more").owner == me);
    const auto next = first_of_new_block();
    const auto never = first_of_new_block();

    ends done;
    done.alone(sent.id(0), fence{1}).alone(sent.id(1), fence{1}, execution_status::failed).retried(next, 90s);
    done.alone(sent.id(2), fence{1}, execution_status::failed).retried(never).clean().alone(sent.id(3), fence{1}, execution_status::timeout);
    const bool again = GENERATE(false, true);
    CHECK(done.commit(db.service(), me, again).empty());

    CHECK(db.status(sent.id(0)) == "COMPLETED");
    CHECK(db.status(sent.id(1)) == "FAILED");
    CHECK(db.status(next) == "PENDING");
    CHECK(db.status(sent.id(2)) == "FAILED");
    CHECK(db.status(sent.id(3)) == "TIMEOUT");
    // An accepted cancel ends the run.
    CHECK(db.value(fmt::format("select count(*) from executions where execution_id = '{}'", never.str())) == "0");
    CHECK(storage::cancel_requests(db.service(), me).empty());
    CHECK(db.value("select count(*) from extents where owner is not null") == "0");
    CHECK(db.value("select count(*) from results where started_at is null or returned_at < started_at or fence <> 1") == "0");
    CHECK(db.violations() == "");

    const auto before = everything(db);
    ends repeated;
    repeated.alone(sent.id(0), fence{1}).alone(sent.id(3), fence{1});
    CHECK(repeated.commit(db.service(), me, true) == std::vector{sent.id(0), sent.id(3)});
    CHECK(everything(db) == before);
}

TEST_CASE("of ends that are alone in their extents those under a claim that does not hold any more change nothing", "[pg][queue]")
{
    struct row {
        const char* why;
        int lost;
    };
    const auto r = GENERATE(values<row>({{"an older fence", 1}, {"another owner", 2}, {"an extent with others", 3}, {"there is none", 4}}));
    INFO(r.why);
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance();
    submission sent;
    sent.extent(job).extent(job).extent(job).extent(job, 2).extent(job).commit(db.service());
    const execution_id lost = r.lost < 4 ? sent.id(static_cast<std::size_t>(r.lost)) : first_of_new_block();
    auto extents = claim(db.service(), me);
    for (const auto& x : extents) {
        if (x.lo != lost || r.lost == 3) continue;
        hand_back(db.service(), me, x);
        const auto now = claim_one(db.service(), r.lost == 2 ? db.instance() : me);
        CHECK(now.lo == lost);
        CHECK(now.fence == fence{2});
    }
    const auto of_lost = fmt::format("select concat((select json_agg(s) from extents s where lo = '{0}'), (select json_agg(r) from results r where execution_id = '{0}'))", lost.str());
    const auto before = db.value(of_lost);

    std::vector<execution_id> order{sent.id(0), lost, sent.id(5)};
    if (GENERATE(false, true)) std::reverse(order.begin(), order.end());
    ends done;
    for (const auto& id : order) done.alone(id, fence{1});
    CHECK(done.commit(db.service(), me) == std::vector{lost});
    CHECK(db.status(sent.id(0)) == "COMPLETED");
    CHECK(db.status(sent.id(5)) == "COMPLETED");
    CHECK(db.value(of_lost) == before);
    CHECK(db.violations() == "");

    const auto all = everything(db);
    CHECK(ends().alone(lost, fence{1}).commit(db.service(), me) == std::vector{lost});
    CHECK(everything(db) == all);
}
