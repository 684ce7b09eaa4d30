#include "tests/support/database_rows.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/program.hpp"
#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

http_fields as(std::string tenant) { return {{"X-Rowlock-Tenant", std::move(tenant)}}; }

void submit_sleeps(const server_process& server, int n, const std::string& tenant)
{
    json::array all;
    for (int i = 0; i < n; ++i) all.push_back({{"job_id", "nap"}});
    REQUIRE(server.post("/v1/executions/batch", {{"executions", std::move(all)}}, as(tenant)).status == 201);
}

}

TEST_CASE("a tenant with a long queue delays one with a short one by no more than its share", "[e2e][fairness]")
{
    const test_database database;
    server_process server({"serve", "--database", database.url(), "--auth", "none", "--executor-parallelism", "4"});
    const json::object nap{{"handler", {{"type", "sleep"}, {"seconds", 0.02}}}};
    for (const char* tenant : {"many", "few"}) REQUIRE(server.put("/v1/jobs/nap", nap, as(tenant)).status == 201);
    submit_sleeps(server, 1500, "many");
    submit_sleeps(server, 40, "few");
    const auto count = [&](const std::string& where) { return rows_at(database.url(), "select count(*) from v_executions where " + where)[0][0].as<int>(); };
    eventually("all of the one with few have ended", [&] { return count("tenant_id = 'few' and status = 'COMPLETED'") == 40; });
    // While the one had work, the other started about as much; without shares all of it would have come first.
    const int beside = count("tenant_id = 'many' and started_time >= (select min(started_time) from v_executions where tenant_id = 'few')"
                             " and started_time <= (select max(started_time) from v_executions where tenant_id = 'few')");
    CAPTURE(beside);
    CHECK(beside <= 120);
    CHECK(count("tenant_id = 'many' and status = 'COMPLETED'") < 1500);
}

TEST_CASE("of more tenants with long queues than are known at once, none waits for another's queue to end", "[e2e][fairness]")
{
    constexpr int tenants = 1300;                    // of which 1,024 are looked at in a page
    constexpr int each = 50;
    const test_database database;
    server_process server({"serve", "--database", database.url(), "--auth", "none", "--executor-parallelism", "16"});
    REQUIRE(server.put("/v1/jobs/job", {{"handler", {{"type", "noop"}}}}).status == 201);
    rows_at(database.url(), fmt::format("insert into tenants (tenant_id) select 'tenant-' || i from generate_series(1, {}) i", tenants));
    rows_at(database.url(),
            "with made as (insert into jobs (tenant_key, job_id, current_version, changed_seq) "
            "select t.tenant_key, j.job_id, 1, nextval('job_changes') from tenants t, jobs j where t.tenant_id like 'tenant-%' returning job_key, tenant_key), "
            "versions as (insert into job_versions (job_key, version, definition, max_attempts, author) "
            "select m.job_key, 1, v.definition, v.max_attempts, 'test' from made m, (select * from job_versions limit 1) v) "
            "insert into lanes (tenant_key, job_key, handler) select m.tenant_key, m.job_key, 'noop' from made m");
    rows_at(database.url(),
            fmt::format("select enqueue_1(array_agg(j.job_key), null, null, null, null, null, null, null, null) from (select j.job_key from jobs j join tenants t using (tenant_key) "
                        "where t.tenant_id like 'tenant-%' order by j.job_key) j cross join generate_series(1, {}) i",
                        each));
    rows_at(database.url(), "select wake()");
    eventually("each tenant has had its first", [&] {
        return rows_at(database.url(), "select count(distinct e.lane_id) from results r join executions e using (execution_id)")[0][0].as<int>() == tenants;
    });
    CHECK(rows_at(database.url(), "select count(*) from results")[0][0].as<int>() < tenants * each / 2);
}

TEST_CASE("composite jobs that only wait are not counted against the work of their tenant", "[e2e][fairness][composite]")
{
    const test_database database;
    server_process server({"serve", "--database", database.url(), "--auth", "none", "--executor-parallelism", "4"});
    const json::object nap{{"handler", {{"type", "sleep"}, {"seconds", 0.02}}}};
    for (const char* tenant : {"many", "few"}) REQUIRE(server.put("/v1/jobs/nap", nap, as(tenant)).status == 201);
    const json::object one_nap{{"nodes", json::array{json::object{{"node_id", "a"}, {"job_id", "nap"}}}}};
    const auto defined = server.put("/v1/jobs/naps", {{"handler", {{"type", "composite"}, {"plan", one_nap}}}}, as("few"));
    INFO(defined.body);
    REQUIRE(defined.status == 201);
    // More of them wait than there are slots.
    for (int i = 0; i < 8; ++i) REQUIRE(server.post("/v1/executions", {{"job_id", "naps"}}, as("few")).status == 201);
    submit_sleeps(server, 3000, "many");
    const auto count = [&](const std::string& where) { return rows_at(database.url(), "select count(*) from v_executions where " + where)[0][0].as<int>(); };
    eventually("the composite jobs have ended", [&] { return count("tenant_id = 'few' and job_id = 'naps' and status = 'COMPLETED'") == 8; });
    CHECK(count("tenant_id = 'many' and status = 'COMPLETED'") < 3000);
}

TEST_CASE("the weight of a tenant is set and shown", "[e2e][fairness]")
{
    auto& server = open_server();
    const auto put = server.put("/v1/tenants/heavy", {{"weight", 3}, {"reason", "they pay"}});
    INFO(put.body);
    REQUIRE(put.status == 200);
    CHECK(put.json().at("weight") == 3);
    CHECK(server.get("/v1/tenants/heavy").json() == put.json());
    CHECK(server.put("/v1/tenants/heavy", json::object{}).json().at("weight") == 3);
    CHECK(server.get("/v1/tenants/nobody").status == 404);
    const auto refused = server.put("/v1/tenants/heavy", {{"weight", 0}, {"share", 1}});
    CHECK(refused.status == 422);
    CHECK(refused.json().at("errors").as_array().size() == 2);
    const environment_map environment{{"ROWLOCK_URL", server.url()}};
    const auto set = run_rowlock({"tenant", "set", "heavy", "--weight", "7", "--reason", "more", "--format", "json"}, environment);
    INFO(set.err);
    CHECK(set.code == 0);
    CHECK(json::parse(set.out).at("weight") == 7);
    const auto changes = rows_at(open_server_database(), "select coalesce(weight_before::text, '-') || ' ' || weight || ' ' || reason from rowlock.v_tenant_changes where tenant_id = 'heavy' order by at");
    REQUIRE(changes.size() == 2);
    CHECK(std::string(changes[0][0].c_str()) == "- 3 they pay");
    CHECK(std::string(changes[1][0].c_str()) == "3 7 more");
    CHECK(run_rowlock({"tenant", "set", "heavy", "--weight", "1001"}, environment).code == 2);
    CHECK(run_rowlock({"tenant", "show", "nobody"}, environment).code == 3);
    CHECK(run_rowlock({"tenant", "list"}, environment).out.find("heavy") != std::string::npos);
}
