#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

std::string cancel_path(const std::string& id) { return "/v1/executions/" + id + "/cancel"; }

bool process_lives(const std::string& pid)
{
    // A zombie has ended.
    const auto stat = text_of_file("/proc/" + pid + "/stat");
    return !stat.empty() && stat.find(") Z ") == std::string::npos;
}

// Says the pids of itself and of a grandchild in its log, then goes on for ever.
json::object process_tree(bool deaf)
{
    const std::string trap = deaf ? "trap '' TERM; " : "";
    return {{"type", "process"}, {"grace_seconds", 0.5},
            {"command", json::array{"/bin/sh", "-c", trap + "sh -c '" + (deaf ? "trap \"\" TERM; " : "") + "echo grandchild $$; while :; do sleep 1; done' & echo child $$; wait; while :; do sleep 1; done"}}};
}

std::vector<std::string> pids_in_log(const server_process& server, const std::string& id)
{
    std::vector<std::string> pids;
    eventually("both pids are in the log", [&] {
        pids.clear();
        const auto log = server.get("/v1/executions/" + id + "/log").body;
        for (const char* word : {"grandchild ", "\nchild ", "child "}) {
            const auto at = log.find(word);
            if (at == std::string::npos) continue;
            const auto from = at + std::string(word).size();
            const auto end = log.find('\n', from);
            if (end != std::string::npos) pids.push_back(log.substr(from, end - from));
        }
        return log.find("grandchild ") != std::string::npos && (log.find("\nchild ") != std::string::npos || log.rfind("child ", 0) == 0) && pids.size() >= 2;
    });
    return pids;
}

}

TEST_CASE("what waits is cancelled at once, never starts, and cannot be cancelled twice", "[e2e][cancel]")
{
    auto& server = open_server();
    server.define("cancel-later", {{"type", "noop"}}, {{"retry_policy", {{"max_attempts", 5}}}});
    const auto id = text_at(server.post("/v1/executions", {{"job_id", "cancel-later"}, {"scheduled_time", "2999-01-01T00:00:00Z"}}).json(), "/execution_id");
    const auto reply = server.post(cancel_path(id), {{"reason", "not wanted"}});
    INFO(reply.body);
    REQUIRE(reply.status == 202);
    CHECK(text_at(reply.json(), "/execution_id") == id);
    const auto end = server.ended(id);
    CHECK(end.at("status") == "CANCELLED");
    CHECK(end.at("attempt_number") == 1);
    CHECK(end.at("started_time").is_null());
    CHECK(end.at_pointer("/result/status") == "CANCELLED");
    CHECK(end.at_pointer("/result/error_code") == "CANCELLED");
    const auto transitions = server.get("/v1/executions/" + id + "/transitions");
    CHECK(transitions.body.find("not wanted") != std::string::npos);
    const auto twice = server.post(cancel_path(id), json::object{});
    CHECK(twice.status == 409);
    CHECK(twice.json().at("code") == "ALREADY_ENDED");
}

TEST_CASE("what runs is stopped by a cancel, and what has ended is not touched", "[e2e][cancel]")
{
    auto& server = open_server();
    server.define("cancel-sleeper", {{"type", "sleep"}, {"seconds", 300}}, {{"retry_policy", {{"max_attempts", 5}, {"initial_delay_seconds", 0}}}});
    const auto id = server.submit("cancel-sleeper");
    server.await_status(id, "RUNNING");
    // Without a body, as curl -X POST does it.
    CHECK(http_request(server.address(), "POST", cancel_path(id)).status == 202);
    const auto end = server.ended(id);
    CHECK(end.at("status") == "CANCELLED");
    CHECK(end.at("attempt_number") == 1);

    server.define("cancel-done", {{"type", "noop"}});
    const auto done = server.submit("cancel-done");
    server.ended(done);
    CHECK(server.post(cancel_path(done), json::object{}).status == 409);
    CHECK(server.status_of(done) == "COMPLETED");
    CHECK(server.post(cancel_path(done), {{"cascade", "EVERYTHING"}}).status == 422);
    CHECK(server.post(cancel_path(done), {{"reason", 7}}).status == 422);
    CHECK(server.post(cancel_path(done), {{"colour", "red"}}).status == 422);
}

TEST_CASE("a run in the pause before its retry is cancelled", "[e2e][cancel]")
{
    auto& server = open_server();
    server.define("cancel-backoff", {{"type", "fail"}, {"error_code", "X"}, {"times", 9}}, {{"retry_policy", {{"max_attempts", 5}, {"initial_delay_seconds", 3600}, {"max_delay_seconds", 3600}}}});
    const auto id = server.submit("cancel-backoff");
    std::string next;
    eventually("the second attempt waits", [&] {
        const auto items = server.get("/v1/executions?run_id=" + id).json();
        if (items.at("items").as_array().size() != 2) return false;
        next = text_at(items, "/items/0/execution_id");
        return true;
    });
    CHECK(server.status_of(next) == "PENDING");
    CHECK(server.execution(next).at_pointer("/waiting_on/rule") == "backoff");
    CHECK(server.post(cancel_path(id), json::object{}).status == 409);
    CHECK(server.post(cancel_path(next), json::object{}).status == 202);
    CHECK(server.ended(id).at("status") == "CANCELLED");
}

TEST_CASE("a cancelled process gets SIGTERM with all that it has started, and the end says that it went by itself", "[e2e][cancel]")
{
    auto& server = open_server();
    server.define("cancel-tree", process_tree(false));
    const auto id = server.submit("cancel-tree");
    const auto pids = pids_in_log(server, id);
    CHECK(server.post(cancel_path(id), json::object{}).status == 202);
    const auto end = server.ended(id);
    CHECK(end.at("status") == "CANCELLED");
    CHECK(end.at_pointer("/result/termination") == "GRACEFUL");
    for (const auto& pid : pids) eventually("process " + pid + " has gone", [&] { return !process_lives(pid); });
}

TEST_CASE("a process tree that ignores SIGTERM is killed whole after its grace when its time is up", "[e2e][cancel]")
{
    auto& server = open_server();
    server.define("timeout-tree", process_tree(true), {{"timeout_seconds", 1}, {"retry_policy", {{"max_attempts", 1}}}});
    const auto id = server.submit("timeout-tree");
    const auto pids = pids_in_log(server, id);
    const auto end = server.ended(id);
    CHECK(end.at("status") == "TIMEOUT");
    CHECK(end.at_pointer("/result/error_code") == "TIMEOUT");
    CHECK(end.at_pointer("/result/status") == "TIMEOUT");
    CHECK(end.at_pointer("/result/termination") == "FORCED");
    for (const auto& pid : pids) eventually("process " + pid + " has gone", [&] { return !process_lives(pid); });
}

TEST_CASE("a timeout is retried as a failure is, and a noop within its time is not bothered", "[e2e][cancel]")
{
    auto& server = open_server();
    server.define("timeout-sleep", {{"type", "sleep"}, {"seconds", 300}}, {{"timeout_seconds", 0.2}, {"retry_policy", {{"max_attempts", 2}, {"initial_delay_seconds", 0}}}});
    const auto end = server.run("timeout-sleep");
    CHECK(end.at("status") == "TIMEOUT");
    CHECK(end.at("attempt_number") == 2);
    server.define("timeout-none", {{"type", "sleep"}, {"seconds", 0.01}}, {{"timeout_seconds", 30}});
    CHECK(server.run("timeout-none").at("status") == "COMPLETED");
}
