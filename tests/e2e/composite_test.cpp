#include "tests/support/database_rows.hpp"
#include "tests/support/impatient_server.hpp"
#include "tests/support/plans.hpp"
#include "tests/support/scratch_folder.hpp"

#include <catch2/catch.hpp>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

object composite(const json::value& plan) { return {{"type", "composite"}, {"plan", plan}}; }

object tries(int most) { return {{"retry_policy", {{"max_attempts", most}, {"initial_delay_seconds", 0}}}}; }

// The plan runs of a composite job's run, the oldest first.
std::vector<std::string> plan_runs_of(const std::string& database, const std::string& run)
{
    std::vector<std::string> ids;
    for (const auto& row : rows_at(database, "select plan_run_id from plan_runs where parent_run_id = '" + run + "' order by plan_run_id")) ids.push_back(row[0].c_str());
    return ids;
}

std::string plan_run_under_way(const std::string& database, const std::string& run)
{
    std::vector<std::string> ids;
    eventually("the composite job has a plan run", [&] {
        ids = plan_runs_of(database, run);
        return !ids.empty();
    });
    return ids.back();
}

// Ends by itself only when the file is there.
object gated(const std::string& id, const std::string& gate, array needs = {})
{
    return script(id, "while ! test -e " + gate + "; do sleep 0.05; done", std::move(needs), tries(3));
}

std::string log_of(const server_process& at, const std::string& id) { return at.get("/v1/executions/" + id + "/log").body; }

}

TEST_CASE("a composite job runs its plan with its own parameters, and ends as it does", "[e2e][composite]")
{
    auto& server = open_server();
    const auto plan = plan_of({echoing("a", {{"got", "{{ parameters.n }}"}}), node("b", {"a"})});
    server.define("composite-inline", composite(plan));
    const auto end = server.run("composite-inline", {{"n", 7}});
    INFO(end);
    REQUIRE(end.at("status") == "COMPLETED");
    const auto& outputs = end.at_pointer("/result/outputs");
    CHECK(outputs.at("nodes") == 2);
    CHECK(outputs.at("nodes_failed") == 0);
    const auto run = plan_run(server, text_at(outputs, "/plan_run_id"));
    CHECK(run.at("parent_run_id") == end.at("run_id"));
    CHECK(run.at("submitter") == "job:composite-inline");
    CHECK(outputs_of(server, run, "a").at("got") == 7);

    REQUIRE(server.put("/v1/plans/composite-stored-plan", plan).status < 300);
    server.define("composite-stored", composite("composite-stored-plan"));
    const auto stored = server.run("composite-stored", {{"n", 1}});
    INFO(stored);
    CHECK(stored.at("status") == "COMPLETED");
    CHECK(plan_run(server, text_at(stored, "/result/outputs/plan_run_id")).at("plan_id") == "composite-stored-plan");
    CHECK(violations_at(open_server_database()).empty());
}

TEST_CASE("the next attempt of a composite job keeps what has completed", "[e2e][composite]")
{
    auto& server = open_server();
    const scratch_folder folder;
    const auto file = [&](const char* name) { return (folder.path() / name).string(); };
    server.define("composite-retried",
                  composite(plan_of({script("once", "echo ran >> " + file("ran")), script("second", "test -e " + file("mark") + " || { touch " + file("mark") + "; exit 3; }", {"once"})})),
                  tries(2));
    const auto end = server.run("composite-retried");
    INFO(end);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at("attempt_number") == 2);
    CHECK(text_of_file(file("ran")) == "ran\n");
    const auto runs = plan_runs_of(open_server_database(), text_at(end, "/run_id"));
    REQUIRE(runs.size() == 2);
    CHECK(plan_run(server, runs[0]).at("status") == "FAILED");
    CHECK(text_at(plan_run(server, runs[1]), "/rerun_of") == runs[0]);
    const auto first = server.execution(text_at(end, "/run_id"));
    CHECK(first.at_pointer("/result/error_code") == "PLAN_FAILED");
    CHECK_THAT(text_at(first, "/result/error_message"), Catch::Contains("1 of 2 nodes") && Catch::Contains("second (EXIT_3)"));
    CHECK(first.at_pointer("/result/outputs/nodes_failed") == 1);
}

TEST_CASE("a composite job that is cancelled, or runs out of time, takes its nodes with it", "[e2e][composite]")
{
    auto& server = open_server();
    const bool in_time = GENERATE(true, false);
    auto more = tries(1);
    if (!in_time) more["timeout_seconds"] = 1;
    const std::string job = in_time ? "composite-cancelled" : "composite-late";
    server.define(job, composite(plan_of({endless("long"), node("after", {"long"})})), more);
    const auto id = server.submit(job);
    const auto run = plan_run_under_way(open_server_database(), id);
    if (in_time) {
        await_node(server, run, "long", "RUNNING");
        REQUIRE(server.post("/v1/executions/" + id + "/cancel", {{"reason", "enough"}}).status == 202);
    }
    const auto end = server.ended(id);
    INFO(end);
    CHECK(end.at("status") == (in_time ? "CANCELLED" : "TIMEOUT"));
    const auto children = ended_plan(server, run);
    CHECK(children.at("status") == "CANCELLED");
    CHECK(children.at("cancelled_by") == json::string("job:" + job));
    for (const char* node : {"long", "after"}) CHECK(status_in(children, node) == "CANCELLED");
}

TEST_CASE("a composite job whose plan run somebody cancels has failed for good", "[e2e][composite]")
{
    auto& server = open_server();
    server.define("composite-cut", composite(plan_of({endless("long")})), tries(5));
    const auto id = server.submit("composite-cut");
    const auto run = plan_run_under_way(open_server_database(), id);
    REQUIRE(server.post("/v1/plan-runs/" + run + "/cancel", json::object{}).status == 202);
    const auto end = server.ended(id);
    INFO(end);
    CHECK(end.at("status") == "FAILED");
    CHECK(end.at("attempt_number") == 1);
    CHECK(end.at_pointer("/result/error_code") == "PLAN_CANCELLED");
}

TEST_CASE("a composite job whose plan cannot be run says why", "[e2e][composite]")
{
    auto& server = open_server();
    server.define("composite-gone", composite(plan_of({object{{"node_id", "a"}, {"job_id", "no-such-job"}}})), tries(5));
    const auto gone = server.run("composite-gone");
    INFO(gone);
    CHECK(gone.at("attempt_number") == 1);
    CHECK(gone.at_pointer("/result/error_code") == "INVALID_CONFIG");
    CHECK_THAT(text_at(gone, "/result/error_message"), Catch::Contains("plan.nodes[0].job_id names no job"));

    server.define("composite-unplanned", composite("no-such-plan"), tries(5));
    CHECK(server.run("composite-unplanned").at_pointer("/result/error_code") == "INVALID_CONFIG");

    const auto refused = server.put("/v1/jobs/composite-refused", {{"handler", composite(plan_of({node("a", {object{{"node", "b"}, {"condition", "$.x ="}}}), node("b")}))}});
    INFO(refused.body);
    CHECK(refused.status == 422);
    CHECK(refused.json().at_pointer("/errors/0/field") == "handler.plan.nodes[0].needs[0].condition");
}

TEST_CASE("a cycle in a composite job's own plan is refused as one, with its path", "[e2e][composite]")
{
    auto& server = open_server();
    const auto ring = plan_of({node("a", {"b"}), node("b", {"a"})});
    const json::object definition{{"job_id", "ring"}, {"handler", {{"type", "composite"}, {"plan", ring}}}};
    const std::pair<http_reply, std::string> refusals[] = {
        {server.put("/v1/jobs/ring", definition), "handler.plan.nodes[0].needs"},
        {server.post("/v1/jobs/apply", json::object{{"jobs", json::array{definition}}}), "jobs[0].handler.plan.nodes[0].needs"},
        {server.put("/v1/plans/rings", plan_of({json::object{{"node_id", "n"}, {"handler", definition.at("handler")}}})), "nodes[0].handler.plan.nodes[0].needs"},
    };
    for (const auto& [reply, field] : refusals) {
        INFO(reply.body);
        CHECK(reply.status == 422);
        CHECK(reply.json().at("code") == "DEP_002_CYCLE_DETECTED");
        CHECK(reply.json().at_pointer("/errors/0/field") == json::string_view(field.data(), field.size()));
        CHECK(reply.json().at_pointer("/errors/0/cycle_path") == json::array{"a", "b", "a"});
    }
    CHECK(server.get("/v1/jobs/ring").status == 404);
}

TEST_CASE("a plan that has itself as a node comes to an end", "[e2e][composite]")
{
    auto& server = open_server();
    server.define("composite-again", composite("composite-itself"), tries(1));
    REQUIRE(server.put("/v1/plans/composite-itself", plan_of({object{{"node_id", "again"}, {"job_id", "composite-again"}}})).status < 300);
    const auto end = server.run("composite-again");
    INFO(end);
    CHECK(end.at_pointer("/result/error_code") == "PLAN_FAILED");
    const auto made = rows_at(open_server_database(), "select count(*) from plan_runs join plans using (plan_key) where plan_id = 'composite-itself'");
    CHECK(made[0][0].as<int>() == 8);
}

TEST_CASE("composite jobs wait without a slot, however many there are", "[e2e][composite]")
{
    const test_database database;
    auto one = any_program();
    one.emplace("ROWLOCK_EXECUTOR_PARALLELISM", "1");
    server_process server({"serve", "--auth", "none", "--database", database.url()}, one);
    const auto inner = plan_of({node("x"), giving("y", {{"n", 1}}, {"x"})});
    server.define("nested", composite(plan_of({node("a", {}, {{"handler", composite(inner)}}), node("b", {"a"})})));
    std::vector<std::string> ids;
    for (int i = 0; i < 4; ++i) ids.push_back(server.submit("nested"));
    for (const auto& id : ids) CHECK(server.ended(id).at("status") == "COMPLETED");
    // What was lent was given back: there is one slot as before.
    server.define("plain", {{"type", "noop"}});
    CHECK(server.run("plain").at("status") == "COMPLETED");
    CHECK(violations_at(database.url()).empty());
    CHECK(server.terminate() == 0);
}

TEST_CASE("a plan run outlives the instance that waits for it: the next attempt waits for the same", "[e2e][composite][instances]")
{
    const test_database database;
    const scratch_folder folder;
    const auto gate = (folder.path() / "gate").string();
    server_process first({"serve", "--auth", "none", "--database", database.url()}, impatient());
    const bool killed = GENERATE(true, false);
    first.define("survives", composite(plan_of({node("a"), gated("b", gate, {"a"})})), tries(3));
    const auto id = first.submit("survives");
    const auto run = plan_run_under_way(database.url(), id);
    await_node(first, run, "b", "RUNNING");
    server_process second({"serve", "--auth", "none", "--database", database.url()}, impatient());
    if (killed) first.kill_hard();
    else CHECK(first.terminate() == 0);
    write_file(gate, "open");
    const auto end = second.ended(id);
    INFO(end);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at("attempt_number") == (killed ? 2 : 1));
    CHECK(text_at(end, "/result/outputs/plan_run_id") == run);
    CHECK(plan_runs_of(database.url(), id) == std::vector<std::string>{run});
    CHECK(violations_at(database.url()).empty());
    CHECK(second.terminate() == 0);
}

TEST_CASE("the plan of a composite job that was lost for good is cancelled", "[e2e][composite][instances]")
{
    const test_database database;
    server_process first({"serve", "--auth", "none", "--database", database.url()}, impatient());
    first.define("orphans", composite(plan_of({node("long", {}, with({{"handler", {{"type", "sleep"}, {"seconds", 3600}}}}, tries(5)))})), tries(1));
    const auto id = first.submit("orphans");
    const auto run = plan_run_under_way(database.url(), id);
    await_node(first, run, "long", "RUNNING");
    server_process second({"serve", "--auth", "none", "--database", database.url()}, impatient());
    first.kill_hard();
    const auto end = second.ended(id);
    CHECK(end.at_pointer("/result/error_code") == "LEASE_LOST");
    const auto children = ended_plan(second, run);
    INFO(children);
    CHECK(children.at("status") == "CANCELLED");
    CHECK(children.at("cancelled_by") == "system");
    CHECK(second.terminate() == 0);
}

TEST_CASE("a running node adds nodes to its plan, and its next attempt may add them again", "[e2e][composite][process]")
{
    auto& server = open_server();
    const scratch_folder folder;
    const auto mark = (folder.path() / "mark").string();
    const auto more = json::serialize(object{{"add_nodes", array{node("more", {"grow"}), node("last", {"more"})}}});
    const auto run = run_plan(server, plan_of({script("grow", "echo '" + more + "' >&3; test -e " + mark + " || { touch " + mark + "; exit 4; }", {}, tries(2))}));
    INFO(run);
    CHECK(run.at("status") == "COMPLETED");
    CHECK(run.at("nodes").as_array().size() == 3);
    CHECK(status_in(run, "last") == "COMPLETED");
    CHECK(node_of(run, "grow").at("attempt_number") == 2);
    CHECK(violations_at(open_server_database()).empty());
}

TEST_CASE("nodes that cannot be added fail the attempt that asks for them, with the fields in its log", "[e2e][composite][process]")
{
    auto& server = open_server();
    const std::string bad = R"(echo '{"add_nodes": [{"node_id": "more", "job_id": "no-such-job"}]}' >&3)";
    const auto run = run_plan(server, plan_of({script("grow", bad, {}, tries(3))}));
    INFO(run);
    CHECK(run.at("status") == "FAILED");
    CHECK(run.at("nodes").as_array().size() == 1);
    const auto execution = execution_of(server, run, "grow");
    CHECK(execution.at("attempt_number") == 1);
    CHECK(execution.at_pointer("/result/error_code") == "INVALID_CONFIG");
    CHECK_THAT(log_of(server, text_at(execution, "/execution_id")), Catch::Contains("nodes[0].job_id names no job"));

    server.define("adds-alone", {{"type", "process"}, {"command", array{"/bin/sh", "-c", bad}}}, tries(3));
    const auto alone = server.run("adds-alone");
    CHECK(alone.at_pointer("/result/error_code") == "INVALID_CONFIG");
    CHECK_THAT(text_at(alone, "/result/error_message"), Catch::Contains("no node of a plan run"));
}
