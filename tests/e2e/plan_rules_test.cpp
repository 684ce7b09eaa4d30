#include "tests/support/database_rows.hpp"
#include "tests/support/plans.hpp"

#include <catch2/catch.hpp>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

json::object need(const std::string& node, const json::object& more)
{
    return with({{"node", node}}, more);
}

void check_no_violations()
{
    CHECK(violations_at(open_server_database()) == std::vector<std::string>{});
}

}

TEST_CASE("a node starts when all that it needs has succeeded, layer by layer", "[e2e][plans]")
{
    auto& server = open_server();
    const auto run = run_plan(server, plan_of({node("a"), node("b", {"a"}), node("c", {"a"}), node("d", {"b", "c"})}), {{"correlation_id", "order-1"}});
    INFO(run);
    CHECK(run.at("status") == "COMPLETED");
    CHECK(run.at("correlation_id") == "order-1");
    CHECK(run.at("execution_order") == json::array{json::array{"a"}, json::array{"b", "c"}, json::array{"d"}});
    CHECK(run.at("critical_path").as_array().size() == 3);
    for (const char* id : {"a", "b", "c", "d"}) {
        INFO(id);
        CHECK(status_in(run, id) == "COMPLETED");
        CHECK(node_of(run, id).at("execution_ids").as_array().size() == 1);
        const auto execution = execution_of(server, run, id);
        CHECK(execution.at("correlation_id") == "order-1");
        CHECK(execution.at("trigger_type") == (*id == 'a' ? "MANUAL" : "DEPENDENCY"));
    }
    CHECK(node_of(run, "d").at("layer") == 2);
    for (const char* upstream : {"b", "c"}) {
        INFO(upstream);
        CHECK(text_at(execution_of(server, run, upstream), "/completed_time") <= text_at(execution_of(server, run, "d"), "/queued_time"));
    }
    check_no_violations();
}

TEST_CASE("edges say the same as needs", "[e2e][plans]")
{
    auto& server = open_server();
    const auto run = run_plan(server, plan_of({node("a"), failing("b"), node("c")},
                                              {{"edges", json::array{json::object{{"from", "a"}, {"to", "c"}}, json::object{{"from", "b"}, {"to", "c"}, {"type", "COMPLETION"}}}}}));
    INFO(run);
    CHECK(status_in(run, "c") == "COMPLETED");
    CHECK(node_of(run, "c").at("layer") == 1);
}

TEST_CASE("below a node that has failed everything is skipped, and the plan has failed", "[e2e][plans]")
{
    auto& server = open_server();
    const auto run = run_plan(server, plan_of({failing("a"), node("b", {"a"}), node("c", {"b"}), node("apart")}));
    INFO(run);
    CHECK(run.at("status") == "FAILED");
    CHECK(status_in(run, "a") == "FAILED");
    CHECK(node_of(run, "a").at("error_code") == "BROKEN");
    CHECK(status_in(run, "b") == "SKIPPED");
    CHECK(status_in(run, "c") == "SKIPPED");
    CHECK(status_in(run, "apart") == "COMPLETED");
    CHECK(node_of(run, "b").at("execution_ids").as_array().empty());
    check_no_violations();
}

TEST_CASE("a COMPLETION need holds however the upstream has ended, unless a skip is not enough", "[e2e][plans]")
{
    auto& server = open_server();
    const auto run = run_plan(server, plan_of({failing("broken"), node("skipped", {"broken"}), node("after-failure", {need("broken", {{"type", "COMPLETION"}})}),
                                               node("after-skip", {need("skipped", {{"type", "COMPLETION"}})}),
                                               node("not-after-skip", {need("skipped", {{"type", "COMPLETION"}, {"skip_on_upstream_skip", true}})}),
                                               node("nor-this", {need("skipped", {{"type", "COMPLETION"}})}, {{"skip_on_upstream_skip", true}})}));
    INFO(run);
    CHECK(status_in(run, "after-failure") == "COMPLETED");
    CHECK(status_in(run, "skipped") == "SKIPPED");
    CHECK(status_in(run, "after-skip") == "COMPLETED");
    CHECK(status_in(run, "not-after-skip") == "SKIPPED");
    CHECK(status_in(run, "nor-this") == "SKIPPED");
}

TEST_CASE("conditions see the result of the upstream; what is false or cannot be evaluated does not hold", "[e2e][plans]")
{
    auto& server = open_server();
    const auto upstream = script("a", R"(echo '{"output": {"rows": 10, "kind": "full"}}' >&3; echo '{"records_processed": 10}' >&3)");
    const auto run = run_plan(server, plan_of({upstream, node("rows", {need("a", {{"condition", "$.outputs.rows > 5"}})}),
                                               node("records", {need("a", {{"condition", "$.records_processed == 10 && $.exit_code == 0"}})}),
                                               node("false", {need("a", {{"condition", "$.outputs.rows > 50"}})}),
                                               node("other-type", {need("a", {{"condition", "$.outputs.kind > 5"}})}),
                                               node("missing", {need("a", {{"condition", "$.outputs.nothing == 1"}})}),
                                               node("below-false", {"false"}), node("status", {need("a", {{"condition", "$.status == \"SUCCESS\""}})})}));
    INFO(run);
    for (const char* id : {"rows", "records", "status"}) CHECK(status_in(run, id) == "COMPLETED");
    for (const char* id : {"false", "other-type", "missing", "below-false"}) CHECK(status_in(run, id) == "SKIPPED");
    // Nothing has failed.
    CHECK(run.at("status") == "COMPLETED");
}

TEST_CASE("a condition on a COMPLETION need sees a failure", "[e2e][plans]")
{
    auto& server = open_server();
    const auto run = run_plan(server, plan_of({failing("a"), node("cleanup", {need("a", {{"type", "COMPLETION"}, {"condition", "$.error_code == \"BROKEN\""}})}),
                                               node("other", {need("a", {{"type", "COMPLETION"}, {"condition", "$.error_code == \"OTHER\""}})})}));
    INFO(run);
    CHECK(status_in(run, "cleanup") == "COMPLETED");
    CHECK(status_in(run, "other") == "SKIPPED");
}

TEST_CASE("DATA_READY waits for outputs, and success alone is not enough", "[e2e][plans]")
{
    auto& server = open_server();
    const auto run = run_plan(server, plan_of({giving("with", {{"rows", 1}}), node("without"), node("b", {need("with", {{"type", "DATA_READY"}})}),
                                               node("c", {need("without", {{"type", "DATA_READY"}})})}));
    INFO(run);
    CHECK(status_in(run, "b") == "COMPLETED");
    CHECK(status_in(run, "c") == "SKIPPED");
}

TEST_CASE("a fallback stands in for a node that has failed for good, and the plan has completed", "[e2e][plans]")
{
    auto& server = open_server();
    const auto run = run_plan(server, plan_of({failing("a", {}, {{"fallback", "spare"}}), giving("spare", {{"from", "spare"}}),
                                               echoing("b", {{"got", "{{ nodes.a.outputs.from }}"}}, {"a"})}));
    INFO(run);
    CHECK(run.at("status") == "COMPLETED");
    CHECK(status_in(run, "a") == "FAILED");
    CHECK(status_in(run, "spare") == "COMPLETED");
    CHECK(status_in(run, "b") == "COMPLETED");
    CHECK(outputs_of(server, run, "b") == json::object{{"got", "spare"}});
    check_no_violations();
}

TEST_CASE("a fallback is skipped where its primary succeeds, and its failure fails the plan", "[e2e][plans]")
{
    auto& server = open_server();
    auto run = run_plan(server, plan_of({node("a", {}, {{"fallback", "spare"}}), node("spare"), node("b", {"a"})}));
    INFO(run);
    CHECK(run.at("status") == "COMPLETED");
    CHECK(status_in(run, "spare") == "SKIPPED");
    CHECK(status_in(run, "b") == "COMPLETED");

    run = run_plan(server, plan_of({failing("a", {}, {{"fallback", "spare"}}), failing("spare", {}, {{"fallback", "last"}}), failing("last"), node("b", {"a"})}));
    INFO(run);
    CHECK(run.at("status") == "FAILED");
    CHECK(status_in(run, "last") == "FAILED");
    CHECK(status_in(run, "b") == "SKIPPED");

    run = run_plan(server, plan_of({failing("a", {}, {{"fallback", "spare"}}), failing("spare", {}, {{"fallback", "last"}}), node("last"), node("b", {"a"})}));
    INFO(run);
    CHECK(run.at("status") == "COMPLETED");
    CHECK(status_in(run, "b") == "COMPLETED");
    check_no_violations();
}

TEST_CASE("a fallback waits for the retries of its primary", "[e2e][plans]")
{
    auto& server = open_server();
    const json::object twice{{"handler", {{"type", "fail"}, {"error_code", "ONCE"}, {"times", 1}}}, {"retry_policy", {{"max_attempts", 2}, {"initial_delay_seconds", 0.05}}}, {"fallback", "spare"}};
    const auto run = run_plan(server, plan_of({node("a", {}, twice), node("spare"), node("b", {"a"})}));
    INFO(run);
    CHECK(run.at("status") == "COMPLETED");
    CHECK(status_in(run, "a") == "COMPLETED");
    CHECK(node_of(run, "a").at("execution_ids").as_array().size() == 2);
    CHECK(node_of(run, "a").at("attempt_number") == 2);
    CHECK(status_in(run, "spare") == "SKIPPED");
}

TEST_CASE("a validator is a gate that fails closed, whatever the need says", "[e2e][plans]")
{
    auto& server = open_server();
    const json::object gate{{"type", "validator"}};
    const auto run = run_plan(server, plan_of({failing("check", {}, gate), node("a", {"check"}), node("b", {need("check", {{"type", "COMPLETION"}})}),
                                               node("open", {}, gate), node("c", {"open"}), node("skipped-gate", {"check"}, gate),
                                               node("d", {need("skipped-gate", {{"type", "COMPLETION"}})})}));
    INFO(run);
    CHECK(run.at("status") == "FAILED");
    for (const char* id : {"a", "b", "skipped-gate", "d"}) CHECK(status_in(run, id) == "SKIPPED");
    CHECK(status_in(run, "c") == "COMPLETED");
}

TEST_CASE("a job of the catalogue that is a validator is a gate too", "[e2e][plans]")
{
    auto& server = open_server();
    server.define("plan-gate", {{"type", "fail"}, {"error_code", "CLOSED"}}, {{"type", "validator"}, {"retry_policy", {{"max_attempts", 1}}}});
    const auto run = run_plan(server, plan_of({json::object{{"node_id", "gate"}, {"job_id", "plan-gate"}}, node("b", {need("gate", {{"type", "COMPLETION"}})})}));
    INFO(run);
    CHECK(status_in(run, "gate") == "FAILED");
    CHECK(status_in(run, "b") == "SKIPPED");
}

TEST_CASE("fail_fast ends the plan with the first node that fails: what waits is skipped, what runs is cancelled", "[e2e][plans]")
{
    auto& server = open_server();
    const auto run = run_plan(server, plan_of({endless("long"), script("a", "exit 3"), node("b", {"long"})}, {{"on_failure", "fail_fast"}}));
    INFO(run);
    CHECK(run.at("status") == "FAILED");
    CHECK(status_in(run, "a") == "FAILED");
    CHECK(status_in(run, "long") == "CANCELLED");
    CHECK(status_in(run, "b") == "SKIPPED");
    check_no_violations();
}

TEST_CASE("templates take outputs and parameters, as values of any type or as parts of a text", "[e2e][plans]")
{
    auto& server = open_server();
    const auto plan = plan_of({giving("a", {{"rows", 10}, {"name", "x"}, {"list", json::array{1, 2}}, {"deep", {{"key", true}}}}),
                               echoing("b",
                                       {{"rows", "{{ nodes.a.outputs.rows }}"}, {"list", "{{ nodes.a.outputs.list }}"}, {"first", "{{ nodes.a.outputs.list[0] }}"},
                                        {"deep", json::array{json::object{{"v", "{{ nodes.a.outputs.deep.key }}"}}}},
                                        {"text", "table {{ nodes.a.outputs.name }} has {{ nodes.a.outputs.rows }} of {{ parameters.total }}"}, {"day", "{{ parameters.day.number }}"},
                                        {"plain", "no template"}, {"code", "{{ nodes.a.exit_code }}"}},
                                       {"a"})},
                              {{"parameters", {{"total", 100}, {"day", {{"number", 1}}}}}});
    const auto run = run_plan(server, plan, {{"parameters", {{"total", 50}}}});
    INFO(run);
    REQUIRE(run.at("status") == "COMPLETED");
    CHECK(run.at("parameters") == json::object{{"total", 50}, {"day", {{"number", 1}}}});
    CHECK(outputs_of(server, run, "b") == json::object{{"rows", 10}, {"list", json::array{1, 2}}, {"first", 1}, {"deep", json::array{json::object{{"v", true}}}},
                                                       {"text", "table x has 10 of 50"}, {"day", 1}, {"plain", "no template"}, {"code", 0}});
}

TEST_CASE("a template that finds nothing when its node starts fails that node, and says where", "[e2e][plans]")
{
    auto& server = open_server();
    const auto run = run_plan(server, plan_of({giving("a", {{"rows", 10}}), node("b", {"a"}, {{"parameters", {{"n", "{{ nodes.a.outputs.columns }}"}}}}), node("c", {"b"})}));
    INFO(run);
    CHECK(run.at("status") == "FAILED");
    CHECK(status_in(run, "b") == "FAILED");
    CHECK(node_of(run, "b").at("error_code") == "INVALID_CONFIG");
    CHECK(text_at(node_of(run, "b"), "/error_message").find("columns") != std::string::npos);
    CHECK(status_in(run, "c") == "SKIPPED");
    check_no_violations();
}

TEST_CASE("for_each runs a node once for each item, and hands on all outputs in order", "[e2e][plans]")
{
    auto& server = open_server();
    const auto run = run_plan(server, plan_of({giving("list", {{"tables", json::array{json::object{{"name", "x"}}, json::object{{"name", "y"}}, json::object{{"name", "z"}}}}}),
                                               echoing("load", {{"table", "{{ item.name }}"}, {"whole", "{{ item }}"}}, {"list"}, {{"for_each", "{{ nodes.list.outputs.tables }}"}}),
                                               echoing("sum", {{"second", "{{ nodes.load.outputs[1].table }}"}, {"n", "{{ nodes.load.items }}"}}, {"load"})}));
    INFO(run);
    REQUIRE(run.at("status") == "COMPLETED");
    const auto& load = node_of(run, "load");
    CHECK(load.at("items") == 3);
    CHECK(load.at("items_ended") == 3);
    CHECK(load.at("items_failed") == 0);
    REQUIRE(load.at("execution_ids").as_array().size() == 3);
    std::vector<std::string> tables;
    for (const auto& id : load.at("execution_ids").as_array()) tables.push_back(text_at(server.execution(id.as_string().c_str()), "/result/outputs/table"));
    CHECK(tables == std::vector<std::string>{"x", "y", "z"});
    CHECK(outputs_of(server, run, "sum") == json::object{{"second", "y"}, {"n", 3}});
    check_no_violations();
}

TEST_CASE("for_each over nothing completes at once, and over what is no list fails", "[e2e][plans]")
{
    auto& server = open_server();
    auto run = run_plan(server, plan_of({giving("list", {{"empty", json::array{}}, {"number", 1}}), node("load", {"list"}, {{"for_each", "{{ nodes.list.outputs.empty }}"}}), node("after", {"load"}),
                                         node("none", {}, {{"for_each", json::array{}}})}));
    INFO(run);
    CHECK(run.at("status") == "COMPLETED");
    CHECK(status_in(run, "load") == "COMPLETED");
    CHECK(node_of(run, "load").at("items") == 0);
    CHECK(status_in(run, "after") == "COMPLETED");
    CHECK(status_in(run, "none") == "COMPLETED");

    run = run_plan(server, plan_of({giving("list", {{"number", 1}}), node("load", {"list"}, {{"for_each", "{{ nodes.list.outputs.number }}"}}), node("after", {"load"})}));
    INFO(run);
    CHECK(run.at("status") == "FAILED");
    CHECK(status_in(run, "load") == "FAILED");
    CHECK(status_in(run, "after") == "SKIPPED");
    check_no_violations();
}

TEST_CASE("a for_each node with items that fail has failed once all have ended", "[e2e][plans]")
{
    auto& server = open_server();
    const auto run = run_plan(server, plan_of({script("load", "grep -q '\"n\": *2' && exit 7; exit 0", {}, {{"for_each", json::array{1, 2, 3}}, {"parameters", {{"n", "{{ item }}"}}}}), node("after", {"load"}),
                                               node("report", {need("load", {{"type", "COMPLETION"}, {"condition", "$.failed == 1 && $.items == 3"}})})}));
    INFO(run);
    CHECK(run.at("status") == "FAILED");
    CHECK(status_in(run, "load") == "FAILED");
    CHECK(node_of(run, "load").at("items_ended") == 3);
    CHECK(node_of(run, "load").at("items_failed") == 1);
    CHECK(status_in(run, "after") == "SKIPPED");
    CHECK(status_in(run, "report") == "COMPLETED");
    check_no_violations();
}

TEST_CASE("a list of thousands is gone through in batches", "[e2e][plans]")
{
    auto& server = open_server();
    json::array items;
    for (int i = 0; i < 5000; ++i) items.push_back(i);
    const auto run = run_plan(server, plan_of({node("many", {}, {{"for_each", items}, {"parameters", {{"n", "{{ item }}"}}}}), node("after", {"many"})}));
    CHECK(run.at("status") == "COMPLETED");
    CHECK(node_of(run, "many").at("items") == 5000);
    CHECK(node_of(run, "many").at("items_ended") == 5000);
    CHECK(status_in(run, "after") == "COMPLETED");
    check_no_violations();
}

TEST_CASE("nodes run with tags, priority, version and references of the plan and of their own", "[e2e][plans]")
{
    auto& server = open_server();
    server.define("plan-versions", {{"type", "noop"}}, {{"parameters", {{"a", 1}, {"b", 1}}}});
    server.define("plan-versions", {{"type", "noop"}}, {{"parameters", {{"a", 2}, {"b", 2}}}});
    const auto run = run_plan(server,
                              plan_of({json::object{{"node_id", "old"}, {"job_id", "plan-versions"}, {"job_version", 1}, {"parameters", {{"b", "own"}}}, {"tags", {{"mine", "1"}}}, {"priority", 7}},
                                       json::object{{"node_id", "new"}, {"job_id", "plan-versions"}}},
                                      {{"tags", {{"plan", "p"}}}, {"contract_ref", "contract-7"}, {"approval_ref", "approval-9"}, {"priority", 3}}),
                              {{"tags", {{"run", "r"}}}});
    INFO(run);
    REQUIRE(run.at("status") == "COMPLETED");
    CHECK(run.at("contract_ref") == "contract-7");
    CHECK(run.at("approval_ref") == "approval-9");
    const auto old = execution_of(server, run, "old");
    INFO(old);
    CHECK(old.at("job_version") == 1);
    CHECK(old.at("parameters") == json::object{{"a", 1}, {"b", "own"}});
    CHECK(old.at("tags") == json::object{{"mine", "1"}, {"plan", "p"}, {"run", "r"}});
    CHECK(old.at("priority") == 7);
    CHECK(old.at("contract_ref") == "contract-7");
    CHECK(old.at("approval_ref") == "approval-9");
    const auto fresh = execution_of(server, run, "new");
    CHECK(fresh.at("job_version") == 2);
    CHECK(fresh.at("priority") == 3);
}

TEST_CASE("nodes with the same handler are one job, which is in no list", "[e2e][plans]")
{
    auto& server = open_server();
    const json::object same{{"handler", {{"type", "sleep"}, {"seconds", 0.011}}}};
    const auto run = run_plan(server, plan_of({node("a", {}, same), node("b", {}, same)}));
    const auto job = text_at(node_of(run, "a"), "/job_id");
    CHECK(job.rfind("inline.", 0) == 0);
    CHECK(node_of(run, "b").at("job_id") == json::string_view(job));
    CHECK(server.get("/v1/jobs?limit=1000").body.find("\"inline.") == std::string::npos);
    CHECK(execution_of(server, run, "a").at("job_id") == json::string_view(job));
}

TEST_CASE("a chain and a wide layer end, and every counter is right", "[e2e][plans]")
{
    auto& server = open_server();
    json::array nodes;
    for (int i = 0; i < 100; ++i) nodes.push_back(node("c" + std::to_string(i), i == 0 ? json::array{} : json::array{"c" + std::to_string(i - 1)}));
    json::array all;
    for (int i = 0; i < 300; ++i) {
        nodes.push_back(node("w" + std::to_string(i), {"c3"}));
        all.push_back(json::value("w" + std::to_string(i)));
    }
    nodes.push_back(node("end", all));
    const auto run = run_plan(server, plan_of(nodes));
    CHECK(run.at("status") == "COMPLETED");
    CHECK(run.at("node_count") == 401);
    CHECK(run.at("nodes_ended") == 401);
    CHECK(run.at("nodes_failed") == 0);
    CHECK(run.at("critical_path").as_array().size() == 100);
    check_no_violations();
}
