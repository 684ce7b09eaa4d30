#include "ops/cli/json_read.hpp"
#include "storage/model/json_text.hpp"
#include "tests/unit/cli/cli_run.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>

using namespace rowlock::ops;
using namespace rowlock::test;

namespace {

constexpr const char* id = "0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10";
constexpr const char* second_id = "0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f11";

std::string execution_json(const std::string& execution_id, const std::string& status, int attempt)
{
    return R"({"execution_id":")" + execution_id + R"(","run_id":")" + id + R"(","job_id":"ingest","status":")" + status + R"(","attempt_number":)" +
           std::to_string(attempt) + R"(,"queued_time":"2026-01-31T09:30:00.000000Z","started_time":null,"parameters":{},"result":{"status":"SUCCESS","duration_seconds":1.5,"error_code":null}})";
}

std::string problem_json(int status, const std::string& code, const std::string& errors = "[]")
{
    return R"({"type":"about:blank","title":"Refused.","status":)" + std::to_string(status) + R"(,"detail":"For a reason.","code":")" + code + R"(","errors":)" + errors + "}";
}

stub_reply problem(int status, const std::string& code, const std::string& errors = "[]")
{
    return {.status = status, .body = problem_json(status, code, errors), .content_type = "application/problem+json"};
}

bool contains(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

// How many executions a batch has. For the stub's thread, where Catch must not be used.
std::size_t size_of_batch(const stub_request& request)
{
    const auto value = rowlock::parse_json(request.body);
    const boost::json::array* executions = value ? array_at(*value, "executions") : nullptr;
    return executions ? executions->size() : 0;
}

stub_reply accepted_batch(const stub_request& request)
{
    const boost::json::array accepted(size_of_batch(request), boost::json::object{{"execution_id", id}, {"job_id", "noop"}, {"status", "QUEUED"}});
    return {.status = 201, .body = rowlock::to_text(boost::json::object{{"executions", accepted}})};
}

}

TEST_CASE("a bad command line is exit code 2 and one line that says what to do", "[unit][cli]")
{
    struct row { std::vector<std::string> line; const char* says; };
    const auto r = GENERATE(values<row>({
        {{}, "rowlock needs a verb: "},
        {{"sumbit", "x"}, "rowlock has no verb sumbit; did you mean submit? (see rowlock --help)"},
        {{"frobnicate"}, "rowlock has no verb frobnicate (see rowlock --help)"},
        {{"job"}, "rowlock job needs a verb: apply, diff, list, show, versions, rollback, enable, disable, delete (see rowlock job --help)"},
        {{"job", "lst"}, "rowlock job has no verb lst; did you mean list?"},
        {{"submit"}, "rowlock submit: JOB is required"},
        {{"submit", "x", "--prioritty", "3"}, "rowlock submit has no option --prioritty; did you mean --priority?"},
        {{"submit", "x", "--priority", "5000"}, "--priority"},
        {{"submit", "x", "--count", "0"}, "--count"},
        {{"submit", "x", "--timeout", "5"}, "--timeout: has a meaning only with --wait"},
        {{"submit", "x", "--at", "tomorrow"}, "--at: tomorrow is not an RFC 3339 time"},
        {{"submit", "x", "-p", "n"}, "-p n: must be NAME=VALUE"},
        {{"submit", "x", "--parameters", "[]"}, "--parameters: must be a JSON object"},
        {{"submit", "x", "--url", "nonsense"}, "--url: nonsense is not of the form"},
        {{"submit", "x", "--tenant", "No Slug"}, "--tenant: No Slug is not a tenant id"},
        {{"submit", "x", "y"}, "rowlock submit does not take y"},
        {{"version", "--format", "xml"}, "--format: xml is none of human, json, yaml"},
        {{"run", "/nowhere.yaml"}, "cannot open /nowhere.yaml"},
        {{"token", "create"}, "--role is required"},
        {{"token", "create", "--role", "king"}, "--role: king is none of"},
        {{"doctor", "--invariants"}, "--invariants: needs --database"},
        {{"bench", "--url", "https://127.0.0.1:1"}, "without TLS"},
        {{"bench", "nothing"}, "nothing not in"},
    }));
    const ended e = run_line(r.line);
    INFO(e.err);
    CHECK(e.code == 2);
    CHECK(e.out.empty());
    CHECK(contains(e.err, r.says));
    CHECK(std::count(e.err.begin(), e.err.end(), '\n') == 1);
}

TEST_CASE("help groups the verbs, has examples, and goes to stdout", "[unit][cli]")
{
    server_verbs server;
    server.dev = [](CLI::App& app, context&) { app.add_subcommand("dev", "A private server")->group(server_group); };
    const ended e = run_line({"--help"}, server);
    CHECK(e.code == 0);
    CHECK(e.err.empty());
    for (const char* part : {"Server:", "Work:", "Definitions:", "Operating:", "submit", "Examples:", "--format", "ROWLOCK_URL"}) {
        INFO(part);
        CHECK(contains(e.out, part));
    }
    CHECK(contains(run_line({"submit", "--help"}).out, "--idempotency-key"));
    CHECK(contains(run_line({"job", "apply", "--help"}).out, "rowlock job apply ingest.yaml"));
}

TEST_CASE("the version is there as an option and as a verb", "[unit][cli]")
{
    CHECK(run_line({"--version"}).out == "rowlock " ROWLOCK_VERSION "\n");
    CHECK(run_line({"version"}).out == "rowlock " ROWLOCK_VERSION "\n");
    CHECK(json_of(run_line({"version", "--format", "json"}).out).at("version") == ROWLOCK_VERSION);
    CHECK(run_line({"--format=yaml", "version"}).out == "version: \"" ROWLOCK_VERSION "\"\n");
}

TEST_CASE("a server's verb sees the global options and gives the exit code", "[unit][cli]")
{
    server_verbs server;
    server.serve = [](CLI::App& app, context& c) {
        app.add_subcommand("serve", "Serve")->callback([&c] {
            c.chosen = [&c] {
                c.screen.line(c.options.format);
                return exit_code::protocol;
            };
        });
    };
    const ended e = run_line({"serve", "--format", "yaml", "--url", "not looked at"}, server);
    CHECK(e.code == 4);
    CHECK(e.out == "yaml\n");
}

TEST_CASE("submit sends what the line says and prints the execution id alone", "[unit][cli]")
{
    stub_http stub([](const stub_request&) {
        return stub_reply{.status = 201, .body = std::string{R"({"execution_id":")"} + id + R"(","run_id":"r","job_id":"ingest","job_version":3,"status":"QUEUED","replayed":false})"};
    });
    const ended e = run_against(stub, {"--token", "secret", "submit", "ingest", "-p", "n=1", "-p", "s=x", "--priority", "-5", "--tag", "a=b", "--at", "2026-01-31T10:30:00+01:00",
                                       "--correlation-id", "c", "--idempotency-key", "k1", "--tenant", "acme"});
    CHECK(e.code == 0);
    CHECK(e.out == std::string{id} + "\n");
    CHECK(e.err == "submitted ingest version 3: QUEUED\n");
    REQUIRE(stub.requests().size() == 1);
    const stub_request sent = stub.requests().front();
    CHECK(sent.method == "POST");
    CHECK(sent.target == "/v1/executions");
    CHECK(sent.authorization == "Bearer secret");
    CHECK(sent.tenant == "acme");
    CHECK(sent.idempotency_key == "k1");
    CHECK(json_of(sent.body) == json_of(R"({"job_id":"ingest","parameters":{"n":1,"s":"x"},"priority":-5,"correlation_id":"c","tags":{"a":"b"},"scheduled_time":"2026-01-31T09:30:00.000000Z"})"));
    CHECK(run_against(stub, {"submit", "ingest", "--quiet"}).err.empty());
    CHECK(json_of(run_against(stub, {"submit", "ingest", "--format", "json"}).out).at("execution_id") == id);
}

TEST_CASE("the exit code follows the server's answer", "[unit][cli]")
{
    struct row { stub_reply reply; int code; };
    const auto r = GENERATE(values<row>({
        {problem(401, "UNAUTHENTICATED"), 5},
        {problem(403, "FORBIDDEN"), 5},
        {problem(404, "NOT_FOUND"), 3},
        {problem(409, "JOB_DISABLED"), 2},
        {problem(422, "INVALID_REQUEST", R"([{"field":"job_id","value":"x","message":"is unknown"}])"), 2},
        {problem(429, "RATE_LIMITED"), 2},
        {problem(503, "STOPPING"), 4},
        {{.status = 200, .body = "not json"}, 4},
        {{.status = 200, .body = "{}"}, 4},
        {{.silent = true}, 4},
    }));
    stub_http stub([&r](const stub_request&) { return r.reply; });
    const ended e = run_against(stub, {"submit", "x"});
    INFO(e.err);
    CHECK(e.code == r.code);
    CHECK(e.out.empty());
    CHECK(e.err.starts_with("error: "));
    if (r.reply.status == 422) CHECK(contains(e.err, "  job_id: is unknown (\"x\")\n"));
}

TEST_CASE("a server that is not there is exit code 4 and says how to start one", "[unit][cli]")
{
    std::string url;
    {
        const stub_http gone([](const stub_request&) { return stub_reply{}; });
        url = gone.url();
    }
    const ended e = run_line({"execution", "list", "--url", url});
    CHECK(e.code == 4);
    CHECK(contains(e.err, "rowlock dev"));
}

TEST_CASE("--wait gives the last attempt, and 1 unless it is COMPLETED", "[unit][cli]")
{
    const std::string status = GENERATE(as<std::string>{}, "COMPLETED", "FAILED", "CANCELLED");
    stub_http stub([&](const stub_request& request) {
        if (request.method == "POST") return stub_reply{.status = 201, .body = execution_json(id, "QUEUED", 1)};
        return stub_reply{.body = execution_json(second_id, status, 2)};
    });
    const ended e = run_against(stub, {"submit", "ingest", "--wait", "--format", "json"});
    CHECK(e.code == (status == "COMPLETED" ? 0 : 1));
    CHECK(text_at(json_of(e.out), "status") == status);
    CHECK(stub.requests().back().target == std::string{"/v1/executions/"} + id + "/wait?timeout_seconds=60");
    CHECK(contains(run_against(stub, {"submit", "ingest", "--wait"}).out, "\nstatus                   " + status));
    CHECK(stub.connections() == 2);
}

TEST_CASE("--wait --timeout gives up after that time with exit code 1", "[unit][cli]")
{
    stub_http stub([](const stub_request& request) { return stub_reply{.status = request.method == "POST" ? 201 : 200, .body = execution_json(id, "RUNNING", 1)}; });
    const ended e = run_against(stub, {"submit", "ingest", "--wait", "--timeout", "0"});
    CHECK(e.code == 1);
    CHECK(contains(e.err, "has not ended within --timeout"));
}

TEST_CASE("--count submits in batches of a thousand, each with a key of its own", "[unit][cli]")
{
    stub_http stub(accepted_batch);
    const ended e = run_against(stub, {"submit", "noop", "--count", "2500", "--idempotency-key", "nightly"});
    CHECK(e.code == 0);
    CHECK(std::count(e.out.begin(), e.out.end(), '\n') == 2500);
    const auto sent = stub.requests();
    REQUIRE(sent.size() == 3);
    CHECK(sent[0].target == "/v1/executions/batch");
    CHECK(sent[0].idempotency_key == "nightly/0");
    CHECK(sent[2].idempotency_key == "nightly/2");
    CHECK(json_of(sent[2].body).at("executions").as_array().size() == 500);
    CHECK(json_of(run_against(stub, {"submit", "noop", "--count", "3", "--format", "json"}).out).at("executions").as_array().size() == 3);
}

TEST_CASE("a kept connection that the server has closed is replaced, and a submission sent once more with its key", "[unit][cli]")
{
    int answered = 0;
    stub_http stub([&answered](const stub_request& request) {
        ++answered;
        // The second batch is read, and the connection dies without an answer.
        if (answered == 2) return stub_reply{.silent = true};
        return accepted_batch(request);
    });
    const ended e = run_against(stub, {"submit", "noop", "--count", "2000", "--quiet"});
    CHECK(e.code == 0);
    const auto sent = stub.requests();
    REQUIRE(sent.size() == 3);
    CHECK(sent[1].idempotency_key == sent[2].idempotency_key);
    CHECK(stub.connections() == 2);
}

TEST_CASE("a list follows its pages up to the limit", "[unit][cli]")
{
    stub_http stub([](const stub_request& request) {
        const bool first = !contains(request.target, "cursor=");
        const boost::json::array items(first ? 1000 : 500, boost::json::object{{"execution_id", id}});
        return stub_reply{.body = rowlock::to_text(boost::json::object{{"items", items}, {"next_cursor", first ? boost::json::value("a/b") : boost::json::value(nullptr)}})};
    });
    const ended e = run_against(stub, {"execution", "list", "--limit", "1500", "--job", "ingest", "--status", "failed", "--status", "TIMEOUT", "--tag", "a=b", "--format", "json"});
    CHECK(e.code == 0);
    CHECK(json_of(e.out).at("items").as_array().size() == 1500);
    const auto sent = stub.requests();
    REQUIRE(sent.size() == 2);
    CHECK(sent[0].target == "/v1/executions?job_id=ingest&status=FAILED&status=TIMEOUT&tag=a%3Ab&limit=1000");
    CHECK(sent[1].target == "/v1/executions?job_id=ingest&status=FAILED&status=TIMEOUT&tag=a%3Ab&limit=500&cursor=a%2Fb");
}

TEST_CASE("an execution list is a table of ids, jobs, states, attempts, times and durations", "[unit][cli]")
{
    stub_http stub([](const stub_request&) { return stub_reply{.body = R"({"items":[)" + execution_json(id, "COMPLETED", 2) + R"(],"next_cursor":null})"}; });
    CHECK(run_against(stub, {"execution", "list"}).out == "ID                                    JOB     STATUS     ATTEMPT  QUEUED (UTC)         DURATION\n" + std::string{id} +
                                                              "  ingest  COMPLETED        2  2026-01-31 09:30:00     1.50s\n");
}

TEST_CASE("a log comes out byte by byte as it is", "[unit][cli]")
{
    stub_http stub([](const stub_request& request) {
        if (contains(request.target, "unknown")) return problem(404, "NOT_FOUND");
        return stub_reply{.body = "line\n\x1b[1mbold\n", .content_type = "text/plain"};
    });
    CHECK(run_against(stub, {"execution", "log", id, "--follow"}).out == "line\n\x1b[1mbold\n");
    CHECK(stub.requests().back().target == std::string{"/v1/executions/"} + id + "/log?follow=true");
    const ended e = run_against(stub, {"execution", "log", "unknown"});
    CHECK(e.code == 3);
    CHECK(e.out.empty());
}

TEST_CASE("run applies, submits, follows the logs of all attempts, and ends with the run", "[unit][cli]")
{
    const scratch_folder folder;
    const std::string file = write_file(folder, "job.yaml", "job_id: ingest\nhandler: {type: noop}\n");
    stub_http stub([](const stub_request& request) {
        if (request.target == "/v1/jobs/apply") return stub_reply{.body = R"({"dry_run":false,"jobs":[{"job_id":"ingest","outcome":"created","version":1,"diff":[],"warnings":[]}]})"};
        if (request.method == "POST") return stub_reply{.status = 201, .body = execution_json(id, "QUEUED", 1)};
        if (contains(request.target, "/log")) return stub_reply{.body = contains(request.target, second_id) ? "second try\n" : "first try\n", .content_type = "text/plain"};
        return stub_reply{.body = execution_json(second_id, "COMPLETED", 2)};
    });
    const ended e = run_against(stub, {"run", file, "-p", "n=1", "--format", "json"});
    CHECK(e.code == 0);
    CHECK(json_of(e.out).at("execution_id") == second_id);
    CHECK(e.err == "ingest created, version 1\nexecution " + std::string{id} + "\nfirst try\nsecond try\nCOMPLETED in 1.50s\n");
}

TEST_CASE("watch shows each change once and ends with the run", "[unit][cli]")
{
    int looks = 0;
    stub_http stub([&looks](const stub_request& request) {
        if (contains(request.target, "/wait")) {
            ++looks;
            return stub_reply{.body = execution_json(id, looks == 1 ? "RUNNING" : "FAILED", 1)};
        }
        const std::string queued = R"({"at":"2026-01-31T09:30:00.000000Z","from_status":null,"to_status":"QUEUED","actor":"a","fence":null,"reason":null})";
        const std::string failed = R"({"at":"2026-01-31T09:30:01.000000Z","from_status":"RUNNING","to_status":"FAILED","actor":"a","fence":1,"reason":"EXIT_1"})";
        return stub_reply{.body = R"({"items":[)" + queued + (looks == 1 ? "" : "," + failed) + R"(],"next_cursor":null})"};
    });
    const ended e = run_against(stub, {"execution", "watch", id});
    CHECK(e.code == 1);
    CHECK(e.out == "2026-01-31 09:30:00  QUEUED\n2026-01-31 09:30:01  RUNNING -> FAILED  (EXIT_1)\nFAILED in 1.50s\n");
}

TEST_CASE("token create prints the token alone", "[unit][cli]")
{
    stub_http stub([](const stub_request&) { return stub_reply{.status = 201, .body = R"({"token_id":"t1","token":"rl_x"})"}; });
    const ended e = run_against(stub, {"token", "create", "--role", "operator", "--tenant", "acme", "--name", "ci"});
    CHECK(e.code == 0);
    CHECK(e.out == "rl_x\n");
    CHECK(json_of(stub.requests().front().body) == json_of(R"({"role":"operator","tenant_id":"acme","name":"ci"})"));
    CHECK(run_line({"token", "create", "--role", "admin", "--database", "postgresql://127.0.0.1:1/x"}).code == 4);
}

TEST_CASE("doctor is 0 for a healthy server and 1 with a remedy for any other", "[unit][cli]")
{
    bool ready = true;
    stub_http stub([&ready](const stub_request& request) {
        if (request.target == "/readyz" && !ready) return problem(503, "DATABASE_UNAVAILABLE");
        if (request.target.starts_with("/v1/instances")) return stub_reply{.body = R"({"items":[{"instance_id":1,"version":")" ROWLOCK_VERSION R"("}],"next_cursor":null})"};
        return stub_reply{.body = R"({"overall_status":"HEALTHY","detail":null})"};
    });
    CHECK(run_against(stub, {"doctor"}).code == 0);
    ready = false;
    const ended e = run_against(stub, {"doctor", "--format", "json"});
    CHECK(e.code == 1);
    CHECK(json_of(e.out).at("healthy") == false);
    CHECK(json_of(e.out).at("findings").at(1).at("severity") == "problem");

    for (const auto& [status, asks_for_a_token] : {std::pair{401, true}, std::pair{403, false}, std::pair{500, false}, std::pair{503, false}}) {
        CAPTURE(status);
        stub_http refusing([status = status](const stub_request& request) { return request.target == "/v1/health" ? problem(status, "REFUSED") : stub_reply{}; });
        const ended refused = run_against(refusing, {"doctor", "--format", "json"});
        CHECK(refused.code == 1);
        CHECK(contains(refused.out, "Give a token") == asks_for_a_token);
    }

    const ended away = run_line({"doctor", "--database", "postgresql://127.0.0.1:1/x"});
    CHECK(away.code == 1);
    CHECK(contains(away.out, "database.reachable"));
    CHECK_FALSE(contains(away.out, "server."));
}

TEST_CASE("the artifacts of an execution, or of its run, are listed", "[unit][cli]")
{
    const stub_http stub([](const stub_request&) {
        return stub_reply{.body = R"({"items":[{"name":"report.csv","sha256":"ab12","size_bytes":2048,"execution_id":")" + std::string(second_id) +
                                  R"(","created_time":"2026-01-31T09:30:00Z"}],"next_cursor":null})"};
    });
    const ended e = run_against(stub, {"execution", "artifacts", second_id});
    INFO(e.err);
    CHECK(e.code == 0);
    CHECK(contains(e.out, "report.csv"));
    CHECK(contains(e.out, "2048"));
    CHECK(contains(e.out, "2026-01-31 09:30:00"));
    CHECK(stub.requests().back().target.starts_with(std::string("/v1/executions/") + second_id + "/artifacts"));
    const ended of_run = run_against(stub, {"execution", "artifacts", id, "--run", "--format", "json"});
    CHECK(json_of(of_run.out).at("items").at(0).at("sha256") == "ab12");
    CHECK(stub.requests().back().target.starts_with(std::string("/v1/runs/") + id + "/artifacts"));
}
