#include "tests/crash/crew.hpp"
#include "tests/crash/history.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <csignal>

namespace {

using namespace rowlock::test;
namespace json = boost::json;

const std::vector<std::string> none;

// The newest incarnation of the server.
json::value instance_of(const server_process& asks, const server_process& of)
{
    const auto all = asks.get("/v1/instances").json();
    for (const auto& one : all.at("items").as_array()) {
        if (text_at(one, "/address") == of.address()) return one;
    }
    return nullptr;
}

void drain(const server_process& asks, const server_process& which)
{
    const auto id = std::to_string(instance_of(asks, which).at("instance_id").as_int64());
    CHECK(asks.post("/v1/instances/" + id + "/drain", json::object{{"reason", "a test"}}).status == 200);
}

// Few of some kinds at a time, and room for a few more.
const environment_map confined{{"ROWLOCK_EXECUTOR_PARALLELISM_BY_HANDLER", "sleep=2,process=1"}, {"ROWLOCK_INSTANCE_LABELS", "place=here"}};

}

TEST_CASE("servers with limits of their own are drained, and killed while they drain, under load: nothing is lost, nothing is done twice, no limit is exceeded", "[crash][drain]")
{
    const test_database database;
    const scratch_folder scratch;
    const auto ledger = scratch.path() / "ledger";
    crew servers(database.url());
    define_load(servers.start("steady"), ledger);
    servers.start("one", confined);
    servers.start("two", confined);
    auto& steady = servers.at("steady");
    steady.define("placed", json::object{{"type", "sleep"}, {"seconds", 0.05}}, {{"placement", {{"labels", {{"place", "here"}}}}}, {"retry_policy", {{"max_attempts", 9}}}});
    auto kinds = kinds_of_work;
    kinds.emplace_back("placed");
    load clients(servers.where(), 6, {.kinds = kinds});
    const auto goes_on = [&] {
        const auto before = clients.count();
        eventually("the work goes on", [&] { return clients.count() > before + 30; });
        CHECK(violations(database.url()) == none);
    };
    goes_on();
    for (const bool kills_the_drained : {true, false, true}) {
        INFO(kills_the_drained);
        drain(steady, servers.at("one"));
        goes_on();
        servers.kill_hard(kills_the_drained ? "one" : "two");
        goes_on();
        servers.start(kills_the_drained ? "one" : "two", confined);
        if (!kills_the_drained) {
            eventually("nothing is left of it", [&] { return text_at(instance_of(steady, servers.at("one")), "/state") == "DRAINED"; });
            CHECK(servers.stop("one") == 0);
            servers.start("one", confined);
        }
        eventually("it works again", [&] { return text_at(instance_of(steady, servers.at("one")), "/state") == "ALIVE"; });
    }
    clients.finish();
    await_idle(database.url());
    check_history(database.url(), clients.acknowledged());
    check_ledger(database.url(), ledger);
    CHECK(value_of(database.url(), "select count(*) from rowlock.v_executions where job_id = 'placed' and started_time is not null and instance_id in (select instance_id from rowlock.instances where labels is null)") == "0");
    CHECK(value_of(database.url(), "select coalesce(sum(in_use), 0) from rowlock.limits") == "0");
    for (const char* name : {"one", "two"}) CHECK(servers.stop(name) == 0);
    CHECK(violations(database.url()) == none);
}

TEST_CASE("a drained server that was frozen past its lease joins anew, and is drained still", "[crash][drain]")
{
    const test_database database;
    crew servers(database.url());
    auto& other = servers.start("other");
    auto& frozen = servers.start("frozen");
    other.define("nap", json::object{{"type", "sleep"}, {"seconds", 0.01}});
    drain(other, frozen);
    const auto was = text_at(instance_of(other, frozen), "/instance_id");
    frozen.process().signal(SIGSTOP);
    eventually("it is declared dead", [&] { return text_at(other.get("/v1/instances/" + was).json(), "/state") == "GONE"; });
    frozen.process().signal(SIGCONT);
    eventually("it has joined anew", [&] { return text_at(instance_of(other, frozen), "/instance_id") != was; });
    CHECK(text_at(instance_of(other, frozen), "/state") == "DRAINED");
    CHECK(text_at(instance_of(other, frozen), "/drain/reason") == "a test");
    eventually("it says so", [&] { return frozen.get("/readyz").body.find("raining") != std::string::npos; });
    for (int i = 0; i < 5; ++i) CHECK(frozen.run("nap").at("instance_id") == instance_of(other, other).at("instance_id"));

    // The process that takes its place is not.
    servers.kill_hard("frozen");
    auto& fresh = servers.start("frozen");
    CHECK(text_at(instance_of(other, fresh), "/state") == "ALIVE");
    CHECK(fresh.get("/readyz").status == 200);
    check_history(database.url(), {});
}
