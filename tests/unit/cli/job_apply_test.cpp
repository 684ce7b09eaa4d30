#include "ops/cli/json_read.hpp"
#include "storage/model/json_text.hpp"
#include "tests/unit/cli/cli_run.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <filesystem>

using namespace rowlock::ops;
using namespace rowlock::test;
namespace json = boost::json;

namespace {

stub_reply refused(const std::string& errors)
{
    return {.status = 422, .body = R"({"type":"about:blank","title":"Refused.","status":422,"detail":"For a reason.","code":"INVALID_REQUEST","errors":)" + errors + "}",
            .content_type = "application/problem+json"};
}

// Takes whatever it is given: every job is created.
stub_reply all_created(const stub_request& request)
{
    json::array jobs;
    const auto body = rowlock::parse_json(request.body);
    for (const auto& one : body.value().at("jobs").as_array()) {
        jobs.push_back(json::object{{"job_id", one.at("job_id")}, {"outcome", "created"}, {"version", 1}, {"diff", json::array{}}, {"warnings", json::array{}}});
    }
    return {.body = rowlock::to_text(json::object{{"dry_run", false}, {"jobs", std::move(jobs)}})};
}

json::array sent_jobs(const stub_http& stub)
{
    return json_of(stub.requests().back().body).at("jobs").as_array();
}

}

TEST_CASE("job apply sends all definitions at once, and names file, line and field of what is refused", "[unit][cli][apply]")
{
    const scratch_folder folder;
    const std::string a = write_file(folder, "a.yaml", "job_id: a\nhandler: {type: noop}\n");
    const std::string b = write_file(folder, "b.yaml", "job_id: b\nhandler:\n  type: noop\ntimeout_seconds: -1\n");
    const stub_http stub([](const stub_request&) {
        return refused(R"([{"field":"jobs[1].timeout_seconds","value":-1,"message":"must be positive"},{"field":"jobs[1].handler.x","value":null,"message":"is missing"}])");
    });
    const ended e = run_against(stub, {"job", "apply", a, b});
    CHECK(e.code == 2);
    CHECK(e.out.empty());
    CHECK(e.err == b + ":4: timeout_seconds: must be positive (-1)\n" + b + ":2: handler.x: is missing\nNothing was applied.\n");
    REQUIRE(stub.requests().size() == 1);
    CHECK(stub.requests().back().method == "POST");
    CHECK(stub.requests().back().target == "/v1/jobs/apply");
}

TEST_CASE("job apply tells what is wrong with the files together with what the server has against the rest, and changes nothing", "[unit][cli][apply]")
{
    const scratch_folder folder;
    const std::string broken = write_file(folder, "broken.yaml", "job_id: [\n");
    const std::string bad = write_file(folder, "bad.yaml", "job_id: b\nhandler: {type: nope}\n");
    const stub_http stub([](const stub_request&) { return refused(R"([{"field":"jobs[0].handler.type","value":"nope","message":"must be one of noop"}])"); });
    const ended e = run_against(stub, {"job", "apply", broken, bad});
    CHECK(e.code == 2);
    CHECK_THAT(e.err, Catch::Contains(broken + ":"));
    CHECK_THAT(e.err, Catch::Contains(bad + ":2: handler.type: must be one of noop (\"nope\")\nNothing was applied.\n"));
    for (const auto& request : stub.requests()) CHECK(json_of(request.body).at("dry_run") == true);
}

TEST_CASE("job apply says what was created, updated and unchanged, and a dry run what would differ", "[unit][cli][apply]")
{
    const scratch_folder folder;
    const std::string all = write_file(folder, "all.yaml", "job_id: fresh\nhandler: &h {type: noop}\n---\njob_id: changed\nhandler: {type: noop}\n---\njob_id: same\nhandler: {type: noop}\n");
    const stub_http stub([](const stub_request&) {
        return stub_reply{.body = R"({"dry_run":false,"jobs":[
            {"job_id":"fresh","outcome":"created","version":1,"diff":[{"field":"handler","before":null,"after":{"type":"noop"}}],"warnings":["w"]},
            {"job_id":"changed","outcome":"updated","version":5,"diff":[{"field":"timeout_seconds","before":30,"after":60},{"field":"tags.a","before":null,"after":"x"},{"field":"name","before":"n","after":null}],"warnings":[]},
            {"job_id":"same","outcome":"unchanged","version":4,"diff":[],"warnings":[]}]})"};
    });
    const ended e = run_against(stub, {"job", "apply", all, "--reason", "because"});
    CHECK(e.code == 0);
    CHECK(e.out == "fresh created, version 1\nchanged updated, version 5\nsame unchanged, version 4\n");
    CHECK(e.err == all + ": warning: fresh: w\n");
    const auto request = json_of(stub.requests().back().body);
    CHECK(request.at("reason") == "because");
    CHECK_FALSE(request.as_object().contains("dry_run"));
    CHECK(request.at("jobs").at(2) == json_of(R"({"job_id":"same","handler":{"type":"noop"}})"));
    CHECK(json_of(run_against(stub, {"job", "apply", all, "--format", "json"}).out).at("items").at(1).at("outcome") == "updated");

    const ended dry = run_against(stub, {"job", "apply", all, "--dry-run"});
    CHECK(dry.out == "fresh would be created, version 1\nchanged would be updated, version 5\n  ~ timeout_seconds: 30 -> 60\n  + tags.a: \"x\"\n  - name: \"n\"\nsame unchanged, version 4\n");
    CHECK(json_of(stub.requests().back().body).at("dry_run") == true);
}

TEST_CASE("a folder stands for the YAML files in it and below, by name", "[unit][cli][apply]")
{
    const scratch_folder folder;
    for (const char* name : {"jobs/b.yaml", "jobs/a.yml", "jobs/deep/er/c.yaml", "jobs/.hidden/d.yaml", "jobs/.e.yaml", "jobs/f.txt"}) {
        write_file(folder, name, "job_id: " + std::filesystem::path(name).stem().string() + "\nhandler: {type: noop}\n");
    }
    const stub_http stub(all_created);
    const ended e = run_against(stub, {"job", "apply", (folder.path() / "jobs").string()});
    CHECK(e.code == 0);
    CHECK(e.out == "a created, version 1\nb created, version 1\nc created, version 1\n");
    std::filesystem::create_directories(folder.path() / "none");
    const ended none = run_against(stub, {"job", "apply", (folder.path() / "none").string()});
    CHECK(none.code == 2);
    CHECK_THAT(none.err, Catch::Contains("there is no .yaml or .yml file in it"));
}

TEST_CASE("job diff shows two versions, or the jobs beside a file", "[unit][cli][apply]")
{
    const scratch_folder folder;
    const std::string file = write_file(folder, "j.yaml", "job_id: j\nhandler: {type: noop}\n");
    const stub_http stub([](const stub_request& request) {
        if (request.method == "GET") return stub_reply{.body = R"({"job_id":"j","from":2,"to":5,"diff":[{"field":"name","before":"a","after":"b"}]})"};
        return stub_reply{.body = R"({"dry_run":true,"jobs":[{"job_id":"j","outcome":"updated","version":6,"diff":[{"field":"name","before":"b","after":null}],"warnings":[]}]})"};
    });
    CHECK(run_against(stub, {"job", "diff", "j", "--from", "2", "--to", "5"}).out == "j: version 2 -> version 5\n  ~ name: \"a\" -> \"b\"\n");
    CHECK(stub.requests().back().target == "/v1/jobs/j/diff?from=2&to=5");
    CHECK(run_against(stub, {"job", "diff", file}).out == "j: current version -> " + file + "\n  - name: \"b\"\n");
    CHECK(json_of(stub.requests().back().body).at("dry_run") == true);
    CHECK(run_against(stub, {"job", "diff", file, "--from", "2"}).code == 2);
    CHECK(run_against(stub, {"job", "diff", "no-such.yaml"}).code == 2);
}

TEST_CASE("rollback, enable, disable and delete give their reasons", "[unit][cli][apply]")
{
    const stub_http stub([](const stub_request& request) {
        if (request.method == "DELETE") return stub_reply{.body = "{}"};
        return stub_reply{.body = R"({"job_id":"j","version":4,"enabled":true})"};
    });
    CHECK(run_against(stub, {"job", "rollback", "j", "2", "--reason", "worse"}).out == "j is as in version 2 again, version 4\n");
    CHECK(json_of(stub.requests().back().body) == json_of(R"({"version":2,"reason":"worse"})"));
    CHECK(run_against(stub, {"job", "rollback", "j", "--version", "2"}).code == 0);
    CHECK(run_against(stub, {"job", "rollback", "j"}).code == 2);
    CHECK(run_against(stub, {"job", "disable", "j", "--reason", "broken"}).out == "j disabled\n");
    CHECK(json_of(stub.requests().back().body) == json_of(R"({"reason":"broken"})"));
    CHECK(run_against(stub, {"job", "enable", "j"}).out == "j enabled\n");
    CHECK(run_against(stub, {"job", "delete", "j", "--reason", "no more"}).out == "j deleted\n");
    CHECK(stub.requests().back().method == "DELETE");
    CHECK(stub.requests().back().target.starts_with("/v1/jobs/j?reason=no"));
}

TEST_CASE("a runner file becomes the jobs of its schedules, with the tenant, connectors and retries of their configurations", "[unit][cli][apply]")
{
    const scratch_folder folder;
    const std::string runner = write_file(folder, "runner.yaml",
                                          "runner:\n  mode: orchestrated\n  orchestrator:\n    type: dagster\n    concurrency_per_tenant: 1\n    schedules:\n"
                                          "      - name: stripe_customers_hourly\n        config: /app/jobs/acme/stripe.yaml\n        cron: \"0 * * * *\"\n        enabled: true\n"
                                          "        timezone: UTC\n        max_concurrent_runs: 1\n        tags: {environment: production, tenant: other}\n"
                                          "      - name: hubspot\n        config: jobs/here.yaml\n        interval_seconds: 21600\n        enabled: false\n");
    const std::string stripe = write_file(folder, "jobs/acme/stripe.yaml",
                                          "tenant_id: acme\nsource_connector: stripe\ntarget_connector: iceberg\nasset: stripe_customers\nretry_config:\n  max_retries: 3\n"
                                          "  retryable_exit_codes: [1, 2]\nsource: {anything: 1}\n");
    write_file(folder, "jobs/here.yaml", "tenant_id: beta\nsource_connector: hubspot\n");
    const stub_http stub(all_created);

    const ended e = run_against(stub, {"job", "apply", runner, stripe, "--without-schedules"});
    INFO(e.err);
    CHECK(e.code == 0);
    CHECK(e.out == "stripe_customers_hourly created, version 1\nhubspot created, version 1\n");
    CHECK_THAT(e.err, Catch::Contains("warning: the jobs are made without schedules; left out: runner.orchestrator.schedules[0].cron, "
                                    "runner.orchestrator.schedules[0].timezone, runner.orchestrator.schedules[0].max_concurrent_runs, "
                                    "runner.orchestrator.schedules[1].interval_seconds"));
    const auto jobs = sent_jobs(stub);
    CHECK(jobs.at(0) == json_of(R"({"job_id":"stripe_customers_hourly","handler":{"type":"process","command":["dativo","run","--config","/app/jobs/acme/stripe.yaml"]},
        "source_connector":"stripe","target_connector":"iceberg","asset":"stripe_customers","retry_config":{"max_retries":3,"retryable_exit_codes":[1,2]},"enabled":true,
        "resources":{"resource_pool":"tenant-acme"},"pool_concurrency_limit":1,"tags":{"environment":"production","job_name":"stripe_customers_hourly","tenant":"acme","connector_type":"stripe"}})"));
    CHECK(jobs.at(1) == json_of(R"({"job_id":"hubspot","handler":{"type":"process","command":["dativo","run","--config","jobs/here.yaml"]},
        "source_connector":"hubspot","retry_policy":{"max_attempts":1},"enabled":false,"resources":{"resource_pool":"tenant-beta"},"pool_concurrency_limit":1,
        "tags":{"job_name":"hubspot","tenant":"beta","connector_type":"hubspot"}})"));
    CHECK(run_against(stub, {"job", "apply", runner, "--without-schedules", "--dativo-command", "run-it --of '{{ tenant_id }} x' {{config}}"}).code == 0);
    CHECK(sent_jobs(stub).at(1).at("handler").at("command") == json_of(R"(["run-it","--of","beta x","jobs/here.yaml"])"));
}

TEST_CASE("the jobs of a runner file have its schedules", "[unit][cli][apply]")
{
    const scratch_folder folder;
    const std::string runner = write_file(folder, "runner.yaml",
                                          "runner:\n  orchestrator:\n    type: dagster\n    schedules:\n"
                                          "      - {name: hourly, config: a.yaml, cron: \"0 * * * *\", timezone: America/New_York, max_concurrent_runs: 1}\n"
                                          "      - {name: often, config: a.yaml, interval_seconds: 21600}\n"
                                          "      - {name: by-hand, config: a.yaml}\n");
    const stub_http stub(all_created);
    const ended e = run_against(stub, {"job", "apply", runner});
    INFO(e.err);
    CHECK(e.code == 0);
    CHECK_THAT(e.err, Catch::Contains(runner + ":7: warning: runner.orchestrator.schedules[2]: has neither cron nor interval_seconds"));
    const auto jobs = sent_jobs(stub);
    CHECK(jobs.at(0).at("schedule") == json_of(R"({"cron_expression":"0 * * * *","timezone":"America/New_York","max_concurrent_runs":1})"));
    CHECK(jobs.at(1).at("schedule") == json_of(R"({"interval_seconds":21600})"));
    CHECK_FALSE(jobs.at(2).as_object().contains("schedule"));
}

TEST_CASE("what is wrong with a runner file is told by line", "[unit][cli][apply]")
{
    struct row {
        const char* why;
        const char* text;
        const char* message;
    };
    const auto& r = GENERATE(values<row>({
        {"a runner is a map", "runner: 1\n", ":1: runner: must be a map"},
        {"it has an orchestrator", "runner: {mode: oneshot}\n", "runner.orchestrator: must be a map"},
        {"it has schedules", "runner:\n  orchestrator:\n    schedules: []\n", ":3: runner.orchestrator.schedules: must be a list of schedules"},
        {"a schedule is a map", "runner:\n  orchestrator:\n    schedules:\n      - x\n", ":4: runner.orchestrator.schedules[0]: must be a map"},
        {"a schedule has a name that a job can have", "runner:\n  orchestrator:\n    schedules:\n      - name: Two Words\n        config: a.yaml\n",
         ":4: runner.orchestrator.schedules[0].name: must be 1 to 128 of"},
        {"a schedule has a configuration", "runner:\n  orchestrator:\n    schedules:\n      - name: a\n", ":4: runner.orchestrator.schedules[0].config: must be the path"},
        {"a schedule has no other fields", "runner:\n  orchestrator:\n    schedules:\n      - name: a\n        config: c\n        crom: x\n",
         ":6: runner.orchestrator.schedules[0].crom: is not a known field"},
        {"tags are a map", "runner:\n  orchestrator:\n    schedules:\n      - name: a\n        config: c\n        tags: [x]\n", ":6: runner.orchestrator.schedules[0].tags: must be a map"},
        {"two schedules are not one job", "runner:\n  orchestrator:\n    schedules:\n      - name: a\n        config: c\n      - name: a\n        config: d\n",
         ":6: job_id: is defined at"},
        {"a configuration belongs to a schedule", "source_connector: stripe\nretry_config: {max_retries: 1}\n", ":1: neither a definition"},
    }));
    INFO(r.why);
    const scratch_folder folder;
    const std::string file = write_file(folder, "runner.yaml", r.text);
    const stub_http stub(all_created);
    const ended e = run_against(stub, {"job", "apply", file, "--without-schedules"});
    INFO(e.err);
    CHECK(e.code == 2);
    CHECK(e.out.empty());
    CHECK_THAT(e.err, Catch::Contains(r.message));
}

TEST_CASE("a configuration is found by the end of its path, and never is another tenant's", "[unit][cli][apply]")
{
    const scratch_folder folder;
    const std::string runner = write_file(folder, "runner.yaml",
                                          "tenant_id: head\nrunner:\n  orchestrator:\n    schedules:\n      - {name: a, config: /app/acme/x.yaml}\n      - {name: b, config: /app/beta/x.yaml}\n"
                                          "      - {name: c, config: /app/gamma/y.yaml}\n");
    const std::string acme = write_file(folder, "acme/x.yaml", "tenant_id: acme\nsource_connector: s\n");
    const std::string flat = write_file(folder, "flat/y.yaml", "tenant_id: gamma\nsource_connector: s\n");
    const stub_http stub(all_created);
    const ended e = run_against(stub, {"job", "apply", acme, runner, flat});
    INFO(e.err);
    CHECK(e.code == 0);
    CHECK_THAT(e.err, Catch::Contains(":6: warning: runner.orchestrator.schedules[1].config: /app/beta/x.yaml is not here"));
    const auto jobs = sent_jobs(stub);
    CHECK(jobs.at(0).at("tags").at("tenant") == "acme");
    CHECK(jobs.at(1).at("tags").at("tenant") == "head");
    CHECK(jobs.at(2).at("tags").at("tenant") == "gamma");
}
