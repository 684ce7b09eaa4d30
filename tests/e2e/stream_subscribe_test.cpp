#include "tests/support/plans.hpp"
#include "tests/support/stream_client.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <set>

using namespace rowlock::test;
using namespace std::chrono_literals;
namespace json = boost::json;

namespace {

using states = std::vector<std::string>;

bool is_in_order(const states& seen)
{
    const std::vector<std::string> order{"PENDING", "QUEUED", "RUNNING", "COMPLETED"};
    std::size_t at = 0;
    for (const auto& each : seen) {
        const auto found = std::find(order.begin() + static_cast<std::ptrdiff_t>(at), order.end(), each);
        if (found == order.end()) return false;
        at = static_cast<std::size_t>(found - order.begin()) + 1;
    }
    return true;
}

server_process& server_with_jobs()
{
    auto& server = open_server();
    static const bool defined = [&server] {
        server.define("followed-noop", {{"type", "noop"}});
        server.define("followed-nap", {{"type", "sleep"}, {"seconds", 0.4}});
        server.define("followed-endless", {{"type", "sleep"}, {"seconds", 3600}});
        server.define("followed-twice", {{"type", "fail"}, {"error_code", "ONCE"}, {"times", 1}}, {{"retry_policy", {{"max_attempts", 2}, {"initial_delay_seconds", 0.2}}}});
        return true;
    }();
    CHECK(defined);
    return server;
}

void cancel(server_process& server, const std::string& id)
{
    CHECK(server.post("/v1/executions/" + id + "/cancel", json::object{}).status == 202);
}

}

TEST_CASE("a subscriber is told the state now, and every change, as the whole execution", "[e2e][stream]")
{
    auto& server = server_with_jobs();
    stream_client stream(server);
    const auto id = server.submit("followed-nap", {{"n", 1}});
    server.await_status(id, "RUNNING");
    stream.subscribe("2", "executions", {json::value(id)});
    const auto first = stream.next_event("2");
    CHECK(text_at(first, "/execution/execution_id") == id);
    CHECK(text_at(first, "/execution/status") == "RUNNING");
    CHECK(first.at_pointer("/execution/parameters/n") == 1);
    const auto last = stream.next_event("2");
    CHECK(text_at(last, "/execution/status") == "COMPLETED");
    CHECK(last.at("execution") == server.execution(id));

    // What has ended is told once, as it is.
    stream.subscribe(3, "executions", {json::value(id)});
    CHECK(stream.states(3) == states{"COMPLETED"});
}

TEST_CASE("what is submitted for later is followed from PENDING to its end, and so is what is cancelled", "[e2e][stream]")
{
    auto& server = server_with_jobs();
    stream_client stream(server);
    const auto later = server.post("/v1/executions", {{"job_id", "followed-noop"}, {"scheduled_time", "2999-01-01T00:00:00Z"}}).json();
    const auto pending = text_at(later, "/execution_id");
    stream.subscribe("later", "executions", {json::value(pending)});
    CHECK(text_at(stream.next_event("later"), "/execution/status") == "PENDING");
    cancel(server, pending);
    CHECK(text_at(stream.next_event("later"), "/execution/status") == "CANCELLED");

    const auto running = server.submit("followed-endless");
    stream.subscribe("running", "executions", {json::value(running)});
    server.await_status(running, "RUNNING");
    cancel(server, running);
    const auto seen = stream.states("running");
    CHECK(seen.back() == "CANCELLED");
}

TEST_CASE("a run is followed through its retries", "[e2e][stream]")
{
    auto& server = server_with_jobs();
    stream_client stream(server);
    const auto later = server.post("/v1/executions", {{"job_id", "followed-twice"}}).json();
    const auto run = text_at(later, "/run_id");
    stream.subscribe("r", "runs", {json::value(run)});
    std::map<int, states> seen;
    while (seen[2].empty() || seen[2].back() != "COMPLETED") {
        const auto event = stream.next_event("r");
        CHECK(text_at(event, "/execution/run_id") == run);
        seen[event.at_pointer("/execution/attempt_number").to_number<int>()].push_back(text_at(event, "/execution/status"));
    }
    if (!seen[1].empty()) CHECK((seen[1].back() == "FAILED"));
    // Of a run that has ended the last attempt is told.
    stream.subscribe("again", "runs", {json::value(run)});
    const auto event = stream.next_event("again");
    CHECK(event.at_pointer("/execution/attempt_number") == 2);
}

TEST_CASE("a job is followed: every execution that is submitted from now on, and none from before", "[e2e][stream]")
{
    auto& server = server_with_jobs();
    server.define("followed-job", {{"type", "noop"}});
    const auto before = server.submit("followed-job");
    stream_client stream(server);
    stream.subscribe("j", "jobs", {"followed-job"});
    stream.await_seen();
    std::set<std::string> expected;
    json::array list;
    for (int i = 0; i < 300; ++i) list.push_back({{"job_id", "followed-job"}});
    const auto batch = server.post("/v1/executions/batch", {{"executions", list}}).json();
    for (const auto& one : batch.at("executions").as_array()) expected.insert(text_at(one, "/execution_id"));
    expected.insert(server.submit("followed-job"));
    server.submit("followed-noop");
    std::map<std::string, states> seen;
    for (std::size_t ended = 0; ended < expected.size();) {
        const auto event = stream.next_event("j");
        const auto id = text_at(event, "/execution/execution_id");
        CHECK(event.at_pointer("/execution/job_id") == "followed-job");
        seen[id].push_back(text_at(event, "/execution/status"));
        if (seen[id].back() == "COMPLETED") ++ended;
    }
    CHECK(seen.size() == expected.size());
    for (const auto& [id, list_of] : seen) {
        CHECK(expected.contains(id));
        CHECK(is_in_order(list_of));
    }
    CHECK_FALSE(seen.contains(before));
}

TEST_CASE("a log is followed from its beginning to its end", "[e2e][stream]")
{
    auto& server = server_with_jobs();
    server.define("followed-log", {{"type", "process"}, {"command", json::array{"/bin/sh", "-c", "echo one; sleep 0.3; echo two; printf '\\377'"}}});
    const auto id = server.submit("followed-log");
    stream_client stream(server);
    stream.subscribe("l", "logs", {json::value(id)});
    std::string text;
    for (;;) {
        const auto event = stream.next_event("l");
        CHECK(text_at(event, "/log/execution_id") == id);
        text += text_at(event, "/log/text");
        if (event.at_pointer("/log/ended") == true) break;
    }
    CHECK(text == "one\ntwo\n\xef\xbf\xbd");
}

TEST_CASE("what another instance does is told as well", "[e2e][stream]")
{
    const test_database database;
    server_process tells({"serve", "--auth", "none", "--database", database.url(), "--executor-parallelism", "1"});
    tells.define("far", {{"type", "sleep"}, {"seconds", 0.5}});
    tells.define("blocker", {{"type", "sleep"}, {"seconds", 3600}});
    // Its only slot is taken: whatever else there is runs elsewhere.
    const auto blocker = tells.submit("blocker");
    tells.await_status(blocker, "RUNNING");
    stream_client stream(tells);
    stream.subscribe("j", "jobs", {"far"});
    stream.await_seen();
    server_process works({"serve", "--auth", "none", "--database", database.url()});
    const auto here = tells.submit("far");
    stream.subscribe("here", "executions", {json::value(here)});
    const auto there = works.submit("far");
    std::map<std::string, states> of_job;
    std::size_t ended = 0;
    states of_execution;
    while (ended < 2 || of_execution.empty() || of_execution.back() != "COMPLETED") {
        const auto event = stream.socket.receive();
        REQUIRE(event.at("op") == "event");
        const auto status = text_at(event, "/execution/status");
        if (event.at("id") == "here") {
            of_execution.push_back(status);
        } else {
            of_job[text_at(event, "/execution/execution_id")].push_back(status);
            if (status == "COMPLETED") ++ended;
        }
    }
    CHECK(is_in_order(of_execution));
    CHECK(is_in_order(of_job[here]));
    CHECK(is_in_order(of_job[there]));
    CHECK(works.execution(here).at("instance_id") != tells.execution(blocker).at("instance_id"));
    // Queued work of the first was taken by the second, and seen to run.
    CHECK(std::find(of_execution.begin(), of_execution.end(), "RUNNING") != of_execution.end());
}

TEST_CASE("after unsubscribe nothing is told, and the id may be used again", "[e2e][stream]")
{
    auto& server = server_with_jobs();
    stream_client stream(server);
    const auto id = server.submit("followed-endless");
    server.await_status(id, "RUNNING");
    stream.subscribe("2", "executions", {json::value(id)});
    CHECK(text_at(stream.next_event("2"), "/execution/status") == "RUNNING");
    stream.subscribe("2", "executions", {json::value(id)});
    const auto taken = stream.socket.receive();
    CHECK(taken.at("op") == "rejected");
    CHECK(taken.at_pointer("/problem/status") == 422);
    CHECK(text_at(taken, "/problem/errors/0/field") == "id");
    stream.socket.send(json::object{{"op", "unsubscribe"}, {"id", "2"}});
    stream.await_seen();
    stream.subscribe("other", "executions", {json::value(id)});
    CHECK(stream.next_event("other").at("id") == "other");
    cancel(server, id);
    const auto next = stream.socket.receive();
    CHECK(next.at("id") == "other");
    CHECK(text_at(next, "/execution/status") == "CANCELLED");
    const auto unknown = stream.ask({{"op", "unsubscribe"}, {"id", "2"}});
    CHECK(unknown.at("op") == "rejected");
    CHECK(unknown.at_pointer("/problem/status") == 422);
    stream.subscribe("2", "executions", {json::value(id)});
    CHECK(stream.states("2") == states{"CANCELLED"});
}

TEST_CASE("what cannot be followed is refused with everything that is wrong", "[e2e][stream]")
{
    auto& server = server_with_jobs();
    stream_client stream(server);
    const std::string nobody = "0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10";
    const auto id = server.submit("followed-noop");
    const json::array too_many(1001, json::value(nobody));
    struct row {
        json::object frame;
        std::string field;
    };
    const std::vector<row> rows{
        {{}, "executions"},
        {{{"executions", json::array{}}}, "executions"},
        {{{"executions", json::array{json::value(id), json::value(nobody)}}}, "executions[1]"},
        {{{"executions", json::array{"x"}}}, "executions[0]"},
        {{{"executions", id}}, "executions"},
        {{{"executions", too_many}}, "executions"},
        {{{"runs", json::array{json::value(nobody)}}}, "runs[0]"},
        {{{"jobs", json::array{"followed-noop", "followed-nobody"}}}, "jobs[1]"},
        {{{"jobs", json::array{"No Slug"}}}, "jobs[0]"},
        {{{"logs", json::array{json::value(nobody)}}}, "logs[0]"},
        {{{"plan_runs", json::array{json::value(nobody)}}}, "plan_runs[0]"},
        {{{"plan_runs", json::array{json::value(id)}}}, "plan_runs[0]"},
        {{{"colour", 1}}, "colour"},
    };
    for (const auto& r : rows) {
        INFO(json::serialize(r.frame).substr(0, 200));
        auto frame = r.frame;
        frame["op"] = "subscribe";
        frame["id"] = "s";
        const auto refused = stream.ask(frame);
        INFO(json::serialize(refused));
        CHECK(refused.at("op") == "rejected");
        CHECK(refused.at("id") == "s");
        CHECK(refused.at_pointer("/problem/status") == 422);
        CHECK(text_at(refused, "/problem/errors/0/field") == r.field);
    }
    const auto nameless = stream.ask({{"op", "subscribe"}, {"executions", json::array{json::value(id)}}});
    CHECK(nameless.at("op") == "rejected");
    CHECK(text_at(nameless, "/problem/errors/0/field") == "id");
    stream.subscribe("s", "executions", {json::value(id)});
    CHECK(stream.states("s").back() == "COMPLETED");
}

TEST_CASE("a stream may have a thousand subscriptions, and no more", "[e2e][stream]")
{
    auto& server = server_with_jobs();
    stream_client stream(server);
    const auto id = server.submit("followed-noop");
    server.ended(id);
    for (int i = 0; i < 1000; ++i) stream.subscribe(i, "executions", {json::value(id)});
    for (int i = 0; i < 1000; ++i) CHECK(stream.socket.receive().at("op") == "event");
    stream.subscribe(1000, "executions", {json::value(id)});
    const auto refused = stream.socket.receive();
    CHECK(refused.at("op") == "rejected");
    CHECK(refused.at_pointer("/problem/status") == 429);
    stream.socket.send(json::object{{"op", "unsubscribe"}, {"id", 0}});
    stream.subscribe(1000, "executions", {json::value(id)});
    CHECK(stream.socket.receive().at("op") == "event");
}

TEST_CASE("a run of a plan is followed to its end: how many of its nodes have ended, without them", "[e2e][stream][plans]")
{
    auto& server = server_with_jobs();
    const scratch_folder folder;
    const auto flag = (folder.path() / "go").string();
    const auto run = start_plan(server, plan_of({node("a"), script("b", "while ! test -e '" + flag + "'; do sleep 0.02; done", {"a"}), node("c", {"b"})}));
    await_node(server, run, "b", "RUNNING");
    stream_client stream(server);
    stream.subscribe("p", "plan_runs", {json::value(run)});
    const auto first = stream.next_event("p");
    INFO(first);
    CHECK(text_at(first, "/plan_run/plan_run_id") == run);
    CHECK(text_at(first, "/plan_run/status") == "RUNNING");
    CHECK(first.at_pointer("/plan_run/node_count") == 3);
    CHECK(first.at_pointer("/plan_run/nodes_ended") == 1);
    CHECK_FALSE(first.at("plan_run").as_object().contains("nodes"));
    write_file(flag, "");
    std::int64_t ended = 1;
    for (;;) {
        const auto event = stream.next_event("p");
        CHECK(event.at_pointer("/plan_run/nodes_ended").to_number<std::int64_t>() > ended);
        ended = event.at_pointer("/plan_run/nodes_ended").to_number<std::int64_t>();
        if (text_at(event, "/plan_run/status") == "RUNNING") continue;
        CHECK(text_at(event, "/plan_run/status") == "COMPLETED");
        break;
    }
    CHECK(ended == 3);
    // One that has ended is told once.
    stream.subscribe("q", "plan_runs", {json::value(run)});
    CHECK(text_at(stream.next_event("q"), "/plan_run/status") == "COMPLETED");
}
