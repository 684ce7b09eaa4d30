#include "storage/record_store.hpp"

#include "storage/execution_store.hpp"
#include "storage/model/json_text.hpp"
#include "tests/pg/queue/queue_traffic.hpp"

#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

const std::string digest(32, '\1');

// A running execution, the first attempt of its run.
struct running {
    queue_database db;
    queue_job job = db.job("a", {.max_attempts = 5});
    instance_id me = db.instance();
    submission sent;
    storage::claimed_extent extent;
    execution_id id;

    running()
    {
        sent.extent(job).commit(db.service());
        extent = claim_one(db.service(), me);
        id = sent.id();
    }

    int save(const execution_id& by, const std::string& bytes) { return storage::save_checkpoint(db.service(), by, id, "", digest, bytes).value(); }
};

}

TEST_CASE("checkpoints are numbered through the run, and of an execution that has ended none is taken", "[pg][records]")
{
    running r;
    CHECK(r.save(r.id, "one") == 1);
    CHECK(r.save(r.id, "two") == 2);
    REQUIRE(ends(r.extent).end(r.id, execution_status::failed).commit(r.db.service(), r.me).empty());
    const auto late = storage::save_checkpoint(r.db.service(), r.id, r.id, "", digest, "three");
    REQUIRE_FALSE(late.has_value());
    CHECK(late.error().code == errc::already_ended);
    CHECK(r.db.value("select count(*) from checkpoints") == "2");
}

TEST_CASE("the last checkpoint is the last attempt's, whatever the numbers", "[pg][records]")
{
    running r;
    r.save(r.id, "first attempt");
    // The next attempt, and one more checkpoint of the first that came late.
    const auto next = r.db.value("select execution_id_of(extract(epoch from clock())::bigint * 1000, 77, 0)");
    r.db.rows(fmt::format("insert into executions (execution_id, run_id, lane_id, tenant_key, job_key, job_version, attempt_number, priority, trigger_type, submitted_at) "
                          "select '{}', run_id, lane_id, tenant_key, job_key, job_version, 2, priority, 5, submitted_at from executions where execution_id = '{}'",
                          next, r.id.str()));
    CHECK(r.save(execution_id::parse(next).value(), "second attempt") == 2);
    CHECK(r.save(r.id, "late") == 3);

    auto& s = r.db.service();
    const auto newest = storage::last_checkpoint(s, r.id, std::nullopt);
    REQUIRE(newest.has_value());
    CHECK(newest->bytes == "second attempt");
    CHECK(newest->made_by.str() == next);
    const auto older = storage::last_checkpoint(s, r.id, newest->place);
    REQUIRE(older.has_value());
    CHECK(older->bytes == "late");
    const auto oldest = storage::last_checkpoint(s, r.id, older->place);
    REQUIRE(oldest.has_value());
    CHECK(oldest->bytes == "first attempt");
    CHECK(oldest->sha256 == digest);
    CHECK_FALSE(storage::last_checkpoint(s, r.id, oldest->place).has_value());
}

TEST_CASE("a damage is known once it is recorded for any attempt of the run", "[pg][records]")
{
    running r;
    auto& s = r.db.service();
    CHECK_FALSE(storage::damage_is_known(s, r.id, 3));
    r.db.rows(fmt::format("select record_error_1(3::smallint, '{}', 2::smallint, 'STATE_CORRUPTION', 'broken', '{{\"state_type\": \"CHECKPOINT\", \"checkpoint_number\": 3}}')", r.id.str()));
    CHECK(storage::damage_is_known(s, r.id, 3));
    CHECK_FALSE(storage::damage_is_known(s, r.id, 2));
}

TEST_CASE("rule 12: an extension is a transition from RUNNING to RUNNING", "[pg][records]")
{
    running r;
    storage::record_still_running(r.db.service(), r.id, r.me, r.extent.fence, "timeout extended, 1 of 3");
    const auto rows = r.db.rows(fmt::format("select from_status, to_status, actor, fence from v_transitions where execution_id = '{}' and reason = 'timeout extended, 1 of 3'", r.id.str()));
    REQUIRE(rows.size() == 1);
    CHECK(rows[0][0].c_str() == std::string("RUNNING"));
    CHECK(rows[0][1].c_str() == std::string("RUNNING"));
    CHECK(rows[0][2].c_str() == fmt::format("instance:{}", r.me.value));
    CHECK(rows[0][3].as<int>() == r.extent.fence.value);
}

TEST_CASE("the log goes on where an earlier claim has left it", "[pg][records]")
{
    running r;
    auto& s = r.db.service();
    CHECK(storage::last_log_part(s, r.id) == 0);
    storage::append_log(s, r.id, 1, 1, "a");
    storage::append_log(s, r.id, 2, 2, "b");
    CHECK(storage::last_log_part(s, r.id) == 2);
}

TEST_CASE("artifacts are listed for an execution and for its run, and never overwritten", "[pg][records]")
{
    running r;
    auto& s = r.db.service();
    const auto tenant = r.job.tenant;
    REQUIRE(storage::list_artifacts_json(s, tenant, r.id).has_value());
    CHECK(storage::list_artifacts_json(s, tenant, r.id)->empty());
    REQUIRE(storage::record_artifact(s, r.id, r.id, "a.csv", "11", 1).has_value());
    REQUIRE(storage::record_artifact(s, r.id, r.id, "a.csv", "11", 1).has_value());
    CHECK(storage::record_artifact(s, r.id, r.id, "a.csv", "22", 1).error().code == errc::already_ended);
    REQUIRE(storage::record_artifact(s, r.id, r.id, "b.csv", "33", 9).has_value());
    for (const auto& found : {storage::list_artifacts_json(s, tenant, r.id), storage::list_run_artifacts_json(s, tenant, r.id)}) {
        REQUIRE(found.has_value());
        REQUIRE(found->size() == 2);
        const auto first = parse_json(found->front()).value().as_object();
        CHECK(first.at("name") == "a.csv");
        CHECK(first.at("sha256") == "11");
        CHECK(first.at("size_bytes") == 1);
    }
    const auto other = r.db.tenant("other");
    CHECK_FALSE(storage::list_artifacts_json(s, other, r.id).has_value());
    CHECK_FALSE(storage::list_run_artifacts_json(s, other, r.id).has_value());
    CHECK(r.db.value("select count(*) from v_artifacts") == "2");
}

TEST_CASE("what is handed back keeps the end of its time in the queue", "[pg][records]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance();
    submission sent;
    sent.extent(job, 3).commit(db.service());
    db.rows("update extents set expires_at = '2100-01-01 00:00:00Z'");
    const auto mine = claim_one(db.service(), me);
    REQUIRE(ends(mine).end(sent.id(1)).commit(db.service(), me).empty());
    CHECK(hand_back(db.service(), me, mine) == 2);
    CHECK(db.value("select count(*) from extents") == "2");
    CHECK(db.value("select count(*) from extents where expires_at = '2100-01-01 00:00:00Z'") == "2");
    CHECK(db.violations() == "");
}
