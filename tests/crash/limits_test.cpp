#include "tests/crash/call_counter.hpp"
#include "tests/crash/crew.hpp"
#include "tests/crash/history.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <iostream>
#include <random>

namespace {

using namespace rowlock::test;
namespace json = boost::json;

const std::vector<std::string> none;
const std::vector<std::string> servers_at_work{"one", "two", "three"};
// Of what may run on all servers, 24.
constexpr int most_of_all = 16;
constexpr int most_of_one = 8;
constexpr int rounds = 3;
constexpr int changes_a_round = 3;

// Sets a limit, on whichever server answers.
void put_limit(const crew& servers, const std::string& name, int most)
{
    eventually("the limit is set", [&] {
        for (const auto& [server, address] : servers.addresses()) {
            try {
                if (http_request(address, "PUT", "/v1/limits/" + name, json::serialize(json::object{{"max_running", most}})).status == 200) return true;
            } catch (const std::exception&) {
                continue;       // it is down
            }
        }
        return false;
    });
}

}

TEST_CASE("what runs is counted outside of the database: under load, changed limits and kills no limit is ever exceeded, and none is left unused", "[crash][limits]")
{
    const auto seed = std::random_device{}() % 1'000'000;
    INFO("seed " << seed);
    std::mt19937 dice(seed);
    const auto number = [&dice](int low, int high) { return std::uniform_int_distribution(low, high)(dice); };
    const test_database database;
    call_counter counter({{"all", 4}, {"one", 2}}, seed);
    crew servers(database.url());
    for (const auto& name : servers_at_work) servers.start(name);
    auto& first = servers.at("one");
    for (const char* job : {"one", "other"}) first.define(job, json::object{{"type", "http"}, {"method", "POST"}, {"url", counter.url() + "/" + job}}, {{"retry_policy", {{"max_attempts", 9}}}});
    put_limit(servers, "global/all", 4);
    put_limit(servers, "job/one", 2);
    json::array batch;
    for (int i = 0; i < 20; ++i) {
        for (const char* job : {"one", "other"}) batch.push_back(json::object{{"job_id", job}});
    }
    CHECK(first.post("/v1/executions/batch", json::object{{"executions", batch}}).status == 201);
    eventually("both limits are used to the last", [&] { return counter.of("all").full > 0 && counter.of("one").full > 0; });
    load clients(servers.where(), 4, {.pace = std::chrono::milliseconds{6}, .kinds = {"one", "other", "one", "other", "other"}});
    const auto goes_on = [&](int more) {
        const int before = counter.of("all").ended;
        eventually("the work goes on", [&] { return counter.of("all").ended >= before + more; });
    };
    for (int round = 0; round < rounds; ++round) {
        for (int i = 0; i < changes_a_round; ++i) {
            const bool of_all = number(0, 1) == 0;
            const int most = of_all ? number(2, most_of_all) : number(1, most_of_one);
            counter.change(of_all ? "all" : "one", most, [&] { put_limit(servers, of_all ? "global/all" : "job/one", most); });
            goes_on(60);
        }
        const auto& victim = servers_at_work[static_cast<std::size_t>(number(0, 2))];
        servers.kill_hard(victim);
        goes_on(60);
        servers.start(victim);
        CHECK(violations(database.url()) == none);
    }
    counter.change("all", most_of_all, [&] { put_limit(servers, "global/all", most_of_all); });
    counter.change("one", most_of_one, [&] { put_limit(servers, "job/one", most_of_one); });
    clients.finish();
    await_idle(database.url());
    for (const char* name : {"all", "one"}) {
        const auto f = counter.of(name);
        INFO(name << ": " << f.ended << " ran, at most " << f.most << " at a time");
        std::cerr << "limits: seed " << seed << ", " << name << ": " << f.ended << " ran, at most " << f.most << " at a time, " << f.full << " times full\n";
        CHECK(f.exceeded == "");
        CHECK(f.running == 0);
    }
    check_history(database.url(), clients.acknowledged());
    CHECK(value_of(database.url(), "select coalesce(sum(in_use), 0) from rowlock.limits") == "0");
    CHECK(value_of(database.url(), "select deadlocks from pg_stat_database where datname = current_database()") == "0");
    for (const auto& name : servers_at_work) CHECK(servers.stop(name) == 0);
    CHECK(violations(database.url()) == none);
}
