#include "tests/pg/queue/queue_traffic.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

using lines = std::vector<std::string>;

// "FROM>TO actor reason", in the order that the view documents.
lines transitions(queue_database& db, const execution_id& id)
{
    lines all;
    for (const auto& row : db.rows(fmt::format("select coalesce(from_status, '') || '>' || to_status || ' ' || actor || ' ' || reason"
                                               " from v_transitions where execution_id = '{}' order by at, step", id.str()))) {
        all.push_back(row[0].as<std::string>());
    }
    // Each begins where the one before ended.
    CHECK(db.value(fmt::format("select count(*) from (select from_status, lag(to_status) over (order by at, step) as before from v_transitions"
                               " where execution_id = '{}') x where from_status is distinct from before", id.str())) == "0");
    return all;
}

}

TEST_CASE("the transitions of an execution are complete and in order", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance(1h);
    const auto by_me = fmt::format("instance:{}", me.value);
    submission sent;

    SECTION("one that succeeds")
    {
        sent.extent(job, 1, {.submitter = "token:t"}).commit(db.service());
        CHECK(transitions(db, sent.id()) == lines{">QUEUED token:t submitted"});
        const auto x = claim_one(db.service(), me);
        CHECK(transitions(db, sent.id()) == lines{">QUEUED token:t submitted", "QUEUED>RUNNING " + by_me + " claimed"});
        REQUIRE(ends(x).end(sent.id()).commit(db.service(), me).empty());
        CHECK(transitions(db, sent.id()) == lines{">QUEUED token:t submitted", "QUEUED>RUNNING " + by_me + " claimed", "RUNNING>COMPLETING " + by_me + " returned",
                                                  "COMPLETING>COMPLETED " + by_me + " completed"});
    }
    SECTION("one that is delayed")
    {
        sent.extent(job, 1, {.eligible = wall_clock() + 60s}).commit(db.service());
        CHECK(transitions(db, sent.id()) == lines{">PENDING local submitted"});
        db.move_clock(61s);
        storage::tick(db.service(), me, false);
        CHECK(transitions(db, sent.id()) == lines{">PENDING local submitted", "PENDING>QUEUED clock eligible"});
        claim_one(db.service(), me);
        CHECK(transitions(db, sent.id()) == lines{">PENDING local submitted", "PENDING>QUEUED clock eligible", "QUEUED>RUNNING " + by_me + " claimed"});
    }
    SECTION("one that is cancelled while it is pending")
    {
        sent.extent(job, 1, {.eligible = wall_clock() + 60s}).commit(db.service());
        REQUIRE(storage::cancel(db.service(), job.tenant, sent.id(), "token:t", "no").ended);
        CHECK(transitions(db, sent.id()) == lines{">PENDING local submitted", "PENDING>CANCELLED token:t CANCELLED: no"});
    }
    SECTION("one that is cancelled while it is queued")
    {
        sent.extent(job).commit(db.service());
        REQUIRE(storage::cancel(db.service(), job.tenant, sent.id(), "token:t", "no").ended);
        CHECK(transitions(db, sent.id()) == lines{">QUEUED local submitted", "QUEUED>CANCELLED token:t CANCELLED: no"});
    }
    SECTION("one that is cancelled while it runs")
    {
        sent.extent(job).commit(db.service());
        const auto x = claim_one(db.service(), me);
        REQUIRE(storage::cancel(db.service(), job.tenant, sent.id(), "token:t", "no").found);
        REQUIRE(ends(x).end(sent.id(), execution_status::cancelled).clean().commit(db.service(), me).empty());
        CHECK(transitions(db, sent.id()) == lines{">QUEUED local submitted", "QUEUED>RUNNING " + by_me + " claimed", "RUNNING>RUNNING token:t cancel requested: no",
                                                  "RUNNING>CANCELLED " + by_me + " completed"});
    }
    SECTION("one that fails and is tried again later")
    {
        sent.extent(job).commit(db.service());
        const auto next = first_of_new_block();
        const auto x = claim_one(db.service(), me);
        ends failed(x);
        failed.fail(sent.id(), next, 30s);
        auto& c = failed.columns();
        c.error_code.add(std::string_view("EXIT_1"));
        REQUIRE(failed.commit(db.service(), me).empty());
        CHECK(transitions(db, sent.id()) == lines{">QUEUED local submitted", "QUEUED>RUNNING " + by_me + " claimed", "RUNNING>FAILED " + by_me + " EXIT_1"});
        CHECK(transitions(db, next) == lines{">PENDING local attempt 2"});
    }
    SECTION("one that is lost with its instance")
    {
        const auto victim = db.instance(10s);
        sent.extent(job).commit(db.service());
        claim_one(db.service(), victim);
        db.move_clock(1min);
        REQUIRE(storage::declare_dead(db.service(), me, false) == 1);
        REQUIRE(storage::takeover(db.service(), me, priority_age, 10) == 1);
        CHECK(transitions(db, sent.id()) == lines{">QUEUED local submitted", fmt::format("QUEUED>RUNNING instance:{} claimed", victim.value),
                                                  fmt::format("RUNNING>FAILED takeover by {} LEASE_LOST: instance {} was lost while this ran", by_me, victim.value)});
    }
    SECTION("one that is handed back and runs again")
    {
        const auto stopping = db.instance();
        const auto by_stopping = fmt::format("instance:{}", stopping.value);
        sent.extent(job).commit(db.service());
        REQUIRE(hand_back(db.service(), stopping, claim_one(db.service(), stopping)) == 1);
        CHECK(transitions(db, sent.id()) == lines{">QUEUED local submitted", "QUEUED>RUNNING " + by_stopping + " claimed", "RUNNING>QUEUED " + by_stopping + " stopping"});
        REQUIRE(ends(claim_one(db.service(), me)).end(sent.id()).commit(db.service(), me).empty());
        CHECK(transitions(db, sent.id()) == lines{">QUEUED local submitted", "QUEUED>RUNNING " + by_stopping + " claimed", "RUNNING>QUEUED " + by_stopping + " stopping",
                                                  "QUEUED>RUNNING " + by_me + " claimed", "RUNNING>COMPLETING " + by_me + " returned",
                                                  "COMPLETING>COMPLETED " + by_me + " completed"});
    }
    CHECK(db.violations() == "");
}
