#include "tests/support/job_runs.hpp"
#include "tests/support/sql_user.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock::test;
namespace json = boost::json;

TEST_CASE("a server runs what SQL has submitted, with its parameters, soon after the commit", "[e2e][sql]")
{
    auto& server = open_server();
    server.define("sql-told", telling(), {{"parameters", {{"of", "the job"}, {"n", 0}}}, {"resources", {{"priority", 3}}}});
    sql_user user(open_server_database());
    user.run("begin");
    const auto rolled_back = user.value("select rowlock.submit('sql-told')");
    user.run("rollback; begin");
    const auto id = user.value("select rowlock.submit('sql-told', '{\"n\": 1}', correlation_id => 'sql-c')");
    CHECK(server.get("/v1/executions/" + id).status == 404);
    user.run("commit");
    const auto end = server.ended(id);
    CHECK(text_at(end, "/status") == "COMPLETED");
    CHECK(end.at_pointer("/result/outputs") == json::value{{"of", "the job"}, {"n", 1}});
    CHECK(text_at(end, "/trigger_type") == "MANUAL");
    CHECK(text_at(end, "/correlation_id") == "sql-c");
    CHECK(text_at(end, "/submitter") == "sql:sql_user");
    CHECK(end.at("priority") == 3);
    CHECK(server.get("/v1/executions/" + rolled_back).status == 404);

    const auto many = user.run("select * from rowlock.submit_many('sql-told', array(select jsonb_build_object('n', n) from generate_series(1, 5) n))");
    REQUIRE(many.size() == 5);
    for (pqxx::result::size_type i = 0; i < 5; ++i) CHECK(server.ended(many[i][0].c_str()).at_pointer("/result/outputs/n") == static_cast<int>(i) + 1);
}

TEST_CASE("rowlock.wake() has servers look at once, whatever their poll interval is", "[e2e][sql]")
{
    const test_database database;
    const server_process server({"serve", "--database", database.url(), "--auth", "none"}, {{"ROWLOCK_SCHEDULER_POLL_INTERVAL_MS", "60000"}});
    server.define("a", {{"type", "noop"}});
    server.define("b", {{"type", "noop"}}, {{"ordering_key", "k"}});
    sql_user user(database.url());
    const auto id = user.value("select rowlock.submit('a')");
    const auto ordered = user.value("select rowlock.submit('b', '{\"k\": 1}')");
    user.run("select rowlock.wake()");
    CHECK(text_at(server.ended(id), "/status") == "COMPLETED");
    CHECK(text_at(server.ended(ordered), "/status") == "COMPLETED");
}

TEST_CASE("SQL and HTTP share their idempotency keys", "[e2e][sql][idempotency]")
{
    auto& server = open_server();
    server.define("sql-keyed", {{"type", "noop"}});
    sql_user user(open_server_database());
    const auto post = [&](const json::object& more, const std::string& key) {
        json::object body = more;
        body["job_id"] = "sql-keyed";
        return server.post("/v1/executions", body, {{"Idempotency-Key", key}});
    };
    SECTION("first SQL, then HTTP")
    {
        const auto id = user.value("select rowlock.submit('sql-keyed', '{\"n\": [1, null]}', 2, '2026-01-31T10:30:00+01', 'sql-1', 'c')");
        const auto same = post({{"parameters", {{"n", {1, nullptr}}}}, {"priority", 2}, {"scheduled_time", "2026-01-31T09:30:00Z"}, {"correlation_id", "c"}}, "sql-1");
        CHECK(same.status == 200);
        CHECK(text_at(same.json(), "/execution_id") == id);
        CHECK(post({}, "sql-1").status == 409);
    }
    SECTION("first HTTP, then SQL")
    {
        const auto first = post({{"parameters", {{"n", 1.5}}}}, "sql-2");
        REQUIRE(first.status == 201);
        CHECK(user.value("select rowlock.submit('sql-keyed', '{\"n\": 1.50}', idempotency_key => 'sql-2')") == text_at(first.json(), "/execution_id"));
        const auto other = user.try_to("select rowlock.submit('sql-keyed', idempotency_key => 'sql-2')");
        CHECK(other.state == "RL409");
    }
    SECTION("whole batches")
    {
        const auto many = user.run("select * from rowlock.submit_many('sql-keyed', array['{}', '{\"n\": 1}']::jsonb[], idempotency_key => 'sql-3')");
        const json::value body{{"executions", {{{"job_id", "sql-keyed"}}, {{"job_id", "sql-keyed"}, {"parameters", {{"n", 1}}}}}}};
        const auto same = server.post("/v1/executions/batch", body, {{"Idempotency-Key", "sql-3"}});
        CHECK(same.status == 200);
        CHECK(text_at(same.json(), "/executions/1/execution_id") == many[1][0].c_str());
        REQUIRE(server.post("/v1/executions/batch", body, {{"Idempotency-Key", "sql-4"}}).status == 201);
        CHECK(user.run("select * from rowlock.submit_many('sql-keyed', array['{}', '{\"n\": 1}']::jsonb[], idempotency_key => 'sql-4')").size() == 2);
        CHECK(user.try_to("select * from rowlock.submit_many('sql-keyed', array['{}']::jsonb[], idempotency_key => 'sql-4')").state == "RL409");
    }
    SECTION("at once: while a transaction has the key, HTTP is told to come again, and others go on")
    {
        user.run("begin");
        const auto id = user.value("select rowlock.submit('sql-keyed', idempotency_key => 'sql-5')");
        const auto meanwhile = post({}, "sql-5");
        CHECK(meanwhile.status == 503);
        CHECK(meanwhile.field("Retry-After") == "1");
        CHECK(post({}, "sql-6").status == 201);
        CHECK(server.post("/v1/executions", {{"job_id", "sql-keyed"}}).status == 201);
        user.run("commit");
        const auto after = post({}, "sql-5");
        CHECK(after.status == 200);
        CHECK(text_at(after.json(), "/execution_id") == id);
    }
}

TEST_CASE("SQL cancels what runs and what waits with others", "[e2e][sql]")
{
    auto& server = open_server();
    server.define("sql-long", {{"type", "sleep"}, {"seconds", 600}});
    sql_user user(open_server_database());
    const auto id = user.value("select rowlock.submit('sql-long')");
    server.await_status(id, "RUNNING");
    CHECK(user.value("select rowlock.cancel('" + id + "', 'enough')") == "t");
    const auto end = server.ended(id);
    CHECK(text_at(end, "/status") == "CANCELLED");
    CHECK(text_at(end, "/result/error_message") == "enough");
    CHECK(user.value("select rowlock.cancel('" + id + "', 'enough')") == "f");

    const auto later = user.run("select * from rowlock.submit_many('sql-long', array['{}', '{}', '{}']::jsonb[], scheduled_time => '2100-01-01Z')");
    CHECK(user.value(fmt::format("select rowlock.cancel('{}', '')", later[1][0].c_str())) == "t");
    server.await_status(later[1][0].c_str(), "CANCELLED");
    CHECK(server.status_of(later[0][0].c_str()) == "PENDING");
    CHECK(server.status_of(later[2][0].c_str()) == "PENDING");
    for (const auto& row : later) server.post(fmt::format("/v1/executions/{}/cancel", row[0].c_str()), json::object{});
}
