#include "tests/support/database_rows.hpp"
#include "tests/support/plans.hpp"

#include <catch2/catch.hpp>
#include <set>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

json::value started(const http_reply& reply, int status)
{
    INFO(reply.body);
    REQUIRE(reply.status == status);
    return reply.json();
}

void check_no_violations()
{
    CHECK(violations_at(open_server_database()) == std::vector<std::string>{});
}

std::size_t jobs_and_runs()
{
    const auto count = [](const char* path) { return open_server().get(path).json().at("items").as_array().size(); };
    return count("/v1/plan-runs?limit=1000") * 100'000 + count("/v1/executions?limit=1000") * 10 + count("/v1/plans?limit=1000");
}

}

TEST_CASE("a plan run is answered with its id and place, or, where it is waited for, whole", "[e2e][plans]")
{
    auto& server = open_server();
    const auto plan = plan_of({node("a"), node("b", {"a"})});
    const auto reply = server.post("/v1/plan-runs", json::object{{"plan", plan}});
    const auto taken = started(reply, 201);
    const auto id = text_at(taken, "/plan_run_id");
    CHECK(reply.field("Location") == "/v1/plan-runs/" + id);
    CHECK(taken.at("replayed") == false);
    CHECK(taken.at("plan_id").is_null());
    CHECK(std::set<std::string>{"RUNNING", "COMPLETED"}.count(text_at(taken, "/status")) == 1);

    const auto whole = started(server.post("/v1/plan-runs?wait_seconds=60", json::object{{"plan", plan}}), 201);
    CHECK(whole.at("status") == "COMPLETED");
    CHECK(whole.at("nodes").as_array().size() == 2);
    const auto none = started(server.post("/v1/plan-runs?wait_seconds=0.2", json::object{{"plan", plan_of({endless("long")})}}), 201);
    CHECK(none.at("status") == "RUNNING");
    CHECK(server.post("/v1/plan-runs/" + text_at(none, "/plan_run_id") + "/cancel", json::object{}).status == 202);
}

TEST_CASE("a dry run gives the graph and changes nothing", "[e2e][plans]")
{
    auto& server = open_server();
    const auto before = jobs_and_runs();
    const json::object unused{{"handler", {{"type", "sleep"}, {"seconds", 0.777}}}};
    const json::object request{{"plan", plan_of({node("a", {}, unused), node("b", {"a"}), node("c", {json::object{{"node", "a"}, {"type", "COMPLETION"}, {"condition", "$.exit_code == 0"}}}), node("d", {"b", "c"})})},
                               {"dry_run", true}, {"idempotency_key", "dry"}};
    const auto graph = started(server.post("/v1/plan-runs", request), 200);
    INFO(graph);
    CHECK(graph.at("is_valid") == true);
    CHECK(graph.at("validation_errors").as_array().empty());
    CHECK(graph.at("jobs") == json::array{"a", "b", "c", "d"});
    CHECK(graph.at("execution_order") == json::array{json::array{"a"}, json::array{"b", "c"}, json::array{"d"}});
    CHECK(graph.at("critical_path").as_array().size() == 3);
    CHECK(graph.at("edges").as_array().size() == 4);
    CHECK(text_at(graph, "/graph_id") == text_at(started(server.post("/v1/plan-runs", request), 200), "/graph_id"));
    const auto dot = server.post("/v1/plan-runs?format=dot", request);
    CHECK(dot.status == 200);
    CHECK(dot.field("Content-Type").find("graphviz") != std::string::npos);
    CHECK(dot.body.rfind("digraph", 0) == 0);
    CHECK(server.post("/v1/plan-runs?format=mermaid", request).body.rfind("flowchart", 0) == 0);
    CHECK(jobs_and_runs() == before);
    // The key is not used up.
    CHECK(started(server.post("/v1/plan-runs", json::object{{"plan", plan_of({node("a")})}, {"idempotency_key", "dry"}}), 201).at("replayed") == false);
}

TEST_CASE("the same key and request give the same run, another request is refused", "[e2e][plans][idempotency]")
{
    auto& server = open_server();
    const auto plan = plan_of({node("a")});
    const json::object request{{"plan", plan}, {"idempotency_key", "plan-key-1"}, {"parameters", {{"n", 1}}}};
    const auto first = started(server.post("/v1/plan-runs", request), 201);
    const auto again = started(server.post("/v1/plan-runs", request), 200);
    CHECK(again.at("replayed") == true);
    CHECK(again.at("plan_run_id") == first.at("plan_run_id"));
    // The key in the header is the same key, and what a request leaves out is what it gives by default.
    const json::object in_header{{"plan", plan}, {"parameters", {{"n", 1.0}}}, {"tags", json::object{}}, {"dry_run", false}};
    CHECK(started(server.post("/v1/plan-runs", in_header, {{"Idempotency-Key", "plan-key-1"}}), 200).at("plan_run_id") == first.at("plan_run_id"));
    for (const json::object& other : {json::object{{"plan", plan}, {"parameters", {{"n", 2}}}}, json::object{{"plan", plan_of({node("b")})}, {"parameters", {{"n", 1}}}}}) {
        const auto reply = server.post("/v1/plan-runs", other, {{"Idempotency-Key", "plan-key-1"}});
        CHECK(reply.status == 409);
        CHECK(reply.json().at("code") == "IDEMPOTENCY_KEY_REUSED");
    }
    CHECK(server.post("/v1/plan-runs", request, {{"Idempotency-Key", "plan-key-2"}}).status == 422);
}

TEST_CASE("a repeat is answered where the request would be refused by now", "[e2e][plans][idempotency]")
{
    auto& server = open_server();
    server.define("plan-repeated", {{"type", "noop"}});
    const json::object request{{"plan", plan_of({json::object{{"node_id", "a"}, {"job_id", "plan-repeated"}}})}, {"idempotency_key", "plan-key-3"}};
    const auto first = started(server.post("/v1/plan-runs?wait_seconds=60", request), 201);
    REQUIRE(server.post("/v1/jobs/plan-repeated/disable", json::object{}).status == 200);
    const auto again = started(server.post("/v1/plan-runs", request), 200);
    CHECK(again.at("plan_run_id") == first.at("plan_run_id"));
    CHECK(again.at("status") == "COMPLETED");
    CHECK(server.post("/v1/plan-runs", with(request, {{"idempotency_key", "plan-key-4"}})).status == 409);
}

TEST_CASE("plan runs are listed newest first, by plan, status and correlation id, in pages", "[e2e][plans]")
{
    auto& server = open_server();
    REQUIRE(server.put("/v1/plans/listed-runs", plan_of({node("a")})).status == 201);
    std::vector<std::string> ids;
    for (int i = 0; i < 5; ++i) {
        const auto run = started(server.post("/v1/plan-runs?wait_seconds=60", json::object{{"plan_id", "listed-runs"}, {"correlation_id", i == 2 ? "second" : "other"}}), 201);
        ids.insert(ids.begin(), text_at(run, "/plan_run_id"));
    }
    std::vector<std::string> found;
    std::string cursor;
    do {
        const auto page = server.get("/v1/plan-runs?plan_id=listed-runs&status=COMPLETED&limit=2" + (cursor.empty() ? "" : "&cursor=" + cursor)).json();
        for (const auto& item : page.at("items").as_array()) {
            found.push_back(text_at(item, "/plan_run_id"));
            CHECK_FALSE(item.as_object().contains("nodes"));
            CHECK(item.at("node_count") == 1);
        }
        cursor = page.at("next_cursor").is_null() ? "" : text_at(page, "/next_cursor");
    } while (!cursor.empty());
    CHECK(found == ids);
    CHECK(server.get("/v1/plan-runs?plan_id=listed-runs&correlation_id=second").json().at("items").as_array().size() == 1);
    CHECK(server.get("/v1/plan-runs?plan_id=listed-runs&status=FAILED").json().at("items").as_array().empty());
}

TEST_CASE("a cancelled run starts nothing more and ends what runs", "[e2e][plans]")
{
    auto& server = open_server();
    const auto id = start_plan(server, plan_of({node("first"), endless("long", {"first"}), node("after", {"long"})}));
    await_node(server, id, "long", "RUNNING");
    const auto cancelled = server.post("/v1/plan-runs/" + id + "/cancel", json::object{{"reason", "wrong day"}});
    INFO(cancelled.body);
    REQUIRE(cancelled.status == 202);
    const auto run = ended_plan(server, id);
    INFO(run);
    CHECK(run.at("status") == "CANCELLED");
    CHECK(run.at("cancel_reason") == "wrong day");
    CHECK(status_in(run, "first") == "COMPLETED");
    CHECK(status_in(run, "long") == "CANCELLED");
    CHECK(status_in(run, "after") == "CANCELLED");
    const auto twice = server.post("/v1/plan-runs/" + id + "/cancel", json::object{});
    CHECK(twice.status == 409);
    CHECK(twice.json().at("code") == "ALREADY_ENDED");
    check_no_violations();
}

TEST_CASE("a cancel of one node cascades as far as it is told", "[e2e][plans][cancel]")
{
    auto& server = open_server();
    struct row {
        const char* cascade;
        const char* next;
        const char* last;
    };
    const row rows[] = {{"NONE", "SKIPPED", "SKIPPED"}, {"IMMEDIATE_DEPENDENTS", "CANCELLED", "SKIPPED"}, {"ALL_DOWNSTREAM", "CANCELLED", "CANCELLED"}};
    for (const auto& one : rows) {
        INFO(one.cascade);
        const auto id = start_plan(server, plan_of({endless("a"), node("b", {"a"}), node("c", {"b"}), node("apart")}));
        await_node(server, id, "a", "RUNNING");
        const auto execution = text_at(node_of(plan_run(server, id), "a"), "/execution_id");
        REQUIRE(server.post("/v1/executions/" + execution + "/cancel", json::object{{"cascade", one.cascade}}).status == 202);
        const auto run = ended_plan(server, id);
        INFO(run);
        CHECK(status_in(run, "a") == "CANCELLED");
        CHECK(status_in(run, "b") == one.next);
        CHECK(status_in(run, "c") == one.last);
        CHECK(status_in(run, "apart") == "COMPLETED");
        CHECK(run.at("status") == "CANCELLED");
    }
    check_no_violations();
}

TEST_CASE("the critical path counts a list as often as its items go one after the other", "[e2e][plans]")
{
    auto& server = open_server();
    server.define("listed", {{"type", "sleep"}, {"seconds", 0.4}}, {{"concurrency", {{"max_running", 2}}}});
    server.ended(server.submit("listed"));
    const object each{{"node_id", "each"}, {"job_id", "listed"}, {"for_each", array{1, 2, 3, 4, 5}}};
    const auto expected = [&](const object& node) {
        const auto reply = server.post("/v1/plan-runs", object{{"plan", plan_of({node})}, {"dry_run", true}});
        INFO(reply.body);
        return reply.json().at("critical_path_seconds").as_double();
    };
    // What one of them takes is learnt from what has run.
    const auto single = expected({{"node_id", "one"}, {"job_id", "listed"}});
    CHECK(single >= 0.4);
    CHECK(expected(each) == Approx(3 * single));
    const auto run = run_plan(server, plan_of({each}));
    INFO(run);
    // By then more is known of what one takes.
    eventually("the run says the same", [&] {
        const auto now = plan_run(server, text_at(run, "/plan_run_id")).at("critical_path_seconds").as_double();
        return now == Approx(3 * expected({{"node_id", "one"}, {"job_id", "listed"}}));
    });
}

TEST_CASE("a rerun keeps what has completed, and does again what failed and all below it", "[e2e][plans]")
{
    auto& server = open_server();
    const scratch_folder folder;
    const auto flag = (folder.path() / "mended").string();
    const auto plan = plan_of({giving("a", {{"rows", 3}}), script("b", "test -e '" + flag + "'", {"a"}), echoing("c", {{"rows", "{{ nodes.a.outputs.rows }}"}}, {"b"}), node("apart")},
                              {{"tags", {{"t", "1"}}}});
    const auto first = run_plan(server, plan, {{"correlation_id", "rerun-1"}});
    INFO(first);
    REQUIRE(first.at("status") == "FAILED");
    CHECK(status_in(first, "c") == "SKIPPED");
    const auto first_id = text_at(first, "/plan_run_id");

    write_file(flag, "");
    const auto reply = server.post("/v1/plan-runs/" + first_id + "/rerun", json::object{});
    INFO(reply.body);
    REQUIRE(reply.status == 201);
    const auto second_id = text_at(reply.json(), "/plan_run_id");
    CHECK(reply.field("Location") == "/v1/plan-runs/" + second_id);
    const auto second = ended_plan(server, second_id);
    INFO(second);
    CHECK(second.at("status") == "COMPLETED");
    CHECK(second.at("rerun_of") == json::string_view(first_id));
    CHECK(second.at("correlation_id") == "rerun-1");
    CHECK(second.at("tags") == json::object{{"t", "1"}});
    for (const char* kept : {"a", "apart"}) {
        INFO(kept);
        CHECK(node_of(second, kept).at("execution_id") == node_of(first, kept).at("execution_id"));
        CHECK(status_in(second, kept) == "COMPLETED");
    }
    CHECK(node_of(second, "b").at("execution_id") != node_of(first, "b").at("execution_id"));
    CHECK(outputs_of(server, second, "c") == json::object{{"rows", 3}});

    // The same key and request again gives that rerun back.
    const http_fields key{{"Idempotency-Key", "again-" + first_id}};
    const auto keyed = server.post("/v1/plan-runs/" + first_id + "/rerun", json::object{{"from", "b"}}, key);
    INFO(keyed.body);
    CHECK(keyed.status == 201);
    CHECK(keyed.json().at("replayed") == false);
    const auto repeated = server.post("/v1/plan-runs/" + first_id + "/rerun", json::object{{"from", "b"}}, key);
    CHECK(repeated.status == 200);
    CHECK(repeated.json().at("replayed") == true);
    CHECK(repeated.json().at("plan_run_id") == keyed.json().at("plan_run_id"));
    const auto reused = server.post("/v1/plan-runs/" + first_id + "/rerun", json::object{}, key);
    CHECK(reused.status == 409);
    CHECK(text_at(reused.json(), "/code") == "IDEMPOTENCY_KEY_REUSED");
    CHECK(server.post("/v1/plan-runs/" + first_id + "/rerun", json::object{}, {{"Idempotency-Key", "a b"}}).status == 422);
    ended_plan(server, text_at(keyed.json(), "/plan_run_id"));

    // All has completed: there is nothing to do again, unless one says where.
    CHECK(server.post("/v1/plan-runs/" + second_id + "/rerun", json::object{}).status == 409);
    CHECK(server.post("/v1/plan-runs/" + second_id + "/rerun", json::object{{"from", "nobody"}}).status == 422);
    const auto third = ended_plan(server, text_at(started(server.post("/v1/plan-runs/" + second_id + "/rerun", json::object{{"from", "b"}}), 201), "/plan_run_id"));
    INFO(third);
    CHECK(third.at("status") == "COMPLETED");
    CHECK(node_of(third, "a").at("execution_id") == node_of(first, "a").at("execution_id"));
    CHECK(node_of(third, "apart").at("execution_id") == node_of(first, "apart").at("execution_id"));
    for (const char* again : {"b", "c"}) {
        INFO(again);
        CHECK(node_of(third, again).at("execution_id") != node_of(second, again).at("execution_id"));
    }
    check_no_violations();
}

TEST_CASE("a run that is under way is not run again", "[e2e][plans]")
{
    auto& server = open_server();
    const auto id = start_plan(server, plan_of({endless("long")}));
    const auto refused = server.post("/v1/plan-runs/" + id + "/rerun", json::object{{"from", "long"}});
    CHECK(refused.status == 409);
    CHECK(refused.json().at("code") == "NOT_RETRYABLE");
    CHECK(server.post("/v1/plan-runs/" + id + "/cancel", json::object{}).status == 202);
    ended_plan(server, id);
}

TEST_CASE("nodes are added to a run while it runs, below nodes that are there, ended or not", "[e2e][plans]")
{
    auto& server = open_server();
    const scratch_folder folder;
    const auto flag = (folder.path() / "go").string();
    const auto id = start_plan(server, plan_of({giving("a", {{"rows", 5}}), script("b", "while ! test -e '" + flag + "'; do sleep 0.02; done", {"a"})}));
    await_node(server, id, "b", "RUNNING");
    const auto added = server.post("/v1/plan-runs/" + id + "/nodes", json::object{{"nodes", json::array{echoing("c", {{"rows", "{{ nodes.a.outputs.rows }}"}}, {"a"}), node("d", {"b", "c"}), failing("e")}}});
    INFO(added.body);
    REQUIRE(added.status == 201);
    CHECK(added.json().at("added") == json::array{"c", "d", "e"});
    await_node(server, id, "c", "COMPLETED");
    CHECK(status_in(plan_run(server, id), "d") == "PENDING");

    // Nothing changes where one of them is refused.
    const auto twin = server.post("/v1/plan-runs/" + id + "/nodes", json::object{{"nodes", json::array{node("f"), node("a")}}});
    CHECK((twin.status == 422 || twin.status == 409));
    const auto stranger = server.post("/v1/plan-runs/" + id + "/nodes", json::object{{"nodes", json::array{node("f", {"nobody"})}}});
    INFO(stranger.body);
    CHECK(stranger.status == 422);
    CHECK(stranger.json().at_pointer("/errors/0/field") == "nodes[0].needs[0]");
    CHECK(plan_run(server, id).at("node_count") == 5);

    write_file(flag, "");
    const auto run = ended_plan(server, id);
    INFO(run);
    CHECK(run.at("status") == "FAILED");
    CHECK(status_in(run, "d") == "COMPLETED");
    CHECK(status_in(run, "e") == "FAILED");
    CHECK(outputs_of(server, run, "c") == json::object{{"rows", 5}});
    CHECK(server.post("/v1/plan-runs/" + id + "/nodes", json::object{{"nodes", json::array{node("g")}}}).status == 409);
    check_no_violations();
}

TEST_CASE("a run's graph is drawn with its states", "[e2e][plans]")
{
    auto& server = open_server();
    const auto run = run_plan(server, plan_of({failing("a"), node("b", {"a"}), node("c", {json::object{{"node", "a"}, {"type", "COMPLETION"}, {"condition", "$.error_code == \"BROKEN\""}}})}));
    const auto at = "/v1/plan-runs/" + text_at(run, "/plan_run_id") + "/graph";
    const auto graph = started(server.get(at), 200);
    INFO(graph);
    CHECK(graph.at("execution_order") == json::array{json::array{"a"}, json::array{"b", "c"}});
    CHECK(graph.at("critical_path") == run.at("critical_path"));
    CHECK(graph.at_pointer("/nodes/0/status") == "FAILED");
    CHECK(graph.at_pointer("/edges/0/condition").is_null());
    CHECK(graph.at_pointer("/edges/1/condition") == "$.error_code == \"BROKEN\"");
    CHECK(run.at("edges") == graph.at("edges"));
    const auto dot = server.get(at + "?format=dot");
    CHECK(dot.body.find("\"a\" -> \"b\"") != std::string::npos);
    CHECK(dot.body.find("SKIPPED") != std::string::npos);
    CHECK(server.get(at + "?format=mermaid").body.find("FAILED") != std::string::npos);
}

TEST_CASE("runs and their nodes are there in SQL", "[e2e][plans]")
{
    auto& server = open_server();
    const auto run = run_plan(server, plan_of({node("a"), failing("b", {"a"})}));
    const auto id = text_at(run, "/plan_run_id");
    const auto runs = rows_at(open_server_database(), "select status, nodes, nodes_ended, nodes_failed from v_plan_runs where plan_run_id = '" + id + "'");
    REQUIRE(runs.size() == 1);
    CHECK(std::string(runs[0][0].c_str()) == "FAILED");
    CHECK(runs[0][2].as<int>() == 2);
    CHECK(runs[0][3].as<int>() == 1);
    const auto nodes = rows_at(open_server_database(), "select node_id, status from v_plan_nodes where plan_run_id = '" + id + "' order by node_no");
    REQUIRE(nodes.size() == 2);
    CHECK(std::string(nodes[0][1].c_str()) == "COMPLETED");
    CHECK(std::string(nodes[1][1].c_str()) == "FAILED");
}
