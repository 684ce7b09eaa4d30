#include "tests/support/database_rows.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/server_process.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <sstream>
#include <utility>

using namespace rowlock::test;
namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

json::object sleep_for(double seconds)
{
    return {{"type", "sleep"}, {"seconds", seconds}};
}

json::value put_limit(const server_process& server, const std::string& name, const json::object& body)
{
    const auto reply = server.put("/v1/limits/" + name, body);
    INFO(reply.body);
    REQUIRE(reply.status == 200);
    return reply.json();
}

std::string job_of(std::string_view name)
{
    return "/v1/limits/job/" + std::string(name);
}

std::string first_value(const test_database& database, const std::string& sql)
{
    return rows_at(database.url(), sql)[0][0].as<std::string>();
}

int remove_limit(const server_process& server, const std::string& name)
{
    return http_request(server.address(), "DELETE", "/v1/limits/" + name).status;
}

}

TEST_CASE("a limit on a job is shown, holds, explains what waits, and is removed", "[e2e][limits]")
{
    auto& server = open_server();
    server.define("limited", sleep_for(30));
    const auto put = put_limit(server, "job/limited", {{"max_running", 2}});
    CHECK(put.at("kind") == "job");
    CHECK(put.at("key") == "limited");
    CHECK(put.at("max_running") == 2);
    CHECK(put.at("on_limit") == "QUEUE");
    CHECK(put.at("in_use") == 0);
    std::vector<std::string> ids;
    for (int i = 0; i < 4; ++i) ids.push_back(server.submit("limited"));
    server.await_status(ids[0], "RUNNING");
    server.await_status(ids[1], "RUNNING");
    CHECK(server.status_of(ids[2]) == "QUEUED");
    CHECK(server.get(job_of("limited")).json().at("in_use") == 2);
    const auto told = server.get("/v1/executions/" + ids[3] + "/explain").json();
    INFO(told);
    CHECK(told.at_pointer("/blocked_by/0/rule") == "job_limit");
    CHECK(told.at_pointer("/blocked_by/0/max_running") == 2);
    CHECK(told.at_pointer("/blocked_by/0/in_use") == 2);
    CHECK(told.at_pointer("/blocked_by/0/position") == 2);
    CHECK(server.execution(ids[3]).at_pointer("/waiting_on/rule") == "job_limit");

    // An end lets the next start, without anybody's waiting for a poll.
    CHECK(server.post("/v1/executions/" + ids[0] + "/cancel", json::object{}).status == 202);
    server.await_status(ids[2], "RUNNING");
    CHECK(remove_limit(server, "job/limited") == 204);
    CHECK(remove_limit(server, "job/limited") == 404);
    server.await_status(ids[3], "RUNNING");
    CHECK(server.get(job_of("limited")).status == 404);
    for (const auto& id : ids) server.post("/v1/executions/" + id + "/cancel", json::object{});
    for (const auto& id : ids) CHECK(server.ended(id).at("status") == "CANCELLED");
    CHECK(violations_at(open_server_database()) == std::vector<std::string>{});
}

TEST_CASE("a limit that rejects answers 429 with Retry-After, and stores nothing", "[e2e][limits]")
{
    auto& server = open_server();
    server.define("rejecting", sleep_for(30), {{"concurrency", {{"max_running", 1}, {"on_limit", "REJECT"}}}});
    const auto runs = server.submit("rejecting");
    server.await_status(runs, "RUNNING");
    const auto refused = server.post("/v1/executions", {{"job_id", "rejecting"}});
    INFO(refused.body);
    CHECK(refused.status == 429);
    CHECK(refused.field("Retry-After") == "1");
    CHECK(refused.json().at("code") == "RATE_LIMITED");
    CHECK(refused.json().at_pointer("/errors/0/field") == "job_id");
    server.define("willing", {{"type", "noop"}});
    const auto batch = server.post("/v1/executions/batch", {{"executions", json::array{json::object{{"job_id", "willing"}}, json::object{{"job_id", "rejecting"}}}}});
    INFO(batch.body);
    CHECK(batch.status == 429);
    CHECK(batch.json().at_pointer("/errors/0/field") == "executions[1].job_id");
    CHECK(server.get("/v1/executions?job_id=willing").json().at("items").as_array().empty());
    CHECK(server.post("/v1/executions/" + runs + "/cancel", json::object{}).status == 202);
    server.ended(runs);
    CHECK(server.post("/v1/executions", {{"job_id", "rejecting"}, {"scheduled_time", "2999-01-01T00:00:00Z"}}).status == 201);
}

TEST_CASE("of what a definition and PUT ask for the smaller holds, and the list names both", "[e2e][limits]")
{
    auto& server = open_server();
    server.define("both-ways", {{"type", "noop"}}, {{"concurrency", {{"max_running", 5}}}, {"rate_limit", {{"starts", 100}, {"per_seconds", 1}}}});
    put_limit(server, "job/both-ways", {{"max_running", 9}});
    const auto shown = server.get(job_of("both-ways")).json();
    INFO(shown);
    CHECK(shown.at("max_running") == 5);
    CHECK(shown.at("put") == true);
    CHECK(shown.at("defined_by") == json::array{"both-ways"});
    CHECK(shown.at_pointer("/rate_limit/starts") == 100);
    CHECK(put_limit(server, "job/both-ways", {{"max_running", 3}}).at("max_running") == 3);
    bool listed = false;
    const auto all = server.get("/v1/limits?limit=1000").json();
    for (const auto& each : all.at("items").as_array()) listed = listed || (each.at("kind") == "job" && each.at("key") == "both-ways");
    CHECK(listed);
    CHECK(remove_limit(server, "job/both-ways") == 204);
    CHECK(server.get(job_of("both-ways")).json().at("max_running") == 5);
}

TEST_CASE("a rate of starts holds, and what waits for it goes on by itself", "[e2e][limits]")
{
    auto& server = open_server();
    server.define("rated", {{"type", "noop"}}, {{"rate_limit", {{"starts", 2}, {"per_seconds", 0.5}}}});
    std::vector<std::string> ids;
    for (int i = 0; i < 5; ++i) ids.push_back(server.submit("rated"));
    for (const auto& id : ids) CHECK(server.ended(id).at("status") == "COMPLETED");
    const std::string closest = rows_at(open_server_database(),
                                  "select min(extract(epoch from x.later - x.started_time)) from (select started_time, lead(started_time, 2) over (order by started_time) as later"
                                  " from rowlock.v_executions where job_id = 'rated') x")[0][0].c_str();
    CHECK(std::stod(closest) >= 0.5);
}

TEST_CASE("executions with the same value of a concurrency key run so many at a time", "[e2e][limits]")
{
    auto& server = open_server();
    server.define("keyed", sleep_for(30), {{"concurrency", {{"key", "customer"}, {"max_running_per_key", 2}}}});
    std::vector<std::string> ids;
    for (const char* customer : {"a", "a", "a", "b"}) ids.push_back(server.submit("keyed", {{"customer", customer}}));
    for (const auto i : {0, 1, 3}) server.await_status(ids[static_cast<std::size_t>(i)], "RUNNING");
    CHECK(server.status_of(ids[2]) == "PENDING");
    const auto waits = server.execution(ids[2]).at("waiting_on");
    CHECK(waits.at("rule") == "job_limit");
    CHECK(waits.at("max_running") == 2);
    CHECK(server.post("/v1/executions/" + ids[0] + "/cancel", json::object{}).status == 202);
    server.await_status(ids[2], "RUNNING");
    for (const auto& id : ids) server.post("/v1/executions/" + id + "/cancel", json::object{});
    for (const auto& id : ids) server.ended(id);
    CHECK(violations_at(open_server_database()) == std::vector<std::string>{});
}

TEST_CASE("executions are admitted against what their pool has", "[e2e][limits]")
{
    auto& server = open_server();
    server.define("heavy", sleep_for(30), {{"resources", {{"resource_pool", "e2e-pool"}, {"memory_mb", 600}}}});
    const auto pool = put_limit(server, "pool/e2e-pool", {{"resources", {{"memory_mb", 1000}}}});
    CHECK(pool.at("max_running").is_null());
    CHECK(pool.at_pointer("/resources/memory_mb/capacity").to_number<double>() == 1000.0);
    const auto first = server.submit("heavy");
    server.await_status(first, "RUNNING");
    const auto second = server.submit("heavy");
    CHECK(server.execution(second).at_pointer("/waiting_on/rule") == "capacity");
    CHECK(server.execution(second).at_pointer("/waiting_on/resource") == "memory_mb");
    put_limit(server, "pool/e2e-pool", {{"resources", {{"memory_mb", 2000}}}});
    server.await_status(second, "RUNNING");
    for (const auto& id : {first, second}) server.post("/v1/executions/" + id + "/cancel", json::object{});
    for (const auto& id : {first, second}) server.ended(id);
    CHECK(remove_limit(server, "pool/e2e-pool") == 204);
}

TEST_CASE("bad limits are refused by field, and limits of all tenants are set by who is responsible for them", "[e2e][limits]")
{
    auto& server = open_server();
    const auto refused = server.put("/v1/limits/job/x", {{"max_running", -1}, {"on_limit", "DROP"}, {"more", 1}});
    INFO(refused.body);
    CHECK(refused.status == 422);
    CHECK(refused.json().at("errors").as_array().size() == 3);
    CHECK(server.put("/v1/limits/lane/x", {{"max_running", 1}}).status == 404);
    CHECK(server.put("/v1/limits/global/some", {{"max_running", 1}}).status == 404);
    CHECK(server.put("/v1/limits/job/Not-A-Slug", {{"max_running", 1}}).status == 404);
    CHECK(server.get("/v1/limits/job/never-set").status == 404);
}

TEST_CASE("a cursor of limits is one of that list", "[e2e][limits]")
{
    auto& server = open_server();
    for (const char* cursor : {"x", "job", "job%20x", "no-kind%20x%20default", "job%20x%20Not-A-Slug"}) {
        const auto refused = server.get(std::string("/v1/limits?cursor=") + cursor);
        INFO(cursor << refused.body);
        CHECK(refused.status == 422);
        CHECK(refused.json().at_pointer("/errors/0/field") == "cursor");
    }
    CHECK(server.get("/v1/limits?cursor=job_type%20two%20words%20default").status == 200);
    CHECK(server.get("/v1/limits?cursor=global%20all%20").status == 200);
}

TEST_CASE("CONCURRENCY_PER_TENANT holds over all instances, and the one that starts last decides", "[e2e][limits][tenants]")
{
    test_database database;
    const auto serve = [&](const char* most) { return std::vector<std::string>{"serve", "--database", database.url(), "--auth", "none", "--concurrency-per-tenant", most}; };
    server_process one(serve("1"));
    one.define("slow", {{"type", "sleep"}, {"seconds", 600}});
    for (int n = 0; n < 3; ++n) CHECK(one.post("/v1/executions", {{"job_id", "slow"}}).status == 201);
    const auto running = [&] { return one.get("/v1/limits/tenant/default").json().at("in_use").as_int64(); };
    eventually("one runs", [&] { return running() == 1; });
    const auto shown = one.get("/v1/limits/tenant/default").json();
    CHECK(shown.at("max_running") == 1);
    CHECK(shown.at("put") == false);
    server_process other(serve("2"));
    eventually("two run", [&] { return running() == 2; });
    CHECK(other.get("/v1/limits/tenant/default").json().at("max_running") == 2);
    CHECK(one.put("/v1/limits/tenant/default", {{"max_running", 3}}).status == 200);
    eventually("three run", [&] { return running() == 3; });
}

TEST_CASE("a full queue refuses with 429 what would be queued, and takes more when there is room", "[e2e][limits]")
{
    test_database database;
    auto environment = any_program();
    environment["ROWLOCK_EXECUTOR_PARALLELISM"] = "1";
    environment["ROWLOCK_EXECUTOR_QUEUE_CAPACITY"] = "10";
    server_process server({"serve", "--database", database.url(), "--auth", "none"}, environment);
    server.define("queues", sleep_for(30));
    std::vector<std::string> ids;
    for (int i = 0; i < 11; ++i) ids.push_back(server.submit("queues"));
    server.await_status(ids[0], "RUNNING");
    const auto refused = server.post("/v1/executions", {{"job_id", "queues"}});
    INFO(refused.body);
    CHECK(refused.status == 429);
    CHECK(refused.field("Retry-After") == "1");
    CHECK(server.post("/v1/executions", {{"job_id", "queues"}, {"scheduled_time", "2999-01-01T00:00:00Z"}}).status == 201);
    CHECK(server.post("/v1/executions/" + ids[3] + "/cancel", json::object{}).status == 202);
    CHECK(server.post("/v1/executions/batch", {{"executions", json::array{json::object{{"job_id", "queues"}}, json::object{{"job_id", "queues"}}}}}).status == 429);
    CHECK(server.post("/v1/executions", {{"job_id", "queues"}}).status == 201);
}

TEST_CASE("tenants see their own limits and those of all, and set their own", "[e2e][limits]")
{
    test_database database;
    server_process server({"serve", "--database", database.url()}, any_program());
    const http_fields admin{{"Authorization", "Bearer " + make_admin_token(database.url())}};
    const auto made = server.post("/v1/tokens", {{"role", "editor"}, {"tenant_id", "acme"}, {"name", "acme"}}, admin);
    REQUIRE(made.status == 201);
    const http_fields acme{{"Authorization", "Bearer " + text_at(made.json(), "/token")}};
    for (const char* name : {"global/all", "pool/p", "tenant/acme", "tenant/beta"}) {
        INFO(name);
        CHECK(server.put(std::string("/v1/limits/") + name, {{"max_running", 5}}, acme).status == 403);
        CHECK(server.put(std::string("/v1/limits/") + name, {{"max_running", 5}}, admin).status == 200);
    }
    CHECK(server.put("/v1/limits/job/theirs", {{"max_running", 5}}, acme).status == 200);
    CHECK(server.put("/v1/limits/job/ours", {{"max_running", 5}}, admin).status == 200);
    CHECK(server.get("/v1/limits/job/ours", acme).status == 404);
    CHECK(server.get("/v1/limits/tenant/beta", acme).status == 404);
    CHECK(server.get("/v1/limits/tenant/acme", acme).status == 200);
    std::string names;
    const auto theirs = server.get("/v1/limits", acme).json();
    for (const auto& each : theirs.at("items").as_array()) names += text_at(each, "/kind") + "/" + text_at(each, "/key") + " ";
    CHECK(names == "global/all job/theirs pool/p tenant/acme ");
    CHECK(server.get("/v1/limits?limit=2", acme).json().at("items").as_array().size() == 2);
}

TEST_CASE("two servers that keep slots of a large limit never exceed it, and give up what they do not use", "[e2e][limits][kept_slots]")
{
    const test_database database;
    const std::vector<std::string> serving{"serve", "--auth", "none", "--database", database.url(), "--executor-parallelism", "100"};
    server_process first(serving);
    server_process second(serving);
    first.define("many", sleep_for(0.02));
    first.define("ends-it", sleep_for(0.01));
    put_limit(first, "global/all", {{"max_running", 150}});
    put_limit(first, "job/many", {{"max_running", 120}});
    json::array items;
    for (int i = 0; i < 1500; ++i) items.push_back({{"job_id", i % 10 == 0 ? "ends-it" : "many"}});
    for (const auto* server : {&first, &second}) REQUIRE(server->post("/v1/executions/batch", {{"executions", items}}).status == 201);
    // What runs is counted by what has started and not ended, not by what the limits say of themselves.
    int most = 0;
    bool lowered = false;
    eventually("all have ended", [&] {
        const auto seen = rows_at(database.url(), "select (select coalesce(sum(s.remaining), 0) from rowlock.extents s where s.owner is not null) || ' ' || (select coalesce(sum(s.remaining), 0)"
                                                  " from rowlock.extents s join rowlock.lanes l using (lane_id) join rowlock.jobs j on j.job_key = l.job_key where s.owner is not null and j.job_id = 'many')"
                                                  " || ' ' || (select count(*) from rowlock.extents)")[0][0].as<std::string>();
        int all = 0;
        int of_job = 0;
        int left = 0;
        std::istringstream(seen) >> all >> of_job >> left;
        CHECK(all <= 150);
        CHECK(of_job <= 120);
        most = std::max(most, of_job);
        if (!std::exchange(lowered, most > 20)) put_limit(second, "job/many", {{"max_running", most > 20 ? 110 : 120}});
        return left == 0;
    });
    CHECK(most > 20);
    eventually("no slot is kept for nothing", [&] { return first_value(database, "select sum(in_use) from rowlock.limits") == "0"; });
    CHECK(first.get("/v1/limits/global/all").json().at("in_use") == 0);
    CHECK(first.terminate() == 0);
    CHECK(second.terminate() == 0);
    CHECK(first_value(database, "select count(*) from rowlock.kept_slots") == "0");
    CHECK(violations_at(database.url()) == std::vector<std::string>{});
}
