#include "tests/support/server_process.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

using namespace rowlock::test;
namespace json = boost::json;

TEST_CASE("bench measures every scenario on a server that wants a token", "[e2e][bench]")
{
    const test_database database;
    server_process server({"serve", "--database", database.url()}, {{"ROWLOCK_HTTP_ALLOW_PRIVATE_ADDRESSES", "true"}, {"ROWLOCK_EXECUTOR_PARALLELISM", "10"}});
    const environment_map environment{{"ROWLOCK_URL", server.url()}, {"ROWLOCK_TOKEN", make_admin_token(database.url())}};
    const std::vector<std::string> short_run{"bench", "--seconds", "1", "--connections", "4", "--batch", "50", "--frame", "5", "--in-flight", "10", "--drain", "500",
                                             "--rate", "50", "--sleeps", "10", "--plan-nodes", "40", "--chain", "5", "--items", "100", "--schedules", "50", "--database", database.url(), "--format", "json"};
    const auto measured = run_rowlock(short_run, environment);
    INFO(measured.err);
    REQUIRE(measured.code == 0);
    const json::value all = json::parse(measured.out);
    std::vector<std::string> names;
    for (const json::value& one : all.as_array()) {
        CAPTURE(json::serialize(one));
        names.push_back(text_at(one, "/scenario"));
        if (names.back() == "idle") {
            CHECK(one.at("statements_per_s").to_number<double>() >= 0);
            continue;
        }
        CHECK(one.at("server_MB").to_number<double>() > 0);
        if (names.back() == "sleep") {
            CHECK(one.at("running").to_number<double>() == 10);
            CHECK_FALSE(one.as_object().contains("remark"));
            continue;
        }
        CHECK(one.at("jobs").to_number<double>() > 0);
        CHECK(one.at("WAL_bytes_per_job").to_number<double>() > 0);
        CHECK_FALSE(one.as_object().contains("refused"));
    }
    CHECK(names == std::vector<std::string>{"idle", "submit", "batch", "sql", "sql-many", "stream", "events", "drain", "latency", "sleep", "plan", "chain", "fan-out", "firing"});
    const auto jobs = [&](const char* job_id) {
        const auto listed = server.get(std::string("/v1/executions?limit=1&job_id=") + job_id, {{"Authorization", "Bearer " + environment.at("ROWLOCK_TOKEN")}});
        return listed.json().at("items").as_array().size();
    };
    CHECK(jobs("load-noop") == 1);
    CHECK(jobs("load-call") == 1);
    CHECK(jobs("load-sleep") == 1);

    const auto table = run_rowlock({"bench", "submit", "batch", "--seconds", "1", "--stored", "--connections", "2"}, environment);
    INFO(table.out << table.err);
    CHECK(table.code == 0);
    CHECK(table.out.find("submit") != std::string::npos);
    CHECK(table.out.find("accepted/s") != std::string::npos);
    CHECK(table.out.find("ended/s") == std::string::npos);

    for (int again = 0; again < 2; ++again) {
        const auto beside = run_rowlock({"bench", "idle", "firing", "--seconds", "1", "--schedules", "20", "--resting", "300", "--database", database.url()}, environment);
        INFO(beside.out << beside.err);
        CHECK(beside.code == 0);
        CHECK(beside.err.find("beside 300 schedules that rest") != std::string::npos);
        const auto rests = server.get("/v1/schedules/load-rests-299", {{"Authorization", "Bearer " + environment.at("ROWLOCK_TOKEN")}}).json();
        CHECK(text_at(rests, "/state") == "ACTIVE");
        CHECK(text_at(rests, "/next_fire_time").starts_with("2"));
        CHECK(server.get("/v1/schedules/load-rests-300", {{"Authorization", "Bearer " + environment.at("ROWLOCK_TOKEN")}}).status == 404);
    }
    const auto blind = run_rowlock({"bench", "idle", "--resting", "10"}, environment);
    CHECK(blind.code != 0);
    CHECK(blind.err.find("--database") != std::string::npos);

    const auto stranger = run_rowlock({"bench", "submit"}, {{"ROWLOCK_URL", server.url()}});
    CHECK(stranger.code == 5);
    CHECK(stranger.out.empty());
    const auto nobody = run_rowlock({"bench", "submit", "--url", "http://127.0.0.1:1"});
    CHECK(nobody.code == 4);
    CHECK(nobody.err.find("127.0.0.1:1") != std::string::npos);
}
