#include "tests/support/database_rows.hpp"
#include "tests/support/job_runs.hpp"
#include "tests/support/plans.hpp"

#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <map>
#include <sstream>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

// Notes its beginning and its end in a file, with its key and its number; between the two it does `work`.
json::object noting(const std::filesystem::path& file, const std::string& work)
{
    const std::string script = R"(
        part() { sed -n "s/.*\"$1\": *\"\{0,1\}\([A-Za-z0-9]*\).*/\1/p" "$ROWLOCK_PARAMETERS_FILE"; }
        key=$(part k); n=$(part n); echo "begin $key $n" >> )" + file.string() + "\n" + work + "\necho \"end $key $n\" >> " + file.string();
    return {{"type", "process"}, {"command", json::array{"/bin/sh", "-c", script}}, {"grace_seconds", 0}};
}

json::object of_key(const std::string& key, int n)
{
    return {{"customer", {{"id", key}}}, {"k", key}, {"n", n}};
}

json::object ordered(const json::object& more = {})
{
    return with({{"ordering_key", "customer.id"}, {"retry_policy", {{"max_attempts", 1}}}}, more);
}

struct note {
    std::string what;
    std::string key;
    int n = 0;
};

std::vector<note> notes_in(const std::filesystem::path& file)
{
    std::vector<note> all;
    std::istringstream lines(text_of_file(file));
    for (note one; lines >> one.what >> one.key >> one.n;) all.push_back(one);
    return all;
}

// Of each key: the numbers in the order in which they began. Checks that no two were at work at once.
std::map<std::string, std::vector<int>> order_in(const std::filesystem::path& file)
{
    std::map<std::string, std::vector<int>> began;
    std::map<std::string, int> at_work;
    for (const auto& [what, key, n] : notes_in(file)) {
        auto& running = at_work[key];
        if (what == "begin") {
            began[key].push_back(n);
            CHECK(++running == 1);
        } else {
            CHECK(--running == 0);
        }
    }
    return began;
}

std::vector<int> first_numbers(int n)
{
    std::vector<int> all;
    for (int i = 0; i < n; ++i) all.push_back(i);
    return all;
}

environment_map impatient()
{
    auto out = any_program();
    out.emplace("ROWLOCK_LEASE_SECONDS", "2");
    out.emplace("ROWLOCK_GRACEFUL_TIMEOUT_SECONDS", "0");
    return out;
}

std::string until_there(const std::filesystem::path& gate)
{
    return "while ! test -e " + gate.string() + "; do sleep 0.05; done";
}

}

TEST_CASE("executions with the same ordering key run one at a time, in the order of their submission; others do not wait for them", "[e2e][ordering]")
{
    auto& server = open_server();
    const scratch_folder folder;
    const auto file = folder.path() / "notes";
    server.define("ordered", noting(file, "sleep 0.02"), ordered());
    constexpr int each = 8;
    json::array batch;
    for (int n = 0; n < each; ++n) {
        for (const auto* key : {"a", "b", "c"}) batch.push_back(json::object{{"job_id", "ordered"}, {"parameters", of_key(key, n)}, {"priority", n * 100}});
    }
    // Some at once, some one by one: the order is that of the commits, whatever the priority.
    const auto accepted = server.post("/v1/executions/batch", {{"executions", batch}});
    INFO(accepted.body);
    REQUIRE(accepted.status == 201);
    std::vector<std::string> ids;
    const auto answer = accepted.json();
    for (const auto& one : answer.at("executions").as_array()) ids.push_back(text_at(one, "/execution_id"));
    for (int n = each; n < each + 3; ++n) ids.push_back(server.submit("ordered", of_key("a", n)));
    for (const auto& id : ids) CHECK(server.ended(id).at("status") == "COMPLETED");
    auto began = order_in(file);
    CHECK(began["a"] == first_numbers(each + 3));
    CHECK(began["b"] == first_numbers(each));
    CHECK(began["c"] == first_numbers(each));
    CHECK(violations_at(open_server_database()) == std::vector<std::string>{});
}

TEST_CASE("explain says behind how many of its ordering key an execution waits", "[e2e][ordering][explain]")
{
    auto& server = open_server();
    const scratch_folder folder;
    const auto gate = folder.path() / "gate";
    const auto file = folder.path() / "notes";
    server.define("ordered-told", noting(file, until_there(gate)), ordered({{"ordering_key", "$.customer.id"}}));
    const auto head = server.submit("ordered-told", of_key("a", 0));
    const auto second = server.submit("ordered-told", of_key("a", 1));
    const auto third = server.submit("ordered-told", of_key("a", 2));
    const auto other = server.submit("ordered-told", of_key("b", 0));
    const auto without = server.submit("ordered-told", {{"k", "none"}, {"n", 0}});
    for (const auto& id : {head, other, without}) server.await_status(id, "RUNNING");
    for (const auto& [id, position] : {std::pair(second, 1), std::pair(third, 2)}) {
        const auto told = explain(server, id).json();
        INFO(told);
        CHECK(told.at("status") == "PENDING");
        const auto& why = told.at_pointer("/blocked_by/0");
        CHECK(why.at("rule") == "job_limit");
        CHECK(why.at("max_running") == 1);
        CHECK(why.at("in_use") == 1);
        CHECK(why.at("position") == position);
    }
    CHECK(server.execution(third).at_pointer("/waiting_on/rule") == "job_limit");
    // One that waits is cancelled: those behind it go on without it.
    REQUIRE(server.post("/v1/executions/" + second + "/cancel", json::object{}).status == 202);
    CHECK(explain(server, third).json().at_pointer("/blocked_by/0/position") == 1);
    write_file(gate, "open");
    for (const auto& id : {head, third, other, without}) CHECK(server.ended(id).at("status") == "COMPLETED");
    CHECK(order_in(file)["a"] == std::vector<int>{0, 2});
    CHECK(violations_at(open_server_database()) == std::vector<std::string>{});
}

TEST_CASE("a run of an ordering key is over when no attempt follows: the next waits through its retries", "[e2e][ordering]")
{
    auto& server = open_server();
    const scratch_folder folder;
    const auto file = folder.path() / "notes";
    const auto failed = folder.path() / "failed";
    // Number 0 fails at first, number 1 for good.
    const std::string work = fmt::format("if [ $n = 0 ] && [ ! -e {0} ]; then touch {0}; echo \"end $key $n\" >> {1}; exit 5; fi; if [ $n = 1 ]; then echo \"end $key $n\" >> {1}; exit 6; fi",
                                         failed.string(), file.string());
    server.define("ordered-fails", noting(file, work), ordered({{"retry_policy", {{"max_attempts", 2}, {"initial_delay_seconds", 0.3}, {"jitter_factor", 0}}}}));
    std::vector<std::string> ids;
    for (int n = 0; n < 4; ++n) ids.push_back(server.submit("ordered-fails", of_key("a", n)));
    CHECK(server.ended(ids[0]).at("attempt_number") == 2);
    CHECK(server.ended(ids[1]).at("status") == "FAILED");
    CHECK(server.ended(ids[2]).at("status") == "COMPLETED");
    CHECK(server.ended(ids[3]).at("status") == "COMPLETED");
    CHECK(order_in(file)["a"] == std::vector<int>{0, 0, 1, 1, 2, 3});
    CHECK(violations_at(open_server_database()) == std::vector<std::string>{});
}

TEST_CASE("what its dependencies let go still waits for its turn", "[e2e][ordering][dependencies]")
{
    auto& server = open_server();
    const scratch_folder folder;
    const auto gate = folder.path() / "gate";
    const auto file = folder.path() / "notes";
    server.define("turn-up", {{"type", "noop"}});
    server.define("turn-down", noting(file, until_there(gate)), ordered({{"dependencies", json::array{on("turn-up")}}, {"parameters", of_key("a", 0)}}));
    const auto first = server.submit("turn-down");
    const auto second = server.submit("turn-down", {{"n", 1}});
    server.run("turn-up");
    server.await_status(first, "RUNNING");
    server.run("turn-up");
    CHECK(server.status_of(second) == "PENDING");
    CHECK(server.execution(second).at_pointer("/waiting_on/rule") == "job_limit");
    // A third end makes one of its own, behind them.
    server.run("turn-up");
    REQUIRE(count_of(server, "turn-down") == 3);
    write_file(gate, "open");
    CHECK(server.ended(second).at("status") == "COMPLETED");
    CHECK(last_of(server, "turn-down").at("status") == "COMPLETED");
    CHECK(order_in(file)["a"] == std::vector<int>{0, 1, 0});
    CHECK(violations_at(open_server_database()) == std::vector<std::string>{});
}

TEST_CASE("nodes that are added to a plan while it runs take their turn as others do", "[e2e][ordering][plans]")
{
    auto& server = open_server();
    const scratch_folder folder;
    const auto file = folder.path() / "notes";
    const auto gate = folder.path() / "gate";
    server.define("ordered-grown", noting(file, "sleep 0.02"), ordered());
    const auto id = start_plan(server, plan_of({script("first", until_there(gate))}));
    json::array added;
    for (int n = 0; n < 4; ++n) added.push_back(json::object{{"node_id", fmt::format("turn{}", n)}, {"job_id", "ordered-grown"}, {"parameters", of_key("a", n)}});
    const auto accepted = server.post("/v1/plan-runs/" + id + "/nodes", json::object{{"nodes", added}});
    INFO(accepted.body);
    REQUIRE(accepted.status == 201);
    write_file(gate, "");
    CHECK(ended_plan(server, id).at("status") == "COMPLETED");
    CHECK(order_in(file)["a"] == first_numbers(4));
    CHECK(violations_at(open_server_database()) == std::vector<std::string>{});
}

TEST_CASE("an instance that is killed does not upset the order: the next of a key starts when another instance has finished the run", "[e2e][ordering]")
{
    const test_database database;
    const scratch_folder folder;
    const auto gate = folder.path() / "gate";
    const auto file = folder.path() / "notes";
    const std::vector<std::string> serve{"serve", "--auth", "none", "--database", database.url()};
    std::vector<std::string> ids;
    {
        server_process first(serve, impatient());
        first.define("ordered-lost", noting(file, until_there(gate)), ordered({{"idempotent", true}}));
        for (int n = 0; n < 4; ++n) ids.push_back(first.submit("ordered-lost", of_key("a", n)));
        eventually("the first has begun", [&] { return !notes_in(file).empty(); });
        first.kill_hard();
    }
    server_process second(serve, impatient());
    eventually("its next attempt has begun", [&] { return notes_in(file).size() == 2; });
    CHECK(notes_in(file).back().n == 0);
    write_file(gate, "open");
    for (const auto& id : ids) CHECK(second.ended(id).at("status") == "COMPLETED");
    std::vector<int> began;
    for (const auto& one : notes_in(file)) {
        if (one.what == "begin") began.push_back(one.n);
    }
    CHECK(began == std::vector<int>{0, 0, 1, 2, 3});
    CHECK(violations_at(database.url()) == std::vector<std::string>{});
}
