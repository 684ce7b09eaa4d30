#include "tests/crash/crew.hpp"
#include "tests/crash/history.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>

namespace {

using namespace rowlock::test;
namespace json = boost::json;

const std::vector<std::string> none;

// The first time that a step is passed, and one in the middle of the work.
const std::vector<std::string> steps = {
    "join.after_commit:1",    "submit.before_commit:1", "submit.before_commit:9", "submit.after_commit:1", "submit.after_commit:9",
    "claim.before_commit:1",  "claim.before_commit:5",  "claim.after_commit:1",   "claim.after_commit:5",  "run.started:1",
    "run.started:9",          "run.returned:1",         "run.returned:9",         "settle.before_commit:1", "settle.before_commit:9",
    "settle.after_commit:1",  "settle.after_commit:9",
};

}

TEST_CASE("a server may be killed at any durable step: what was acknowledged is done, and nothing is done or counted twice", "[crash]")
{
    const test_database database;
    const scratch_folder scratch;
    const auto ledger = scratch.path() / "ledger";
    crew servers(database.url());
    define_load(servers.start("steady"), ledger);
    load clients(servers.where(), 6);
    for (const auto& step : steps) {
        INFO(step);
        CHECK(servers.run_until_crash(step) == -SIGKILL);
        CHECK(violations(database.url()) == none);
    }
    servers.start("back again");
    const auto before = clients.count();
    eventually("the work goes on", [&] { return clients.count() > before + 50; });
    clients.finish();
    await_idle(database.url());
    check_history(database.url(), clients.acknowledged());
    check_ledger(database.url(), ledger);
}

TEST_CASE("a server may be killed while it takes over the work of another: the rest is taken over by the next", "[crash]")
{
    const test_database database;
    const scratch_folder scratch;
    const auto ledger = scratch.path() / "ledger";
    crew servers(database.url());
    define_load(servers.start("first"), ledger);
    const auto gate = scratch.path() / "gate";
    const json::array command{"/bin/sh", "-c", "until [ -e " + gate.string() + " ]; do sleep 0.05; done"};
    servers.at("first").define("waits", json::object{{"type", "process"}, {"command", command}}, {{"retry_policy", {{"max_attempts", 4}}}});
    load clients(servers.where(), 4);
    for (const std::string step : {"takeover.after_commit:1", "takeover.after_commit:2"}) {
        INFO(step);
        std::filesystem::remove(gate);
        std::string lost;
        const auto code = servers.run_until_crash(step, [&] {
            lost = servers.at("first").submit("waits");
            servers.at("first").await_status(lost, "RUNNING");
            servers.kill_hard("first");
        });
        CHECK(code == -SIGKILL);
        CHECK(violations(database.url()) == none);
        servers.start("first");
        std::ofstream{gate};
        const auto last = servers.at("first").ended(lost);
        CHECK(text_at(last, "/status") == "COMPLETED");
        CHECK(last.at("attempt_number").to_number<int>() >= 2);
        CHECK(text_at(servers.at("first").execution(lost), "/result/error_code") == "LEASE_LOST");
    }
    clients.finish();
    await_idle(database.url());
    check_history(database.url(), clients.acknowledged());
    check_ledger(database.url(), ledger);
}
