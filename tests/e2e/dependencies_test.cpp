#include "tests/support/database_rows.hpp"
#include "tests/support/job_runs.hpp"

#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <map>

using namespace rowlock::test;
namespace json = boost::json;

// What an end lets start is started in the transaction of that end: once a run is told to have ended, the executions that follow from it are there.

namespace {

using counts = std::map<std::string, std::size_t>;

counts counted(const server_process& at, std::initializer_list<const char*> jobs)
{
    counts all;
    for (const auto* job : jobs) all[job] = count_of(at, job);
    return all;
}

void check_no_violations()
{
    CHECK(violations_at(open_server_database()) == std::vector<std::string>{});
}

std::string trigger_of(const json::value& execution)
{
    return text_at(execution, "/trigger_type") + " " + text_at(execution, "/trigger_id");
}

}

TEST_CASE("what depends on a job starts when that has succeeded, with its outputs, its correlation and its own defaults", "[e2e][dependencies]")
{
    auto& server = open_server();
    server.define("dep-first", telling());
    server.define("dep-second", telling(), depending({on("dep-first")}, {{"parameters", {{"own", 1}}}, {"tags", {{"team", "blue"}}}, {"resources", {{"priority", 7}}}}));
    const auto submitted = server.post("/v1/executions?wait_seconds=50", {{"job_id", "dep-first"}, {"parameters", {{"rows", 3}}}, {"correlation_id", "order-17"}});
    REQUIRE(submitted.status == 201);
    const auto first = submitted.json();
    REQUIRE(count_of(server, "dep-second") == 1);
    const auto second = last_of(server, "dep-second");
    INFO(second);
    CHECK(second.at("status") == "COMPLETED");
    CHECK(trigger_of(second) == "DEPENDENCY dep-second-dep-first");
    CHECK(second.at("correlation_id") == "order-17");
    CHECK(second.at("priority") == 7);
    CHECK(second.at_pointer("/tags/team") == "blue");
    CHECK(second.at("attempt_number") == 1);
    // The process has given what it was given.
    const auto& told = second.at_pointer("/result/outputs");
    CHECK(told.at("own") == 1);
    CHECK(told.at_pointer("/upstream/dep-first/execution_id") == first.at("execution_id"));
    CHECK(told.at_pointer("/upstream/dep-first/status") == "SUCCESS");
    CHECK(told.at_pointer("/upstream/dep-first/outputs/rows") == 3);
    CHECK(second.at_pointer("/parameters/upstream/dep-first/outputs/rows") == 3);
    check_no_violations();
}

TEST_CASE("an end counts by the dependency's type and condition", "[e2e][dependencies]")
{
    auto& server = open_server();
    server.define("counts", telling(), {{"retry_policy", {{"max_attempts", 1}}}});
    server.define("counts-success", telling(), depending({on("counts")}));
    server.define("counts-completion", telling(), depending({on("counts", {{"dependency_type", "COMPLETION"}})}));
    server.define("counts-data", telling(), depending({on("counts", {{"dependency_type", "DATA_READY"}})}));
    server.define("counts-rows", telling(), depending({on("counts", {{"condition", "$.outputs.rows > 5"}})}));
    server.define("counts-code", telling(), depending({on("counts", {{"dependency_type", "COMPLETION"}, {"condition", "$.exit_code == 3"}})}));
    server.define("counts-odd", telling(), depending({on("counts", {{"condition", "$.outputs.rows.size() / 0 == 1"}})}));
    const auto now = [&] { return counted(server, {"counts-success", "counts-completion", "counts-data", "counts-rows", "counts-code", "counts-odd"}); };

    end_of(server, "counts");
    counts expected{{"counts-success", 1}, {"counts-completion", 1}, {"counts-data", 0}, {"counts-rows", 0}, {"counts-code", 0}, {"counts-odd", 0}};
    CHECK(now() == expected);
    end_of(server, "counts", {{"rows", 3}});
    ++expected["counts-success"], ++expected["counts-completion"], ++expected["counts-data"];
    CHECK(now() == expected);
    end_of(server, "counts", {{"rows", 9}});
    ++expected["counts-success"], ++expected["counts-completion"], ++expected["counts-data"], ++expected["counts-rows"];
    CHECK(now() == expected);
    CHECK(end_of(server, "counts", {{"rows", 9}, {"fail", true}}).at("status") == "FAILED");
    ++expected["counts-completion"], ++expected["counts-code"];
    CHECK(now() == expected);
    for (const auto& [job, n] : expected) {
        if (n > 0) CHECK(last_of(server, job).at("result").is_object());
    }
    CHECK(last_of(server, "counts-code").at_pointer("/parameters/upstream/counts/status") == "FAILED");
    check_no_violations();
}

TEST_CASE("a job with several dependencies starts when all hold, or, with require_all false, when one does; each end is used once", "[e2e][dependencies]")
{
    auto& server = open_server();
    server.define("both-a", telling());
    server.define("both-b", telling());
    server.define("both-all", telling(), depending({on("both-a"), on("both-b")}));
    server.define("both-any", telling(), depending({on("both-a"), on("both-b")}, {{"require_all", false}}));
    struct step { const char* ended; std::size_t all; std::size_t any; };
    for (const auto& [ended, all, any] : std::vector<step>{{"both-a", 0, 1}, {"both-a", 0, 2}, {"both-b", 1, 3}, {"both-b", 1, 4}, {"both-a", 2, 5}}) {
        end_of(server, ended, {{"n", any}});
        INFO(any);
        CHECK(count_of(server, "both-all") == all);
        CHECK(count_of(server, "both-any") == any);
    }
    // The newest end of each counts: the first pair was a's second end and b's first.
    const auto pairs = runs_of(server, "both-all");
    REQUIRE(pairs.size() == 2);
    const auto first = server.ended(text_at(pairs[1], "/execution_id"));
    CHECK(first.at_pointer("/parameters/upstream/both-a/outputs/n") == 2);
    CHECK(first.at_pointer("/parameters/upstream/both-b/outputs/n") == 3);
    CHECK(trigger_of(first) == "DEPENDENCY both-all-both-b");
    for (const auto& run : runs_of(server, "both-any")) CHECK(server.ended(text_at(run, "/execution_id")).at("status") == "COMPLETED");
    CHECK(last_of(server, "both-all").at("status") == "COMPLETED");
    check_no_violations();
}

TEST_CASE("a dependency with a window holds while the newest end is no older, and is not used up", "[e2e][dependencies]")
{
    auto& server = open_server();
    server.define("window-a", telling());
    server.define("window-b", telling());
    server.define("window-wide", telling(), depending({on("window-a", {{"window", 3600}}), on("window-b")}));
    server.define("window-narrow", telling(), depending({on("window-a", {{"window_seconds", 0.001}}), on("window-b")}));
    end_of(server, "window-a", {{"n", 1}});
    CHECK(counted(server, {"window-wide", "window-narrow"}) == counts{{"window-wide", 0}, {"window-narrow", 0}});
    end_of(server, "window-b");
    end_of(server, "window-b");
    CHECK(counted(server, {"window-wide", "window-narrow"}) == counts{{"window-wide", 2}, {"window-narrow", 0}});
    CHECK(last_of(server, "window-wide").at_pointer("/parameters/upstream/window-a/outputs/n") == 1);
    for (const auto& run : runs_of(server, "window-wide")) CHECK(server.ended(text_at(run, "/execution_id")).at("status") == "COMPLETED");
    check_no_violations();
}

TEST_CASE("who reads a data set depends on who makes it, unless it says itself how", "[e2e][dependencies]")
{
    auto& server = open_server();
    const json::object once{{"retry_policy", {{"max_attempts", 1}}}};
    server.define("data-reader", telling(), with(once, {{"inputs", json::array{"raw-events", "elsewhere"}}}));
    server.define("data-maker", telling(), with(once, {{"outputs", json::array{json::object{{"name", "raw-events"}, {"uri", "s3://raw"}}}}}));
    server.define("data-own", telling(), depending({on("data-maker", {{"dependency_type", "COMPLETION"}})}, {{"inputs", json::array{"raw-events"}}}));
    server.define("data-loop", telling(), with(once, {{"inputs", json::array{"state"}}, {"outputs", json::array{"state"}}}));
    end_of(server, "data-maker", {{"fail", 1}});
    CHECK(counted(server, {"data-reader", "data-own"}) == counts{{"data-reader", 0}, {"data-own", 1}});
    end_of(server, "data-maker", {{"rows", 5}});
    CHECK(counted(server, {"data-reader", "data-own"}) == counts{{"data-reader", 1}, {"data-own", 2}});
    const auto reader = last_of(server, "data-reader");
    CHECK(trigger_of(reader) == "DEPENDENCY data-reader-data-maker");
    CHECK(reader.at_pointer("/result/outputs/upstream/data-maker/outputs/rows") == 5);
    // What reads what it makes itself does not wait for itself.
    CHECK(end_of(server, "data-loop").at("status") == "COMPLETED");
    CHECK(count_of(server, "data-loop") == 1);
    for (const auto& run : runs_of(server, "data-own")) server.ended(text_at(run, "/execution_id"));

    const auto graph = server.get("/v1/graph").json();
    json::object found;
    for (const auto& edge : graph.at("edges").as_array()) {
        if (edge.at("from") == "data-maker") found[edge.at("to").as_string()] = edge;
    }
    CHECK(found.at("data-reader").at("type") == "SUCCESS");
    CHECK(found.at("data-reader").at("data") == json::array{"raw-events"});
    CHECK(found.at("data-own").at("type") == "COMPLETION");
    check_no_violations();
}

TEST_CASE("a manual execution of a dependent job waits, and is what the next end lets start", "[e2e][dependencies]")
{
    auto& server = open_server();
    server.define("wait-up", telling());
    server.define("wait-down", telling(), depending({on("wait-up")}, {{"parameters", {{"own", true}}}}));
    const auto first = server.submit("wait-down", {{"n", 1}});
    const auto second = server.submit("wait-down", {{"n", 2}});
    const auto waiting = server.execution(first);
    CHECK(waiting.at("status") == "PENDING");
    CHECK(waiting.at_pointer("/waiting_on/rule") == "dependency");
    const auto told = explain(server, first).json();
    INFO(told);
    CHECK(told.at("status") == "PENDING");
    CHECK(told.at_pointer("/blocked_by/0/rule") == "dependency");
    CHECK(told.at_pointer("/blocked_by/0/detail").as_string().find("wait-up") != std::string::npos);

    const auto up = end_of(server, "wait-up", {{"rows", 3}});
    const auto end = server.ended(first);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at("trigger_type") == "MANUAL");
    CHECK(end.at_pointer("/result/outputs/n") == 1);
    CHECK(end.at_pointer("/result/outputs/own") == true);
    CHECK(end.at_pointer("/result/outputs/upstream/wait-up/outputs/rows") == 3);
    CHECK(end.at_pointer("/result/outputs/upstream/wait-up/execution_id") == up.at("execution_id"));
    // One end lets one start, the oldest, and makes none beside it.
    CHECK(server.status_of(second) == "PENDING");
    CHECK(count_of(server, "wait-down") == 2);
    end_of(server, "wait-up");
    CHECK(server.ended(second).at("status") == "COMPLETED");
    end_of(server, "wait-up");
    CHECK(count_of(server, "wait-down") == 3);
    CHECK(last_of(server, "wait-down").at("trigger_type") == "DEPENDENCY");

    json::array steps;
    const auto transitions = server.get("/v1/executions/" + first + "/transitions").json();
    for (const auto& one : transitions.at("items").as_array()) steps.push_back(one.at("to_status"));
    CHECK(steps == json::array{"PENDING", "QUEUED", "RUNNING", "COMPLETING", "COMPLETED"});
    check_no_violations();
}

TEST_CASE("an end that nobody has used yet lets a manual execution start at once", "[e2e][dependencies]")
{
    auto& server = open_server();
    server.define("early-a", telling());
    server.define("early-b", telling());
    end_of(server, "early-a", {{"n", 1}});
    // A dependency that is new is satisfied by an end that was there before.
    server.define("early-down", telling(), depending({on("early-a"), on("early-b")}));
    end_of(server, "early-b", {{"n", 2}});
    REQUIRE(count_of(server, "early-down") == 1);
    end_of(server, "early-a");
    const auto waits = server.submit("early-down");
    CHECK(server.status_of(waits) == "PENDING");
    end_of(server, "early-b");
    CHECK(server.ended(waits).at("status") == "COMPLETED");
    CHECK(count_of(server, "early-down") == 2);
    server.ended(text_at(runs_of(server, "early-down")[1], "/execution_id"));
    check_no_violations();
}

TEST_CASE("who may submit may ignore the dependencies of a job, and that is part of the request", "[e2e][dependencies]")
{
    auto& server = open_server();
    server.define("ignore-up", telling());
    server.define("ignore-down", telling(), depending({on("ignore-up")}));
    const json::object request{{"job_id", "ignore-down"}, {"ignore_dependencies", true}, {"idempotency_key", "ignore-1"}};
    const auto done = server.post("/v1/executions?wait_seconds=50", request);
    REQUIRE(done.status == 201);
    CHECK(done.json().at("status") == "COMPLETED");
    CHECK(server.post("/v1/executions", request).status == 200);
    CHECK(server.post("/v1/executions", with(request, {{"ignore_dependencies", false}})).json().at("code") == "IDEMPOTENCY_KEY_REUSED");

    const auto batch = server.post("/v1/executions/batch", {{"executions", json::array{request, json::object{{"job_id", "ignore-down"}}}}});
    CHECK(batch.status == 201);
    CHECK(batch.json().at_pointer("/executions/0/replayed") == true);
    const auto waits = text_at(batch.json(), "/executions/1/execution_id");
    CHECK(server.status_of(waits) == "PENDING");
    CHECK(server.post("/v1/executions", with(request, {{"ignore_dependencies", 1}})).json().at_pointer("/errors/0/field") == "ignore_dependencies");

    // The command line asks for it by a flag.
    const auto asked = run_rowlock({"submit", "ignore-down", "--ignore-dependencies", "--wait", "--url", server.url(), "--format", "json"});
    INFO(asked.err);
    CHECK(asked.code == 0);
    CHECK(json::parse(asked.out).at("status") == "COMPLETED");
    // Neither a replay nor a retry waits.
    const auto replayed = server.post("/v1/executions/" + text_at(done.json(), "/execution_id") + "/replay", json::object{});
    REQUIRE(replayed.status == 201);
    CHECK(server.ended(text_at(replayed.json(), "/execution_id")).at("status") == "COMPLETED");
    end_of(server, "ignore-up");
    CHECK(server.ended(waits).at("status") == "COMPLETED");
    check_no_violations();
}

TEST_CASE("an execution that has waited too long for another job ends TIMEOUT, EXPIRED; its entry in dependency_errors says for what", "[e2e][dependencies]")
{
    auto& server = open_server();
    server.define("late-up", telling());
    server.define("late-down", telling(), depending({on("late-up", {{"timeout_seconds", 0.3}, {"dependency_id", "late-rule"}})}));
    const auto end = server.ended(server.submit("late-down"));
    INFO(end);
    CHECK(end.at("status") == "TIMEOUT");
    CHECK(end.at_pointer("/result/error_code") == "EXPIRED");
    CHECK(end.at_pointer("/result/error_message").as_string().find("late-up") != std::string::npos);
    CHECK(end.at("started_time").is_null());
    json::value error;
    eventually("the error is recorded", [&] {
        const auto found = server.get("/v1/errors?queue=dependency_errors&job_id=late-down").json();
        if (!found.at("items").as_array().empty()) error = found.at_pointer("/items/0");
        return error.is_object();
    });
    INFO(error);
    CHECK(error.at("error_code") == "DEP_003_UPSTREAM_TIMEOUT");
    CHECK(error.at("error_type") == "TIMEOUT");
    CHECK(error.at("dependency_id") == "late-rule");
    CHECK(error.at("execution_id") == end.at("execution_id"));
    eventually("the timeout is counted", [&] { return server.metric("rowlock_dependency_timeouts_total") >= 1; });
    // What comes too late starts an execution of its own.
    end_of(server, "late-up");
    CHECK(count_of(server, "late-down") == 2);
    CHECK(last_of(server, "late-down").at("status") == "COMPLETED");
    check_no_violations();
}

TEST_CASE("an upstream that is retried has ended once", "[e2e][dependencies]")
{
    auto& server = open_server();
    const json::object retried{{"retry_policy", {{"max_attempts", 3}, {"initial_delay_seconds", 0}}}};
    server.define("again-up", {{"type", "fail"}, {"error_code", "NOT_YET"}, {"times", 2}}, retried);
    server.define("again-success", telling(), depending({on("again-up")}));
    server.define("again-completion", telling(), depending({on("again-up", {{"dependency_type", "COMPLETION"}})}));
    const auto up = end_of(server, "again-up");
    CHECK(up.at("attempt_number") == 3);
    CHECK(counted(server, {"again-success", "again-completion"}) == counts{{"again-success", 1}, {"again-completion", 1}});
    CHECK(last_of(server, "again-success").at_pointer("/parameters/upstream/again-up/execution_id") == up.at("execution_id"));
    CHECK(last_of(server, "again-completion").at("status") == "COMPLETED");
    check_no_violations();
}

TEST_CASE("nodes of plans neither wait for the dependencies of their jobs nor satisfy them; a composite job's end does", "[e2e][dependencies][plans]")
{
    auto& server = open_server();
    server.define("node-up", telling());
    server.define("node-down", telling(), depending({on("node-up")}));
    server.define("node-after", telling(), depending({on("node-whole")}));
    const json::object plan{{"nodes", json::array{json::object{{"node_id", "down"}, {"job_id", "node-down"}},
                                                  json::object{{"node_id", "up"}, {"job_id", "node-up"}, {"needs", json::array{"down"}}}}}};
    CHECK(run_plan(server, plan).at("status") == "COMPLETED");
    CHECK(count_of(server, "node-down") == 1);
    server.define("node-whole", {{"type", "composite"}, {"plan", plan}});
    CHECK(server.run("node-whole").at("status") == "COMPLETED");
    CHECK(counted(server, {"node-down", "node-after"}) == counts{{"node-down", 2}, {"node-after", 1}});
    CHECK(last_of(server, "node-after").at("status") == "COMPLETED");
    check_no_violations();
}

TEST_CASE("a validator's latest end decides: one that fails takes back what the one before it allowed", "[e2e][dependencies]")
{
    auto& server = open_server();
    server.define("gate-check", telling(), {{"type", "validator"}, {"retry_policy", {{"max_attempts", 1}}}});
    server.define("gate-other", telling());
    server.define("gate-down", telling(), depending({on("gate-check", {{"dependency_type", "COMPLETION"}}), on("gate-other")}));
    end_of(server, "gate-check");
    end_of(server, "gate-check", {{"fail", 1}});
    end_of(server, "gate-other");
    CHECK(count_of(server, "gate-down") == 0);
    end_of(server, "gate-check");
    CHECK(count_of(server, "gate-down") == 1);
    CHECK(last_of(server, "gate-down").at("status") == "COMPLETED");
    check_no_violations();
}

TEST_CASE("a dependent job that is disabled or deleted is not started; one whose dependency is taken away waits no more", "[e2e][dependencies]")
{
    auto& server = open_server();
    server.define("off-up", telling());
    server.define("off-down", telling(), depending({on("off-up")}));
    server.define("gone-down", telling(), depending({on("off-up")}));
    server.define("free-down", telling(), depending({on("off-up")}));
    const auto waits = server.submit("free-down");
    server.define("free-down", telling());
    CHECK(server.ended(waits).at("status") == "COMPLETED");
    REQUIRE(server.post("/v1/jobs/off-down/disable", json::object{}).status == 200);
    REQUIRE(http_request(server.address(), "DELETE", "/v1/jobs/gone-down").status == 204);
    end_of(server, "off-up");
    CHECK(counted(server, {"off-down", "gone-down", "free-down"}) == counts{{"off-down", 0}, {"gone-down", 0}, {"free-down", 1}});
    check_no_violations();
}

TEST_CASE("what is cancelled with an execution is what its definition says, where the request does not", "[e2e][dependencies][cancel]")
{
    auto& server = open_server();
    const json::object endless_job{{"type", "sleep"}, {"seconds", 3600}};
    struct row { const char* why; json::object definition; json::object request; const char* next; const char* last; };
    const std::vector<row> rows{
        {"nothing is said", {}, {}, "PENDING", "PENDING"},
        {"what depends on it", {{"cascade_cancel", true}}, {}, "CANCELLED", "PENDING"},
        {"all below", {{"cascade_cancel", true}, {"cancel_scope", "ALL_DOWNSTREAM"}}, {}, "CANCELLED", "CANCELLED"},
        {"the request wants less", {{"cascade_cancel", true}, {"cancel_scope", "ALL_DOWNSTREAM"}}, {{"cascade", "NONE"}}, "PENDING", "PENDING"},
        {"the request wants more", {}, {{"cascade", "ALL_DOWNSTREAM"}}, "CANCELLED", "CANCELLED"},
    };
    for (const auto& r : rows) {
        INFO(r.why);
        server.define("cascade-a", endless_job, r.definition);
        server.define("cascade-b", telling(), depending({on("cascade-a")}));
        server.define("cascade-c", telling(), depending({on("cascade-b")}));
        const auto a = server.submit("cascade-a");
        const auto b = server.submit("cascade-b");
        const auto c = server.submit("cascade-c");
        server.await_status(a, "RUNNING");
        REQUIRE(server.post("/v1/executions/" + a + "/cancel", r.request).status == 202);
        CHECK(server.ended(a).at("status") == "CANCELLED");
        CHECK(server.status_of(b) == r.next);
        CHECK(server.status_of(c) == r.last);
        for (const auto& left : {b, c}) server.post("/v1/executions/" + left + "/cancel", json::object{});
    }
    check_no_violations();
}
