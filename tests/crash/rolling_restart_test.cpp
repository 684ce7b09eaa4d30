#include "tests/crash/balancer.hpp"
#include "tests/crash/crew.hpp"
#include "tests/crash/effects.hpp"
#include "tests/crash/history.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <csignal>

namespace {

using namespace rowlock::test;
namespace json = boost::json;

const std::vector<std::string> none;
constexpr std::chrono::milliseconds pace{10};

}

TEST_CASE("three servers are restarted one after the other under load behind HAProxy: no request fails, and no attempt is lost", "[crash][stop]")
{
    const test_database database;
    const effects done;
    crew servers(database.url());
    const std::vector<std::string> names{"one", "two", "three"};
    for (const auto& name : names) servers.start(name);
    done.define(servers.at("one"));
    const balancer front(servers.addresses());
    const auto all_are_up = [&] { return front.up() == 3; };
    eventually("all servers are up", all_are_up);
    targets where;
    where.set("front", front.address());
    load fresh(where, 3, {.name = "fresh", .balanced = true, .pace = pace, .kinds = effects::kinds()});
    load kept(where, 3, {.name = "kept", .keep_alive = true, .balanced = true, .pace = pace, .kinds = effects::kinds()});
    const auto goes_on = [&] {
        const auto before_fresh = fresh.count();
        const auto before_kept = kept.count();
        eventually("the work goes on", [&] { return fresh.count() > before_fresh + 20 && kept.count() > before_kept + 20; });
    };
    goes_on();
    for (const auto& name : names) {
        INFO(name);
        CHECK(servers.stop(name) == 0);
        goes_on();
        servers.start(name);
        eventually("it is up again", all_are_up);
        goes_on();
    }
    fresh.finish();
    kept.finish();
    CHECK(fresh.failures() == none);
    CHECK(kept.failures() == none);
    await_idle(database.url());
    CHECK(value_of(database.url(), "select count(*) from rowlock.v_executions where error_code = 'LEASE_LOST'") == "0");
    CHECK(value_of(database.url(), "select count(*) from rowlock.instances where state = 'DEAD'") == "0");
    auto acknowledged = fresh.acknowledged();
    acknowledged.merge(kept.acknowledged());
    check_history(database.url(), acknowledged);
    done.check(database.url(), acknowledged);
}

TEST_CASE("a server that stops: not ready at once, nothing more is started, all that still comes is answered, and each answer is the last of its connection", "[crash][stop]")
{
    const test_database database;
    crew servers(database.url());
    auto& server = servers.start("one", {{"ROWLOCK_DRAIN_SECONDS", "30"}});
    server.define("nap", json::object{{"type", "sleep"}, {"seconds", 2}});
    server.define("noop", json::object{{"type", "noop"}});
    const auto nap = server.submit("nap");
    server.await_status(nap, "RUNNING");
    http_connection open(server.address());
    server.process().signal(SIGTERM);
    eventually("it is not ready", [&] { return server.get("/readyz").status == 503; });
    CHECK(server.get("/healthz").status == 200);

    const auto late = server.post("/v1/executions", json::object{{"job_id", "noop"}});
    CHECK(late.status == 201);
    CHECK(late.field("Connection") == "close");
    CHECK(text_at(late.json(), "/status") == "QUEUED");
    open.send(request_text("GET", "/v1/executions/" + nap) + request_text("GET", "/v1/jobs/noop"));
    const auto first = open.receive();
    CHECK(first.status == 200);
    CHECK(first.field("Connection") != "close");
    const auto second = open.receive();
    CHECK(second.status == 200);
    CHECK(second.field("Connection") == "close");
    CHECK(open.is_closed_within(patience));

    // Who waits for the work is told its end.
    CHECK(text_at(server.ended(nap), "/status") == "COMPLETED");
    CHECK(server.process().wait() == 0);
    CHECK(text_at(servers.start("two").ended(text_at(late.json(), "/execution_id")), "/status") == "COMPLETED");
    check_history(database.url(), {});
}
