#include "tests/crash/crew.hpp"
#include "tests/crash/history.hpp"
#include "tests/support/database_proxy.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <future>
#include <pqxx/pqxx>

namespace {

using namespace rowlock::test;
namespace json = boost::json;

// A server whose connections can be cut, alone on its database.
struct cut_off {
    test_database database;
    database_proxy proxy{database.url()};
    crew servers{proxy.url()};
    server_process& server{servers.start("alone")};

    cut_off()
    {
        const json::object quickly{{"max_attempts", 3}, {"initial_delay_seconds", 0.05}};
        server.define("nap", json::object{{"type", "sleep"}, {"seconds", 0.05}});
        server.define("fails-once", json::object{{"type", "fail"}, {"error_code", "ON_PURPOSE"}, {"times", 1}}, {{"retry_policy", quickly}});
    }

    http_reply submit(const std::string& correlation, const std::string& key)
    {
        http_fields fields;
        if (!key.empty()) fields.emplace_back("Idempotency-Key", key);
        return server.post("/v1/executions", json::object{{"job_id", "nap"}, {"correlation_id", correlation}}, fields);
    }

    std::string count(const std::string& correlation) const
    {
        return value_of(database.url(), fmt::format("select count(*) from rowlock.executions where correlation_id = '{}'", correlation));
    }

    // It started with its commit, not when its owner was found not to know of it.
    bool began_at_once(const std::string& execution) const
    {
        return value_of(database.url(), fmt::format("select completed_time - submitted_time < interval '8 s' from rowlock.v_executions where execution_id = '{}'", execution)) == "t";
    }
};

void check_acknowledged(cut_off& c, const http_reply& reply, const std::string& correlation)
{
    INFO(reply.body);
    REQUIRE(reply.status == 201);
    CHECK(reply.json().at("replayed") == false);
    const auto id = text_at(reply.json(), "/execution_id");
    const auto last = c.server.ended(id);
    CHECK(text_at(last, "/status") == "COMPLETED");
    CHECK(last.at("attempt_number") == 1);
    CHECK(c.count(correlation) == "1");
    CHECK(c.began_at_once(id));
}

}

TEST_CASE("a submission whose connection is cut around its commit is stored once, starts at once, and is acknowledged", "[crash]")
{
    cut_off c;
    int n = 0;
    for (const auto where : {cut::before_forwarding, cut::after_forwarding}) {
        for (const std::string key : {"", "key"}) {
            const auto correlation = fmt::format("submission-{}", ++n);
            INFO((where == cut::before_forwarding ? "before" : "after") << ", key: " << key);
            c.proxy.cut_at({"submit"}, where);
            const auto reply = c.submit(correlation, key.empty() ? "" : correlation);
            CHECK(c.proxy.has_cut());
            check_acknowledged(c, reply, correlation);
            if (key.empty()) continue;
            const auto again = c.submit(correlation, correlation);
            CHECK(again.status == 200);
            CHECK(text_at(again.json(), "/execution_id") == text_at(reply.json(), "/execution_id"));
        }
    }
    await_idle(c.database.url());
    check_history(c.database.url(), {});
}

TEST_CASE("a submission whose first commit comes through only while it is repeated is stored once, and starts at once", "[crash]")
{
    cut_off c;
    const std::string key = GENERATE("", "key");
    INFO("key: " << key);
    // Holds every submission back that would start something.
    pqxx::connection administrator(c.database.url());
    pqxx::nontransaction tx(administrator);
    tx.exec("select pg_advisory_lock(1919906155, 1)");
    c.proxy.cut_at({"submit"}, cut::after_forwarding);
    auto reply = std::async(std::launch::async, [&] { return c.submit("late", key); });
    eventually("both wait", [&] {
        return value_of(c.database.url(), "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'rowlock submit' and wait_event_type = 'Lock'") == "2";
    });
    tx.exec("select pg_advisory_unlock(1919906155, 1)");
    check_acknowledged(c, reply.get(), "late");
    await_idle(c.database.url());
    check_history(c.database.url(), {});
}

TEST_CASE("a result whose connection is cut around its commit is stored once, and counts as stored", "[crash]")
{
    cut_off c;
    for (const auto where : {cut::before_forwarding, cut::after_forwarding}) {
        INFO((where == cut::before_forwarding ? "before" : "after"));
        c.proxy.cut_at({"settle"}, where);
        const auto last = c.server.run("nap");
        CHECK(text_at(last, "/status") == "COMPLETED");
        CHECK(last.at("attempt_number") == 1);
        eventually("the connection was cut", [&] { return c.proxy.has_cut(); });
    }
    eventually("both are counted", [&] { return c.server.get("/metrics").body.find("rowlock_executions_ended_total{status=\"COMPLETED\"} 2") != std::string::npos; });
    CHECK(c.server.metric("rowlock_outcomes_lost_total") == 0);
    await_idle(c.database.url());
    check_history(c.database.url(), {});
}

TEST_CASE("a claim whose connection is cut around its commit loses no time: what was claimed unheard is handed back at once", "[crash]")
{
    cut_off c;
    for (const auto where : {cut::before_forwarding, cut::after_forwarding}) {
        INFO((where == cut::before_forwarding ? "before" : "after"));
        // The second attempt waits in the queue, and is claimed: in one of two ways, by what a look at the queue costs this machine.
        c.proxy.cut_at({"claim", "claim_from"}, where);
        const auto last = c.server.run("fails-once");
        CHECK(c.proxy.has_cut());
        CHECK(text_at(last, "/status") == "COMPLETED");
        CHECK(last.at("attempt_number") == 2);
        CHECK(c.began_at_once(text_at(last, "/execution_id")));
    }
    await_idle(c.database.url());
    check_history(c.database.url(), {});
}

TEST_CASE("a submission that is given up although its commit came through starts as soon as the database is back", "[crash]")
{
    cut_off c;
    c.proxy.cut_at({"submit"}, cut::after_forwarding, true);
    const auto reply = c.submit("given-up", "given-up");
    CHECK(c.proxy.has_cut());
    CHECK(reply.status == 503);
    CHECK(!reply.field("Retry-After").empty());
    const auto stored = value_of(c.database.url(), "select execution_id from rowlock.v_executions where correlation_id = 'given-up' and status = 'RUNNING'");
    const auto from = value_of(c.database.url(), "select clock_timestamp()");
    c.proxy.go_on();
    const auto last = c.server.ended(stored);
    CHECK(text_at(last, "/status") == "COMPLETED");
    CHECK(last.at("attempt_number") == 1);
    CHECK(value_of(c.database.url(), fmt::format("select completed_time < '{}'::timestamptz + interval '8 s' from rowlock.v_executions where execution_id = '{}'", from, stored)) == "t");
    const auto again = c.submit("given-up", "given-up");
    CHECK(again.status == 200);
    CHECK(text_at(again.json(), "/execution_id") == stored);
    await_idle(c.database.url());
    check_history(c.database.url(), {});
}
