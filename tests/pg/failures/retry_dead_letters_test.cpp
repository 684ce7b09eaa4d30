#include "storage/dead_letter_store.hpp"
#include "tests/pg/queue/queue_traffic.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <set>
#include <thread>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;
using storage::retry_refusal;

namespace {

constexpr const char* me = "token:me";

// Runs of a job that have failed for good with this code; their dead letters are a second apart, the first of them at 2026-01-01 00:00:00.
std::vector<execution_id> dead_letters(queue_database& db, const queue_job& job, int n, std::string_view code = "BROKEN")
{
    const auto owner = db.instance(1h);
    submission sent;
    sent.extent(job, n).commit(db.service());
    ends failed(claim_one(db.service(), owner));
    auto& c = failed.columns();
    for (const auto& id : sent.ids()) {
        failed.end(id, execution_status::failed);
        c.error_code.add(code);
        for (auto* column : {&c.exit_code, &c.error_message, &c.records_processed, &c.records_failed, &c.metrics, &c.outputs, &c.termination, &c.actor}) column->add_null();
    }
    REQUIRE(failed.commit(db.service(), owner).empty());
    for (std::size_t i = 0; i < sent.ids().size(); ++i) {
        db.rows(fmt::format("insert into dead_letters (dead_letter_id, run_id, tenant_key, job_key, created_at, expires_at) values ('{0}', '{0}', {1}, {2}, "
                            "timestamptz '2026-01-01 00:00:00+00' + {3} * interval '1 second', clock() + interval '1 day')",
                            sent.id(i).str(), job.tenant.value, job.key.value, i));
    }
    return sent.ids();
}

std::vector<storage::retried_dead_letter> retry(queue_database& db, const storage::dead_letter_filter& filter, int limit = 500,
                                                const std::optional<storage::time_place>& after = {}, tenant_key tenant = default_tenant)
{
    return storage::retry_dead_letters(db.service(), tenant, filter, after, limit, me, priority_age);
}

std::vector<execution_id> ids_of(const std::vector<storage::retried_dead_letter>& taken)
{
    std::vector<execution_id> ids;
    for (const auto& each : taken) ids.push_back(each.place.id);
    return ids;
}

timestamp at_second(int n)
{
    return parse_rfc3339("2026-01-01T00:00:00Z").value() + std::chrono::seconds(n);
}

std::string count_of(queue_database& db, const std::string& where)
{
    return db.value("select count(*) from dead_letters where " + where);
}

}

TEST_CASE("dead letters are retried oldest first, as many as asked, from a place on", "[pg][dead_letters]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto ids = dead_letters(db, job, 5);
    const auto first = retry(db, {}, 2);
    CHECK(ids_of(first) == std::vector<execution_id>{ids[0], ids[1]});
    CHECK(first[1].place.at == at_second(1));
    for (const auto& each : first) {
        REQUIRE(each.answer.refusal == retry_refusal::none);
        const auto next = db.rows(fmt::format("select run_id, attempt_number, trigger_type from executions where execution_id = '{}'", each.answer.next.str())).at(0);
        CHECK(next[0].as<std::string>() == each.place.id.str());
        CHECK(next[1].as<int>() == 2);
        CHECK(db.status(each.answer.next) == "QUEUED");
    }
    CHECK(db.value(fmt::format("select status || ' ' || retried_by from dead_letters where dead_letter_id = '{}'", ids[0].str())) == "RETRIED token:me");
    const auto rest = retry(db, {}, 500, storage::time_place{at_second(2), ids[2]});
    CHECK(ids_of(rest) == std::vector<execution_id>{ids[3], ids[4]});
    CHECK(ids_of(retry(db, {})) == std::vector<execution_id>{ids[2]});
    CHECK(retry(db, {}).empty());
    CHECK(db.violations() == "");
}

TEST_CASE("dead letters are retried as the filter says, and those of the tenant alone", "[pg][dead_letters]")
{
    queue_database db;
    const auto a = db.job("a");
    const auto b = db.job("b");
    const auto other = db.tenant("other");
    const auto theirs = db.job("a", {.tenant = other});
    const auto of_a = dead_letters(db, a, 4);
    const auto of_b = dead_letters(db, b, 2, "OTHER");
    const auto of_them = dead_letters(db, theirs, 2);
    CHECK(retry(db, {.ids = of_them}).empty());
    CHECK(ids_of(retry(db, {.what = {.job_id = "b", .error_code = "BROKEN"}})).empty());
    CHECK(ids_of(retry(db, {.what = {.error_code = "OTHER", .until = at_second(1)}})) == std::vector<execution_id>{of_b[0]});
    CHECK(ids_of(retry(db, {.what = {.job_id = "a", .since = at_second(3)}})) == std::vector<execution_id>{of_a[3]});
    CHECK(ids_of(retry(db, {.ids = {of_a[1], of_b[0]}})) == std::vector<execution_id>{of_a[1]});
    CHECK(retry(db, {.what = {.job_id = "nobody"}}).empty());
    db.rows(fmt::format("update dead_letters set expires_at = clock() where dead_letter_id = '{}'", of_a[2].str()));
    CHECK(ids_of(retry(db, {.what = {.job_id = "a"}})) == std::vector<execution_id>{of_a[0]});
    CHECK(ids_of(retry(db, {}, 500, {}, other)) == of_them);
    CHECK(storage::count_dead_letters(db.service(), default_tenant, {.status = storage::dead_letter_status::open}) == 1);
    CHECK(storage::count_dead_letters(db.service(), other, {}) == 2);
    CHECK(storage::count_dead_letters(db.service(), other, {}, storage::time_place{at_second(0), of_them[0]}) == 1);
    CHECK(db.violations() == "");
}

TEST_CASE("what somebody else is working on is passed over, and left open if they give up", "[pg][dead_letters]")
{
    queue_database db;
    const auto ids = dead_letters(db, db.job("a"), 3);
    pqxx::connection connection(db.url());
    pqxx::work other(connection);
    other.exec(fmt::format("select from rowlock.dead_letters where dead_letter_id = '{}' for update", ids[1].str()));
    CHECK(ids_of(retry(db, {})) == std::vector<execution_id>{ids[0], ids[2]});
    CHECK(storage::purge_dead_letters(db.service(), default_tenant, {.ids = {ids[1]}}, 5) == 0);
    other.abort();
    CHECK(count_of(db, "status = 'OPEN'") == "1");
    CHECK(ids_of(retry(db, {})) == std::vector<execution_id>{ids[1]});
}

TEST_CASE("whoever retries one by one and whoever retries many get in each other's way without harm", "[pg][dead_letters]")
{
    queue_database db;
    const auto ids = dead_letters(db, db.job("a"), 300);
    std::atomic<int> made{0};
    const auto one_by_one = [&](bool backwards) {
        storage::session own(db.service_options());
        auto mine = ids;
        if (backwards) std::reverse(mine.begin(), mine.end());
        for (const auto& id : mine) {
            if (storage::retry(own, default_tenant, id, me, priority_age).refusal == retry_refusal::none) ++made;
        }
    };
    const auto many = [&] {
        storage::session own(db.service_options());
        for (;;) {
            const auto taken = storage::retry_dead_letters(own, default_tenant, {}, {}, 7, me, priority_age);
            for (const auto& each : taken) made += each.answer.refusal == retry_refusal::none ? 1 : 0;
            if (taken.empty() && storage::count_dead_letters(own, default_tenant, {.status = storage::dead_letter_status::open}) == 0) return;
        }
    };
    {
        std::vector<std::thread> workers;
        workers.emplace_back(one_by_one, false);
        workers.emplace_back(one_by_one, true);
        workers.emplace_back(many);
        workers.emplace_back(many);
        for (auto& worker : workers) worker.join();
    }
    CHECK(made.load() == 300);
    CHECK(db.value("select count(*) from executions") == "600");
    CHECK(count_of(db, "status = 'RETRIED'") == "300");
    CHECK(db.violations() == "");
}

TEST_CASE("dead letters are purged oldest first, in bounded steps, as the filter says", "[pg][dead_letters]")
{
    queue_database db;
    const auto ids = dead_letters(db, db.job("a"), 5);
    CHECK(ids_of(retry(db, {.ids = {ids[4]}})).size() == 1);
    CHECK(storage::purge_dead_letters(db.service(), default_tenant, {}, 2) == 2);
    CHECK(count_of(db, fmt::format("dead_letter_id in ('{}', '{}')", ids[0].str(), ids[1].str())) == "0");
    CHECK(storage::purge_dead_letters(db.service(), default_tenant, {.status = storage::dead_letter_status::retried}, 500) == 1);
    CHECK(storage::delete_dead_letter(db.service(), default_tenant, ids[2]));
    CHECK(!storage::delete_dead_letter(db.service(), default_tenant, ids[2]));
    CHECK(!storage::delete_dead_letter(db.service(), tenant_key{999}, ids[3]));
    CHECK(count_of(db, "true") == "1");
    CHECK(db.violations() == "");
}
