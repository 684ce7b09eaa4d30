#include "ops/dev_postgres.hpp"
#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <csignal>
#include <set>
#include <sstream>

using namespace rowlock::test;
using namespace std::chrono_literals;
namespace json = boost::json;

TEST_CASE("a healthy server says so", "[e2e][operating]")
{
    auto& server = open_server();
    CHECK(server.get("/healthz").status == 200);
    CHECK(server.get("/readyz").status == 200);
    const auto health = server.get("/v1/health");
    CHECK(health.status == 200);
    CHECK(health.json().is_object());
    const auto instances = server.get("/v1/instances").json();
    CHECK(instances.at("items").as_array().size() >= 1);
    CHECK(instances.at_pointer("/items/0/instance_id").is_number());
    const auto page = server.get("/");
    CHECK(page.status == 200);
}

TEST_CASE("the metrics are Prometheus text and count what happens", "[e2e][operating]")
{
    auto& server = open_server();
    const auto value_sum = [&] {
        const auto reply = server.get("/metrics");
        REQUIRE(reply.status == 200);
        CHECK(reply.field("Content-Type").find("text/plain") == 0);
        double sum = 0;
        std::istringstream lines(reply.body);
        for (std::string line; std::getline(lines, line);) {
            if (line.empty() || line[0] == '#') continue;
            const auto blank = line.rfind(' ');
            REQUIRE(blank != std::string::npos);
            const double value = std::stod(line.substr(blank + 1));
            if (line.find("submitted") != std::string::npos) sum += value;
        }
        CHECK(reply.body.find("# TYPE ") != std::string::npos);
        CHECK(reply.body.find("# HELP ") != std::string::npos);
        return sum;
    };
    server.define("counted", {{"type", "noop"}});
    const auto before = value_sum();
    server.run("counted");
    CHECK(value_sum() >= before + 1);
}

TEST_CASE("openapi.json names every route of the contract that there is", "[e2e][operating]")
{
    const auto reply = open_server().get("/v1/openapi.json");
    REQUIRE(reply.status == 200);
    CHECK(reply.field("Content-Type").find("json") != std::string::npos);
    const auto document = reply.json();
    CHECK(text_at(document, "/openapi").rfind("3.1", 0) == 0);
    const auto& paths = document.at("paths").as_object();
    struct row {
        const char* path;
        std::vector<const char*> methods;
    };
    const std::vector<row> rows{{"/v1/executions", {"get", "post"}}, {"/v1/executions/batch", {"post"}}, {"/v1/executions/{id}", {"get"}}, {"/v1/executions/{id}/wait", {"get"}},
                                {"/v1/executions/{id}/log", {"get"}}, {"/v1/executions/{id}/checkpoints", {"get"}}, {"/v1/executions/{id}/checkpoints/{n}", {"get"}},
                                {"/v1/executions/{id}/transitions", {"get"}}, {"/v1/executions/{id}/cancel", {"post"}}, {"/v1/runs/{run_id}", {"get"}}, {"/v1/jobs", {"get"}},
                                {"/v1/jobs/{job_id}", {"get", "put"}}, {"/v1/jobs/{job_id}/versions", {"get"}}, {"/v1/jobs/{job_id}/enable", {"post"}},
                                {"/v1/jobs/{job_id}/disable", {"post"}}, {"/v1/instances", {"get"}}, {"/v1/tokens", {"get", "post"}}, {"/healthz", {"get"}}, {"/readyz", {"get"}},
                                {"/v1/health", {"get"}}, {"/metrics", {"get"}}, {"/v1/openapi.json", {"get"}}};
    for (const auto& r : rows) {
        INFO(r.path);
        REQUIRE(paths.contains(r.path));
        for (const char* method : r.methods) CHECK(paths.at(r.path).as_object().contains(method));
    }
}

TEST_CASE("while the database is away the server is alive, not ready, refuses with Retry-After, and goes on by itself", "[e2e][operating]")
{
    const scratch_folder folder;
    auto cluster = rowlock::ops::dev_postgres::start({.data_dir = folder.path() / "data", .settings = {{"fsync", "off"}}});
    REQUIRE(cluster.has_value());
    server_process server({"serve", "--auth", "none", "--database", cluster->url()});
    server.define("away", {{"type", "noop"}});
    server.define("away-long", {{"type", "sleep"}, {"seconds", 2}});
    const auto running = server.submit("away-long");
    server.await_status(running, "RUNNING");

    const auto postmaster = std::stoi(text_of_file(folder.path() / "data" / "pg" / "postmaster.pid"));
    ::kill(postmaster, SIGINT);
    eventually("the database has stopped", [&] { return !cluster->running(); });
    eventually("the server is not ready", [&] { return server.get("/readyz").status == 503; });
    CHECK_FALSE(server.get("/readyz").field("Retry-After").empty());
    CHECK(server.get("/healthz").status == 200);
    const auto refused = server.post("/v1/executions", {{"job_id", "away"}});
    INFO(refused.body);
    CHECK(refused.status == 503);
    CHECK_FALSE(refused.field("Retry-After").empty());
    CHECK(refused.field("Content-Type").find("application/problem+json") == 0);
    CHECK(server.get("/v1/executions/" + running).status == 503);

    REQUIRE(cluster->ensure_running().has_value());
    eventually("the server is ready again", [&] { return server.get("/readyz").status == 200; });
    // What ran has gone on, and counts once.
    const auto end = server.ended(running);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at("attempt_number") == 1);
    CHECK(server.run("away").at("status") == "COMPLETED");
    const int code = server.terminate();
    INFO(server.process().told());
    CHECK(code == 0);
    cluster->stop();
}

TEST_CASE("servers end with 2 where the port is taken and 4 where the database is not there", "[e2e][operating]")
{
    const auto taken = run_rowlock({"serve", "--auth", "none", "--database", open_server_database(), "--listen", open_server().address()});
    INFO(taken.err);
    CHECK(taken.code == 2);
    CHECK(taken.err.find(open_server().address()) != std::string::npos);
    CHECK(taken.out.find("listening") == std::string::npos);
    const auto nowhere = run_rowlock({"serve", "--auth", "none", "--database", "postgresql://rowlock@127.0.0.1:1/rowlock", "--listen", "127.0.0.1:0"});
    INFO(nowhere.err);
    CHECK(nowhere.code == 4);
    CHECK_FALSE(nowhere.err.empty());
    CHECK(run_rowlock({"serve", "--listen", "127.0.0.1:0"}).code == 2);
    CHECK(run_rowlock({"serve", "--database", open_server_database(), "--listen", "nonsense"}).code == 2);
}

TEST_CASE("twenty migrations at once of an empty database are one", "[e2e][operating]")
{
    const test_database database("template0");
    const auto dry = run_rowlock({"migrate", "--database", database.url(), "--dry-run"});
    CHECK(dry.code == 0);
    CHECK_FALSE(dry.out.empty());
    std::vector<std::unique_ptr<program>> all;
    for (int i = 0; i < 20; ++i) all.push_back(std::make_unique<program>(std::vector<std::string>{"migrate", "--database", database.url()}));
    for (auto& one : all) {
        const auto code = one->wait();
        INFO(one->told());
        CHECK(code == 0);
    }
    const auto done = run_rowlock({"migrate", "--database", database.url(), "--dry-run"});
    CHECK(done.code == 0);
    CHECK(done.out.empty());
}
