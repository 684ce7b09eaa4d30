#include "storage/error_store.hpp"
#include "storage/pressure_store.hpp"
#include "tests/pg/queue/queue_traffic.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

const std::string short_of_memory = R"({"resources": [{"resource": "MEMORY", "usage_percent": 98.5, "threshold_percent": 97, "since": null}], "actions": ["QUEUE_ALL"]})";
const std::string full_queue = R"({"resources": [{"resource": "QUEUE", "usage_percent": 95, "threshold_percent": 90, "since": null}], "actions": ["REJECT_LOW_PRIORITY"]})";

std::string waiting_on(queue_database& db, const execution_id& id, const std::string& member)
{
    return db.value(fmt::format("select waiting_on ->> '{}' from v_executions where execution_id = '{}'", member, id.str()));
}

}

TEST_CASE("what waits for an instance says how many of those that live are short of something", "[pg][pressure]")
{
    queue_database db;
    const auto job = db.job("a");
    submission sent;
    sent.extent(job, 1).commit(db.service());
    const auto id = sent.id(0);
    const auto one = db.instance(1h);
    const auto other = db.instance(1h);
    CHECK(waiting_on(db, id, "detail") == "waits for a free slot of an instance");
    REQUIRE(storage::tell_pressure(db.service(), one, short_of_memory, {}));
    CHECK(waiting_on(db, id, "rule") == "capacity");
    CHECK(waiting_on(db, id, "instances_under_pressure") == "1");
    CHECK(waiting_on(db, id, "resource") == "");
    CHECK(waiting_on(db, id, "detail") == fmt::format("waits for a free slot of an instance; 1 of 2 start nothing: instance {} is short of MEMORY (98.5 %, from 97 % on)", one.value));
    // A full queue keeps nothing from starting.
    REQUIRE(storage::tell_pressure(db.service(), other, full_queue, {}));
    CHECK(waiting_on(db, id, "instances_under_pressure") == "1");
    REQUIRE(storage::tell_pressure(db.service(), other, short_of_memory, {}));
    CHECK(waiting_on(db, id, "resource") == "MEMORY");
    CHECK(waiting_on(db, id, "usage_percent") == "98.5");
    CHECK(waiting_on(db, id, "detail").starts_with("no live instance starts anything: "));
    REQUIRE(storage::tell_pressure(db.service(), one, "", {}));
    REQUIRE(storage::tell_pressure(db.service(), other, "", {}));
    CHECK(waiting_on(db, id, "detail") == "waits for a free slot of an instance");
    CHECK(db.violations() == "");
}

TEST_CASE("a shortage is an error of each tenant whose work waits, with its jobs, and of the tenant default", "[pg][pressure]")
{
    queue_database db;
    const auto acme = db.tenant("acme");
    db.tenant("idle");
    const auto here = db.instance(1h);
    const storage::pressure_error shortage{"Instance 1 is short of MEMORY.", R"({"resource_type": "MEMORY", "current_usage": 98.5, "threshold": 97})"};
    REQUIRE(storage::tell_pressure(db.service(), here, short_of_memory, {shortage}));
    CHECK(db.value("select string_agg(tenant_id || ':' || (details ->> 'queued_count'), ',') from v_errors") == "default:0");

    const auto job = db.job("b", {.tenant = acme});
    const auto second = db.job("a", {.tenant = acme});
    submission sent;
    sent.extent(job, 3).extent(second, 2).commit(db.service());
    REQUIRE(storage::tell_pressure(db.service(), here, short_of_memory, {shortage, shortage}));
    CHECK(db.value("select string_agg(tenant_id || ':' || n, ',' order by tenant_id) from (select tenant_id, count(*) as n from v_errors group by 1) x") == "acme:2,default:3");
    const auto row = db.rows("select queue, error_category, error_code, error_message, details, job_id, execution_id, will_retry from v_errors where tenant_id = 'acme' limit 1").at(0);
    CHECK(row[0].as<std::string>() == "execution_errors");
    CHECK(row[1].as<std::string>() == "RESOURCE_EXHAUSTED");
    CHECK(row[2].as<std::string>() == "RESOURCE_EXHAUSTED");
    CHECK(row[3].as<std::string>() == shortage.message);
    CHECK(row[4].as<std::string>() == fmt::format(R"({{"threshold": 97, "instance_id": {}, "queued_count": 5, "affected_jobs": ["a", "b"], "current_usage": 98.5, "resource_type": "MEMORY"}})", here.value));
    CHECK(row[5].is_null());
    CHECK(row[6].is_null());
    CHECK_FALSE(row[7].as<bool>());
    storage::error_filter filter;
    filter.category = error_category::resource_exhausted;
    CHECK(storage::count_errors(db.service(), acme, filter) == 2);
}

TEST_CASE("an instance that has been declared dead tells nothing", "[pg][pressure]")
{
    queue_database db;
    const auto dead = db.instance(1h);
    db.rows(fmt::format("update instances set state = 'DEAD' where instance_id = {}", dead.value));
    CHECK_FALSE(storage::tell_pressure(db.service(), dead, short_of_memory, {{"m", "{}"}}));
    CHECK(db.value("select count(*) from errors") == "0");
    CHECK(db.value("select count(*) from instances where pressure is not null") == "0");
}

TEST_CASE("the connections of all clients count, and what is queued where somebody asks", "[pg][pressure]")
{
    queue_database db;
    submission sent;
    const auto job = db.job("a");
    sent.extent(job, 3).commit(db.service());
    const auto figures = storage::read_pressure_figures(db.service(), 1000);
    CHECK(figures.connections >= 2);
    CHECK(figures.max_connections > figures.connections);
    CHECK(figures.queued == 3);
    CHECK_FALSE(storage::read_pressure_figures(db.service(), 0).queued);
    // What is queued past the room for submissions counts as well: by SQL, say.
    db.rows("update queue_room set capacity = 100, room = 100");
    db.rows(fmt::format("select enqueue_1(array[{}], array[1]::smallint[], array['s'], array['{{}}']::json[], null, null, null, null, null) from generate_series(1, 5)", job.key.value));
    CHECK(storage::read_pressure_figures(db.service(), 100).queued == 8);
    CHECK(storage::read_pressure_figures(db.service(), 4).queued >= 4);    // in at most four extents
}
