#include "tests/support/impatient_server.hpp"
#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <csignal>
#include <pqxx/pqxx>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

std::vector<std::string> steps_of(const server_process& server, const std::string& id)
{
    std::vector<std::string> out;
    const auto body = server.get("/v1/executions/" + id + "/transitions?limit=1000").json();
    for (const auto& one : body.at("items").as_array()) out.push_back(text_at(one, "/to_status"));
    return out;
}

void check_rows_agree(const std::string& url)
{
    pqxx::connection session(url);
    pqxx::nontransaction sql(session);
    for (const auto& row : sql.exec("select rule, detail from rowlock.violations()")) FAIL_CHECK(row[0].as<std::string>() + ": " + row[1].as<std::string>());
}

}

TEST_CASE("what a killed instance was running ends LEASE_LOST, and another one runs the next attempt", "[e2e][instances]")
{
    const test_database database;
    const scratch_folder folder;
    const auto gate = (folder.path() / "gate").string();
    server_process first({"serve", "--auth", "none", "--database", database.url()}, impatient());
    first.define("lost", gated_by(gate), {{"retry_policy", {{"max_attempts", 3}, {"initial_delay_seconds", 3600}, {"max_delay_seconds", 3600}}}});
    first.define("lost-once", gated_by(gate), {{"retry_policy", {{"max_attempts", 1}}}});
    const auto id = first.submit("lost");
    const auto once = first.submit("lost-once");
    first.await_status(id, "RUNNING");
    first.await_status(once, "RUNNING");
    server_process second({"serve", "--auth", "none", "--database", database.url()}, impatient());
    first.kill_hard();

    second.await_status(id, "FAILED");
    CHECK(second.execution(id).at_pointer("/result/error_code") == "LEASE_LOST");
    write_file(gate, "open");
    const auto end = second.ended(id);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at("attempt_number") == 2);
    CHECK(text_at(end, "/parent_execution_id") == id);
    const auto no_more = second.ended(once);
    CHECK(no_more.at("status") == "FAILED");
    CHECK(no_more.at("attempt_number") == 1);
    CHECK(no_more.at_pointer("/result/error_code") == "LEASE_LOST");
    check_rows_agree(database.url());
    CHECK(second.terminate() == 0);
}

TEST_CASE("an instance that is stopped hands its work back at once, and the same attempt goes on elsewhere", "[e2e][instances]")
{
    const test_database database;
    const scratch_folder folder;
    const auto gate = (folder.path() / "gate").string();
    server_process first({"serve", "--auth", "none", "--database", database.url()}, impatient());
    first.define("handed", gated_by(gate), {{"retry_policy", {{"max_attempts", 1}}}});
    const auto id = first.submit("handed");
    first.await_status(id, "RUNNING");
    server_process second({"serve", "--auth", "none", "--database", database.url()}, impatient());
    CHECK(first.terminate() == 0);
    second.await_status(id, "RUNNING");
    write_file(gate, "open");
    const auto end = second.ended(id);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at("attempt_number") == 1);
    CHECK(text_at(end, "/execution_id") == id);
    CHECK(steps_of(second, id) == std::vector<std::string>{"QUEUED", "RUNNING", "QUEUED", "RUNNING", "COMPLETING", "COMPLETED"});
    check_rows_agree(database.url());
    CHECK(second.terminate() == 0);
}

TEST_CASE("work that ends within the grace of a stop is not handed back", "[e2e][instances]")
{
    const test_database database;
    server_process one({"serve", "--auth", "none", "--database", database.url()}, {{"ROWLOCK_GRACEFUL_TIMEOUT_SECONDS", "30"}});
    one.define("brief", {{"type", "sleep"}, {"seconds", 1}});
    const auto id = one.submit("brief");
    one.await_status(id, "RUNNING");
    CHECK(one.terminate() == 0);
    server_process other({"serve", "--auth", "none", "--database", database.url()});
    CHECK(other.status_of(id) == "COMPLETED");
    CHECK(steps_of(other, id) == std::vector<std::string>{"QUEUED", "RUNNING", "COMPLETING", "COMPLETED"});
    CHECK(other.terminate() == 0);
}

TEST_CASE("a second SIGTERM does not wait for the grace", "[e2e][instances]")
{
    const test_database database;
    server_process one({"serve", "--auth", "none", "--database", database.url()}, {{"ROWLOCK_GRACEFUL_TIMEOUT_SECONDS", "3600"}});
    one.define("endless", {{"type", "sleep"}, {"seconds", 3600}});
    const auto id = one.submit("endless");
    one.await_status(id, "RUNNING");
    one.process().signal(SIGTERM);
    eventually("the stop is under way", [&] { return one.process().err().find("stopping") != std::string::npos; });
    one.process().signal(SIGTERM);
    CHECK(one.process().wait() == 0);
    server_process other({"serve", "--auth", "none", "--database", database.url()});
    other.await_status(id, "RUNNING");
    CHECK(other.post("/v1/executions/" + id + "/cancel", json::object{}).status == 202);
    CHECK(other.ended(id).at("status") == "CANCELLED");
}

TEST_CASE("a cancel, a wait and a log asked of one instance reach what another one runs", "[e2e][instances]")
{
    const test_database database;
    server_process runs({"serve", "--auth", "none", "--database", database.url()}, any_program());
    runs.define("across", {{"type", "process"}, {"command", json::array{"/bin/sh", "-c", "echo here; while :; do sleep 0.1; done"}}, {"grace_seconds", 0}});
    const auto id = runs.submit("across");
    runs.await_status(id, "RUNNING");
    server_process asks({"serve", "--auth", "none", "--database", database.url()}, any_program());
    eventually("the log is there", [&] { return asks.get("/v1/executions/" + id + "/log").body == "here\n"; });
    CHECK(asks.post("/v1/executions/" + id + "/cancel", {{"reason", "from afar"}}).status == 202);
    CHECK(asks.ended(id).at("status") == "CANCELLED");
    CHECK(runs.terminate() == 0);
    CHECK(asks.terminate() == 0);
}
