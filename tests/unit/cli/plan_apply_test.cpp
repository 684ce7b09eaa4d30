#include "storage/model/json_text.hpp"
#include "tests/unit/cli/cli_run.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

constexpr const char* two_plans = "plan_id: first\nnodes: [{node_id: a, handler: {type: noop}}]\n---\nplan_id: second\nnodes:\n  - node_id: a\n    handler: {type: noop}\n    needs: [gone]\n";

stub_reply two_applied(const stub_request&)
{
    return {.body = R"({"dry_run":true,"plans":[{"plan_id":"first","outcome":"created","version":1,"etag":"\"1\"","diff":[]},
        {"plan_id":"second","outcome":"updated","version":3,"etag":"\"3\"","diff":[{"field":"on_failure","before":null,"after":"fail_fast"}]}]})"};
}

}

TEST_CASE("plan apply sends all plans at once, and shows what has become of each", "[unit][cli][apply]")
{
    const scratch_folder folder;
    const std::string file = write_file(folder, "plans.yaml", two_plans);
    const stub_http stub(two_applied);
    const ended e = run_against(stub, {"plan", "apply", file, "--reason", "both", "--dry-run"});
    INFO(e.err);
    CHECK(e.code == 0);
    CHECK(e.out == "first would be created, version 1\nsecond would be updated, version 3\n  + on_failure: \"fail_fast\"\n");
    REQUIRE(stub.requests().size() == 1);
    const auto request = stub.requests().front();
    CHECK(request.method == "POST");
    CHECK(request.target == "/v1/plans/apply");
    const auto body = json_of(request.body);
    CHECK(body.at("reason") == "both");
    CHECK(body.at("dry_run") == true);
    CHECK(body.at("plans").as_array().size() == 2);
    CHECK(json_of(run_against(stub, {"plan", "apply", file, "--format", "json"}).out).at("items").at(1) ==
          json_of(R"({"file":")" + file + R"(","plan_id":"second","outcome":"updated","version":3,"diff":[{"field":"on_failure","before":null,"after":"fail_fast"}]})"));
}

TEST_CASE("plan apply names file, line and field of what is refused, with what is wrong in the files", "[unit][cli][apply]")
{
    const scratch_folder folder;
    const std::string file = write_file(folder, "plans.yaml", two_plans);
    const stub_http stub([](const stub_request&) {
        return stub_reply{.status = 422, .body = R"({"type":"about:blank","title":"Refused.","status":422,"detail":"For a reason.","code":"INVALID_REQUEST",
            "errors":[{"field":"plans[1].nodes[0].needs[0]","value":"\"gone\"","message":"names no node"}]})", .content_type = "application/problem+json"};
    });
    const ended e = run_against(stub, {"plan", "apply", file});
    INFO(e.err);
    CHECK(e.code == 2);
    CHECK(e.out.empty());
    CHECK_THAT(e.err, Catch::Contains(file + ":8: nodes[0].needs[0]: names no node") && Catch::Contains("Nothing was applied."));

    const std::string nameless = write_file(folder, "nameless.yaml", "nodes: [{node_id: a, handler: {type: noop}}]\n");
    const ended both = run_against(stub, {"plan", "apply", nameless, file});
    INFO(both.err);
    CHECK(both.code == 2);
    CHECK_THAT(both.err, Catch::Contains("nameless.yaml:1: plan_id: is missing") && Catch::Contains(":8: nodes[0].needs[0]"));
    CHECK(json_of(stub.requests().back().body).at("dry_run") == true);
}
