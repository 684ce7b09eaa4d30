#include "tests/support/module_server.hpp"
#include "tests/support/server_process.hpp"
#include "tests/support/signed_report.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <filesystem>

using namespace rowlock::test;
namespace json = boost::json;
namespace fs = std::filesystem;

namespace {

// The examples as they are shipped, applied as a user does.
server_process& with_modules()
{
    auto& server = open_server();
    const fs::path examples = fs::path(__FILE__).parent_path() / "../../ops/examples";
    std::vector<std::string> arguments{"job", "apply"};
    for (const char* name : {"module-alpha.yaml", "module-beta.yaml", "module-gamma.yaml"}) arguments.push_back((examples / name).string());
    arguments.insert(arguments.end(), {"--url", server.url()});
    const auto applied = run_rowlock(arguments);
    INFO(applied.err);
    REQUIRE(applied.code == 0);
    return server;
}

json::object at(const module_server& modules)
{
    const int port = std::stoi(modules.port());
    return {{"alpha_port", port}, {"beta_port", port}, {"gamma_port", port}, {"epsilon_port", port}};
}

}

TEST_CASE("Module Alpha is sent an IngestionJobRequest and polled until the batch is in", "[e2e][http][modules]")
{
    module_server modules;
    auto& server = with_modules();
    const auto end = server.run("alpha-ingest", at(modules));
    INFO(end);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at_pointer("/result/records_processed") == 100);
    CHECK(end.at_pointer("/result/outputs/validation/passed") == true);
    CHECK(end.at_pointer("/result/outputs/records_ingested") == 100);

    const auto started = modules.requests("POST", "/v1/ingestion-jobs");
    REQUIRE(started.size() == 1);
    const auto request = json::parse(started[0].body);
    CHECK(request.at("request") == "IngestionJobRequest");
    CHECK(request.at_pointer("/source/connector") == "s3");
    CHECK(request.at_pointer("/batch/size") == 5000);
    CHECK(request.at_pointer("/execution_context/execution_id") == end.at("execution_id"));
    CHECK(request.at_pointer("/execution_context/attempt_number") == 1);
    CHECK(modules.requests("GET", "/v1/ingestion-jobs/in-1").size() == 3);
}

TEST_CASE("a batch of Module Alpha that fails, or does not stand up to validation, has failed", "[e2e][http][modules]")
{
    module_server modules;
    auto& server = with_modules();
    modules.alpha_fails = true;
    const auto gone = server.run("alpha-ingest", at(modules));
    CHECK(gone.at("status") == "FAILED");
    CHECK(gone.at("attempt_number") == 1);
    CHECK(gone.at_pointer("/result/error_code") == "SOURCE_NOT_FOUND");
    CHECK(gone.at_pointer("/result/error_message") == "there is no bucket landing");
    CHECK_FALSE(gone.at_pointer("/result/outputs/errors").as_array().empty());
}

TEST_CASE("Module Beta is called with a warm cache, and reports by itself", "[e2e][http][modules]")
{
    module_server modules;
    auto& server = with_modules();
    const auto id = server.submit("beta-transform", at(modules));
    eventually("Beta is called", [&] { return modules.requests("POST", "/v1/transformation-jobs").size() == 1; });
    CHECK(modules.requests("POST", "/v1/caches/orders-v3/warm-up").size() == 1);
    CHECK(json::parse(modules.requests("POST", "/v1/caches/orders-v3/warm-up")[0].body).at_pointer("/expected_keys/0") == "customer");
    const auto request = json::parse(modules.requests("POST", "/v1/transformation-jobs")[0].body);
    CHECK(request.at("request") == "TransformationJobRequest");
    CHECK(request.at("transformation_profile") == "orders-v3");
    CHECK(request.at_pointer("/output/format") == "parquet");
    const callback to{text_at(request, "/callback/url"), text_at(request, "/callback/secret")};
    CHECK(report(to, {{"status", "RUNNING"}, {"progress", 0.5}}).status == 202);
    CHECK(report(to, {{"status", "COMPLETED"}, {"records_processed", 90}, {"records_failed", 10}, {"metrics", {{"quality_score", 0.97}}}, {"outputs", {{"path", "curated/orders/1"}}}}).status == 202);
    const auto end = server.ended(id);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at_pointer("/result/metrics/quality_score") == 0.97);
    CHECK(end.at_pointer("/result/records_failed") == 10);
    CHECK(end.at_pointer("/result/outputs/path") == "curated/orders/1");
    const auto released = modules.requests("POST", "/v1/caches/orders-v3/release");
    REQUIRE(released.size() == 1);
    CHECK(json::parse(released[0].body).at("status") == "COMPLETED");
}

TEST_CASE("poor quality ends a transformation at once, and a cold cache lets none begin", "[e2e][http][modules]")
{
    module_server modules;
    auto& server = with_modules();
    const auto id = server.submit("beta-transform", at(modules));
    eventually("Beta is called", [&] { return modules.requests("POST", "/v1/transformation-jobs").size() == 1; });
    const auto request = json::parse(modules.requests("POST", "/v1/transformation-jobs")[0].body);
    CHECK(report({text_at(request, "/callback/url"), text_at(request, "/callback/secret")}, {{"status", "FAILED"}, {"error_code", "QUALITY_BELOW_THRESHOLD"}, {"metrics", {{"quality_score", 0.2}}}}).status == 202);
    const auto end = server.ended(id);
    CHECK(end.at_pointer("/result/error_code") == "QUALITY_BELOW_THRESHOLD");
    CHECK(end.at_pointer("/result/metrics/quality_score") == 0.2);
    CHECK(end.at("attempt_number") == 1);

    modules.epsilon_status = 503;
    const auto cold = server.submit("beta-transform", at(modules));
    server.await_status(cold, "FAILED");
    CHECK(server.execution(cold).at_pointer("/result/error_code") == "HOOK_FAILED");
    CHECK(modules.requests("POST", "/v1/transformation-jobs").size() == 1);
    server.post("/v1/executions/" + text_at(server.get("/v1/runs/" + cold).json(), "/attempts/1/execution_id") + "/cancel", json::object{});
}

TEST_CASE("Module Gamma's deliveries are retried, and a Gamma that is busy is given time", "[e2e][http][modules]")
{
    module_server modules;
    modules.gamma_busy = 2;
    modules.gamma_refusals = 1;
    auto& server = with_modules();
    const auto end = server.run("gamma-deliver", at(modules));
    INFO(end);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at("attempt_number") == 2);
    CHECK(end.at_pointer("/result/outputs/delivery/acknowledged") == 100);
    const auto run = server.get("/v1/runs/" + text_at(end, "/run_id")).json();
    CHECK(run.at_pointer("/attempts/0/result/error_code") == "CONNECTION_RESET");
    CHECK(json::parse(modules.requests("POST", "/v1/output-jobs")[0].body).at("request") == "OutputJobRequest");
}

TEST_CASE("Module Gamma's progress is shown, and a delivery that is cancelled is told so", "[e2e][http][modules]")
{
    module_server modules;
    modules.gamma_stands_still = true;
    auto& server = with_modules();
    const auto id = server.submit("gamma-deliver", at(modules));
    eventually("the progress is shown", [&] {
        const auto now = server.execution(id);
        return now.at("progress").is_double() && now.at("progress").get_double() > 0.3;
    });
    CHECK(server.post("/v1/executions/" + id + "/cancel", json::object{}).status == 202);
    const auto end = server.ended(id);
    CHECK(end.at("status") == "CANCELLED");
    CHECK(end.at_pointer("/result/termination") == "GRACEFUL");
    CHECK(modules.requests("POST", "/v1/output-jobs/out-1/cancel").size() == 1);
}
