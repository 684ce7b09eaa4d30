#include "tests/support/plans.hpp"
#include "tests/support/scratch_folder.hpp"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

constexpr const char* unknown = "0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10";

ended_program cli(std::vector<std::string> arguments, std::string input = {})
{
    return run_rowlock(std::move(arguments), {{"ROWLOCK_URL", open_server().url()}}, std::move(input));
}

json::value json_of(std::vector<std::string> arguments, int code = 0)
{
    arguments.insert(arguments.end(), {"--format", "json"});
    const auto ran = cli(std::move(arguments));
    INFO(ran.out << ran.err);
    REQUIRE(ran.code == code);
    return json::parse(ran.out);
}

std::string written(const scratch_folder& folder, const std::string& name, const std::string& text)
{
    const auto path = folder.path() / name;
    write_file(path, text);
    return path.string();
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

constexpr const char* nightly = R"(plan_id: cli-nightly
parameters: {day: monday}
nodes:
  - {node_id: extract, handler: {type: noop}, parameters: {day: "{{ parameters.day }}"}}
  - {node_id: clean, handler: {type: noop}, needs: [extract]}
  - node_id: load
    handler: {type: noop}
    needs: [{node: clean, type: COMPLETION}]
)";

}

TEST_CASE("plan apply stores plans, says what has changed, and takes all or none", "[e2e][cli][plans]")
{
    const scratch_folder folder;
    const auto file = written(folder, "nightly.yaml", nightly);
    auto ran = cli({"plan", "apply", file, "--dry-run"});
    INFO(ran.out << ran.err);
    CHECK(ran.code == 0);
    CHECK(ran.out == "cli-nightly would be created, version 1\n");
    CHECK(cli({"plan", "show", "cli-nightly"}).code == 3);
    CHECK(cli({"plan", "apply", file, "--reason", "begun"}).out == "cli-nightly created, version 1\n");
    CHECK(cli({"plan", "apply", file}).out == "cli-nightly unchanged, version 1\n");
    const auto changed = written(folder, "changed.yaml", std::string(nightly) + "on_failure: fail_fast\n");
    ran = cli({"plan", "apply", changed, "--dry-run"});
    CHECK(has(ran.out, "cli-nightly would be updated, version 2"));
    CHECK(has(ran.out, "+ on_failure"));
    CHECK(json_of({"plan", "apply", changed}).at_pointer("/items/0/outcome") == "updated");

    const auto bad = written(folder, "bad.yaml", "plan_id: cli-bad\nnodes:\n  - node_id: a\n    handler: {type: noop}\n    needs: [nobody]\n");
    ran = cli({"plan", "apply", bad, file});
    INFO(ran.err);
    CHECK(ran.code == 2);
    CHECK(has(ran.err, "bad.yaml:5: nodes[0].needs[0]"));
    CHECK(has(ran.err, "Nothing was applied."));
    CHECK(has(cli({"plan", "show", "cli-nightly"}).out, "version"));
    CHECK(json_of({"plan", "show", "cli-nightly"}).at("version") == 2);
    CHECK(json_of({"plan", "versions", "cli-nightly"}).at("items").as_array().size() == 2);
    CHECK(has(cli({"plan", "versions", "cli-nightly"}).out, "begun"));
    CHECK(has(cli({"plan", "list"}).out, "cli-nightly"));

    CHECK(has(cli({"plan", "apply", written(folder, "job.yaml", "job_id: x\nhandler: {type: noop}\n")}).err, "is no plan"));
    CHECK(has(cli({"job", "apply", file}).err, "is a plan"));
    CHECK(has(cli({"plan", "apply", written(folder, "nameless.yaml", "nodes: [{node_id: a, handler: {type: noop}}]\n")}).err, "plan_id: is missing"));
}

TEST_CASE("plan run follows a run to its end, tells of each node, and ends with its exit code", "[e2e][cli][plans]")
{
    const scratch_folder folder;
    const auto file = written(folder, "nightly.yaml", nightly);
    auto ran = cli({"plan", "run", file, "-p", "day=tuesday"});
    INFO(ran.out << ran.err);
    CHECK(ran.code == 0);
    for (const char* line : {"layer 0: extract COMPLETED", "layer 1: clean COMPLETED", "layer 2: load COMPLETED", "COMPLETED: 3 of 3 nodes ended"}) {
        INFO(line);
        CHECK(has(ran.err, line));
    }
    CHECK(has(ran.out, "layer 0"));
    CHECK(has(ran.out, "load"));
    CHECK(has(ran.out, "clean (COMPLETION)"));
    const auto run = json_of({"plan", "run", file, "--quiet", "-p", "day=tuesday"});
    CHECK(run.at("status") == "COMPLETED");
    CHECK(run.at_pointer("/parameters/day") == "tuesday");

    const auto broken = written(folder, "broken.yaml", "nodes:\n  - {node_id: a, handler: {type: fail, error_code: BROKEN}, retry_policy: {max_attempts: 1}}\n  - {node_id: b, handler: {type: noop}, needs: [a]}\n");
    ran = cli({"plan", "run", broken});
    INFO(ran.out << ran.err);
    CHECK(ran.code == 1);
    CHECK(has(ran.err, "a FAILED: BROKEN"));
    CHECK(has(ran.out, "SKIPPED"));
    // From stdin, too.
    CHECK(cli({"plan", "run", "-"}, nightly).code == 0);
    CHECK(cli({"plan", "run", "no-such-plan"}).code == 2);
    CHECK(cli({"plan", "run", (folder.path() / "missing.yaml").string()}).code == 2);
}

TEST_CASE("plan run starts stored plans, with keys, tags and versions, and need not wait", "[e2e][cli][plans]")
{
    auto& server = open_server();
    REQUIRE(server.put("/v1/plans/cli-stored", plan_of({node("a")})).status == 201);
    const auto first = cli({"plan", "run", "cli-stored", "--no-wait", "--idempotency-key", "cli-plan-1", "--correlation-id", "cli-7", "--tag", "who=me"});
    INFO(first.out << first.err);
    REQUIRE(first.code == 0);
    const auto id = first_line(first.out);
    const auto run = ended_plan(server, id);
    CHECK(run.at("correlation_id") == "cli-7");
    CHECK(run.at("tags") == json::object{{"who", "me"}});
    const auto again = cli({"plan", "run", "cli-stored", "--no-wait", "--idempotency-key", "cli-plan-1", "--correlation-id", "cli-7", "--tag", "who=me"});
    CHECK(first_line(again.out) == id);
    CHECK(has(again.err, "nothing new"));
    CHECK(cli({"plan", "run", "cli-stored", "--idempotency-key", "cli-plan-1"}).code == 2);
    CHECK(cli({"plan", "run", "cli-stored", "--version", "9"}).code == 2);
    CHECK(has(cli({"plan", "runs", "--plan", "cli-stored"}).out, id));
    CHECK(json_of({"plan", "runs", "--plan", "cli-stored", "--status", "failed"}).at("items").as_array().empty());
}

TEST_CASE("plan run --dry-run draws the graph and starts nothing", "[e2e][cli][plans]")
{
    const scratch_folder folder;
    const auto file = written(folder, "nightly.yaml", nightly);
    const auto ran = cli({"plan", "run", file, "--dry-run"});
    INFO(ran.out << ran.err);
    CHECK(ran.code == 0);
    CHECK(has(ran.out, "layer 2"));
    CHECK(has(ran.err, "Nothing was started."));
    CHECK(json_of({"plan", "run", file, "--dry-run"}).at("is_valid") == true);
    const auto cyclic = written(folder, "cyclic.yaml", "nodes:\n  - {node_id: a, handler: {type: noop}, needs: [b]}\n  - {node_id: b, handler: {type: noop}, needs: [a]}\n");
    const auto refused = cli({"plan", "run", cyclic, "--dry-run"});
    INFO(refused.err);
    CHECK(refused.code == 2);
    CHECK(has(refused.err, "DEP_002_CYCLE_DETECTED"));
}

TEST_CASE("plan graph draws files, stored plans and runs in every format", "[e2e][cli][plans]")
{
    auto& server = open_server();
    const scratch_folder folder;
    const auto file = written(folder, "nightly.yaml", nightly);
    REQUIRE(server.put("/v1/plans/cli-graph", plan_of({node("a"), node("b", {"a"})})).status == 201);
    const auto run = text_at(server.post("/v1/plan-runs?wait_seconds=60", json::object{{"plan_id", "cli-graph"}}).json(), "/plan_run_id");
    for (const std::string& what : {file, std::string("cli-graph"), run}) {
        INFO(what);
        const auto dot = cli({"plan", "graph", what, "--format", "dot"});
        INFO(dot.err);
        CHECK(dot.code == 0);
        CHECK(dot.out.rfind("digraph", 0) == 0);
        CHECK(cli({"plan", "graph", what, "--format", "mermaid"}).out.rfind("flowchart", 0) == 0);
        CHECK(json_of({"plan", "graph", what}).at("is_valid") == true);
        CHECK(has(cli({"plan", "graph", what}).out, "layer 1"));
        CHECK(has(cli({"plan", "graph", what, "--format", "yaml"}).out, "is_valid: true"));
    }
    CHECK(cli({"plan", "graph", "nobody"}).code == 3);
    CHECK(cli({"plan", "graph", unknown}).code == 3);
    CHECK(cli({"plan", "graph", "cli-graph", "--format", "svg"}).code == 2);
}

TEST_CASE("plan show draws a run in at most 100 columns, of ASCII where nothing else is known", "[e2e][cli][plans]")
{
    auto& server = open_server();
    const auto run = run_plan(server, plan_of({failing("a"), node("b", {"a"}), node("c", {}, {{"for_each", json::array{1, 2}}})}));
    const auto shown = cli({"plan", "show", text_at(run, "/plan_run_id")});
    INFO(shown.out << shown.err);
    CHECK(shown.code == 0);
    for (const char* part : {"plan_run_id", "FAILED", "+ layer 0", "| x a", "| > b", "<- a", "BROKEN", "2 of 2 items"}) {
        INFO(part);
        CHECK(has(shown.out, part));
    }
    for (const char c : shown.out) CHECK(static_cast<unsigned char>(c) < 0x80);

    json::array many;
    for (int i = 0; i < 80; ++i) many.push_back(node("n" + std::to_string(i)));
    many.push_back(failing("broken", {"n0"}));
    const auto large = cli({"plan", "show", text_at(run_plan(server, plan_of(many)), "/plan_run_id")});
    INFO(large.out);
    CHECK(has(large.out, "80 nodes"));
    CHECK(has(large.out, "80 COMPLETED"));
    CHECK(has(large.out, "failed: broken"));
    CHECK_FALSE(has(large.out, "n17"));
    CHECK(cli({"plan", "show", unknown}).code == 3);
}

TEST_CASE("plan rerun and plan cancel", "[e2e][cli][plans]")
{
    auto& server = open_server();
    const scratch_folder folder;
    const auto flag = (folder.path() / "mended").string();
    const auto failed = run_plan(server, plan_of({node("a"), script("b", "test -e '" + flag + "'", {"a"})}));
    const auto id = text_at(failed, "/plan_run_id");
    CHECK(cli({"plan", "rerun", id}).code == 1);
    write_file(flag, "");
    const auto again = json_of({"plan", "rerun", id});
    CHECK(again.at("status") == "COMPLETED");
    CHECK(again.at("rerun_of") == json::string_view(id));
    CHECK(cli({"plan", "rerun", text_at(again, "/plan_run_id")}).code == 2);
    CHECK(cli({"plan", "rerun", text_at(again, "/plan_run_id"), "--from", "b"}).code == 0);
    CHECK(cli({"plan", "rerun", unknown}).code == 3);

    const auto keyed = json_of({"plan", "rerun", id, "--idempotency-key", "cli-again-" + id});
    CHECK(keyed.at("status") == "COMPLETED");
    CHECK(json_of({"plan", "rerun", id, "--idempotency-key", "cli-again-" + id}).at("plan_run_id") == keyed.at("plan_run_id"));

    const auto running = start_plan(server, plan_of({endless("long")}));
    const auto cancelled = cli({"plan", "cancel", running, "--reason", "enough"});
    INFO(cancelled.out << cancelled.err);
    CHECK(cancelled.code == 0);
    const auto run = ended_plan(server, running);
    CHECK(run.at("status") == "CANCELLED");
    CHECK(run.at("cancel_reason") == "enough");
    CHECK(cli({"plan", "cancel", running}).code == 2);
}

TEST_CASE("plan watch follows a run to its end, and its exit code says how that was", "[e2e][cli][plans]")
{
    auto& server = open_server();
    const auto gate = [](json::object one) {
        one["type"] = "validator";
        return one;
    };
    json::object each = node("each", {"a"});
    each["for_each"] = json::array{1, 2, 3};
    const auto id = start_plan(server, plan_of({node("a"), std::move(each), gate(node("good", {"each"}))}));
    const auto watched = cli({"plan", "watch", id});
    INFO(watched.out << watched.err);
    CHECK(watched.code == 0);
    CHECK(has(watched.out, "3 of 3 items"));
    CHECK(has(watched.out, "gate"));
    CHECK(has(watched.err, "COMPLETED: 3 of 3 nodes ended"));
    const auto nodes = json_of({"plan", "show", id}).at("nodes").as_array();
    for (const auto& one : nodes) {
        INFO(one);
        CHECK(one.at("gate") == (one.at("node_id") == "good"));
        CHECK(one.at("for_each") == (one.at("node_id") == "each"));
        CHECK(text_at(one, "/started_time") <= text_at(one, "/completed_time"));
        CHECK_FALSE(text_at(one, "/started_time").empty());
    }
    CHECK(cli({"plan", "watch", text_at(run_plan(server, plan_of({script("bad", "exit 1")})), "/plan_run_id")}).code == 1);
    CHECK(cli({"plan", "watch", unknown}).code == 3);
}

TEST_CASE("rowlock run takes a plan in a file: it is stored where it has an id, and run", "[e2e][cli][plans]")
{
    const scratch_folder folder;
    std::string text = nightly;
    text.replace(text.find("cli-nightly"), 11, "cli-run-plan");
    const auto ran = cli({"run", written(folder, "nightly.yaml", text)});
    INFO(ran.out << ran.err);
    CHECK(ran.code == 0);
    CHECK(has(ran.err, "cli-run-plan, version 1"));
    CHECK(json_of({"plan", "show", "cli-run-plan"}).at("version") == 1);
    CHECK(json_of({"plan", "runs", "--plan", "cli-run-plan"}).at("items").as_array().size() == 1);
    const auto broken = cli({"run", written(folder, "broken.yaml", "nodes: [{node_id: a, handler: {type: fail, error_code: X}, retry_policy: {max_attempts: 1}}]\n")});
    INFO(broken.err);
    CHECK(broken.code == 1);
    const auto refused = cli({"run", written(folder, "bad.yaml", "plan_id: cli-bad-run\nnodes:\n  - node_id: a\n    handler: {type: nothing}\n")});
    INFO(refused.err);
    CHECK(refused.code == 2);
    CHECK(has(refused.err, "bad.yaml:4: nodes[0].handler.type"));
}

TEST_CASE("every verb of plans has help with an example", "[e2e][cli][plans]")
{
    for (const char* verb : {"apply", "list", "versions", "runs", "run", "show", "graph", "watch", "rerun", "cancel"}) {
        INFO(verb);
        const auto help = cli({"plan", verb, "--help"});
        CHECK(help.code == 0);
        CHECK(has(help.out, "rowlock plan "));
    }
}
