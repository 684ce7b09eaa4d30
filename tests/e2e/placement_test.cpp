#include "tests/support/database_rows.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <set>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

std::vector<std::string> serving(const test_database& database)
{
    return {"serve", "--auth", "none", "--database", database.url()};
}

environment_map with(environment_map more)
{
    auto out = any_program();
    out.merge(more);
    return out;
}

// Ends by itself only when the file is there.
json::object gated(const std::string& gate)
{
    return {{"type", "process"}, {"command", json::array{"/bin/sh", "-c", "while ! test -e " + gate + "; do sleep 0.05; done"}}, {"grace_seconds", 0}};
}

json::object placed(const json::object& labels)
{
    return {{"placement", {{"labels", labels}}}};
}

json::value instance_of(const server_process& server)
{
    const auto all = server.get("/v1/instances").json();
    for (const auto& one : all.at("items").as_array()) {
        if (one.at("address") == server.address().c_str()) return one;
    }
    throw std::runtime_error("no instance has the address " + server.address());
}

std::size_t running(const server_process& server, const std::string& job)
{
    return server.get("/v1/executions?limit=1000&status=RUNNING&job_id=" + job).json().at("items").as_array().size();
}

json::value put(const server_process& server, const std::string& job, const json::object& more)
{
    json::object body{{"handler", {{"type", "noop"}}}};
    for (const auto& member : more) body[member.key()] = member.value();
    const auto reply = server.put("/v1/jobs/" + job, body);
    INFO(reply.body);
    REQUIRE(reply.status < 300);
    return reply.json();
}

}

TEST_CASE("a job with a placement runs only on instances with its labels, wherever it is submitted", "[e2e][placement]")
{
    const test_database database;
    server_process plain(serving(database));
    server_process eu(serving(database), {{"ROWLOCK_INSTANCE_LABELS", "region=eu, rack=7"}});
    CHECK(instance_of(eu).at("labels") == json::object{{"region", "eu"}, {"rack", "7"}});
    CHECK(put(plain, "eu", {{"placement", {{"region", "eu"}}}}).at("warnings").as_array().empty());
    put(plain, "anywhere", {});
    for (int i = 0; i < 5; ++i) {
        CHECK(plain.run("eu").at("instance_id") == instance_of(eu).at("instance_id"));
        CHECK(eu.run("eu").at("instance_id") == instance_of(eu).at("instance_id"));
        CHECK(plain.run("anywhere").at("status") == "COMPLETED");
    }

    const auto warned = put(plain, "gpu", placed({{"region", "eu"}, {"gpu", "true"}}));
    INFO(warned);
    REQUIRE(warned.at("warnings").as_array().size() == 1);
    CHECK(std::string(warned.at("warnings").at(0).as_string()).find("gpu=true, region=eu") != std::string::npos);
    const auto id = plain.submit("gpu");
    const auto waiting = eu.execution(id).at("waiting_on");
    INFO(waiting);
    CHECK(waiting.at("rule") == "capacity");
    CHECK(waiting.at("labels") == json::object{{"region", "eu"}, {"gpu", "true"}});
    CHECK(waiting.at("instances") == 2);
    CHECK(waiting.at("matching") == 0);
    CHECK(eu.get("/v1/executions/" + id + "/explain").json().at_pointer("/blocked_by/0/rule") == "capacity");
    // What waits is in nobody's way.
    CHECK(plain.run("anywhere").at("status") == "COMPLETED");
    server_process gpu(serving(database), {{"ROWLOCK_INSTANCE_LABELS", "region=eu,gpu=true"}});
    CHECK(plain.ended(id).at("instance_id") == instance_of(gpu).at("instance_id"));

    // A new version moves what waits, too.
    put(plain, "gpu", placed({{"region", "us"}}));
    const auto moved = plain.submit("gpu");
    CHECK(plain.status_of(moved) == "QUEUED");
    put(plain, "gpu", {});
    CHECK(plain.ended(moved).at("status") == "COMPLETED");
    CHECK(violations_at(database.url()) == std::vector<std::string>{});
}

TEST_CASE("a placement that makes no sense is refused, all of it at once", "[e2e][placement]")
{
    auto& server = open_server();
    const auto refused = server.put("/v1/jobs/misplaced", {{"handler", {{"type", "noop"}}},
                                                           {"placement", {{"region", "eu"}, {"zone", "a"}, {"labels", {{"region", "us"}, {"Bad", "x"}, {"n", 7}, {"long", std::string(129, 'a')}, {"comma", "a,b"}}}}}});
    INFO(refused.body);
    CHECK(refused.status == 422);
    std::set<std::string> fields;
    const auto body = refused.json();
    for (const auto& one : body.at("errors").as_array()) fields.insert(text_at(one, "/field"));
    CHECK(fields == std::set<std::string>{"placement.region", "placement.zone", "placement.labels.Bad", "placement.labels.n", "placement.labels.long", "placement.labels.comma"});
    CHECK(put(server, "flat", {{"region", "eu"}}).at_pointer("/placement/region") == "eu");
}

TEST_CASE("an instance runs no more of a type of handler than it is set to, and the rest beside", "[e2e][placement]")
{
    const test_database database;
    const scratch_folder folder;
    const auto gate = (folder.path() / "gate").string();
    server_process server(serving(database), with({{"ROWLOCK_EXECUTOR_PARALLELISM_BY_HANDLER", "process=2,sql=0"}}));
    server.define("programs", gated(gate));
    server.define("quick", {{"type", "sleep"}, {"seconds", 0.01}});
    std::vector<std::string> ids;
    for (int i = 0; i < 6; ++i) ids.push_back(server.submit("programs"));
    eventually("two run", [&] { return running(server, "programs") == 2; });
    for (int i = 0; i < 10; ++i) CHECK(server.run("quick").at("status") == "COMPLETED");
    CHECK(running(server, "programs") == 2);
    const auto shown = instance_of(server);
    INFO(shown);
    CHECK(shown.at_pointer("/parallelism_by_handler/process/max_running") == 2);
    CHECK(shown.at_pointer("/parallelism_by_handler/process/in_use") == 2);
    CHECK_FALSE(shown.at("parallelism_by_handler").as_object().contains("sql"));
    const auto told = server.get("/v1/executions/" + ids[5] + "/explain").json();
    INFO(told);
    CHECK(told.at_pointer("/blocked_by/0/rule") == "capacity");
    CHECK(told.at_pointer("/blocked_by/0/instance_limits/0/limit") == "handler process");
    CHECK(told.at_pointer("/blocked_by/0/instance_limits/0/max_running") == 2);

    // Another instance, without that limit, runs the rest.
    server_process other(serving(database), any_program());
    eventually("all run", [&] { return running(server, "programs") == 6; });
    CHECK(instance_of(server).at("running") == 2);
    write_file(gate, "open");
    for (const auto& id : ids) CHECK(server.ended(id).at("status") == "COMPLETED");
    CHECK(instance_of(server).at_pointer("/parallelism_by_handler/process/in_use") == 0);
    CHECK(violations_at(database.url()) == std::vector<std::string>{});
    CHECK(other.terminate() == 0);
    CHECK(server.terminate() == 0);
    CHECK(rows_at(database.url(), "select count(*) from limits")[0][0].as<int>() == 0);
}

TEST_CASE("what executions ask for is admitted against what each instance has", "[e2e][placement]")
{
    const test_database database;
    const scratch_folder folder;
    const auto gate = (folder.path() / "gate").string();
    const environment_map small{{"ROWLOCK_INSTANCE_CPU_CORES", "2"}, {"ROWLOCK_INSTANCE_MEMORY_MB", "1000"}};
    server_process first(serving(database), with(small));
    server_process second(serving(database), with(small));
    first.define("fat", gated(gate), {{"resources", {{"cpu_cores", 1.5}, {"memory_mb", 100}}}});
    std::vector<std::string> ids;
    for (int i = 0; i < 4; ++i) ids.push_back(first.submit("fat"));
    eventually("one runs on each", [&] { return running(first, "fat") == 2; });
    for (const auto* each : {&first, &second}) {
        const auto shown = instance_of(*each);
        INFO(shown);
        CHECK(shown.at_pointer("/capacity/cpu_cores/capacity") == 2);
        CHECK(shown.at_pointer("/capacity/cpu_cores/in_use") == 1.5);
        CHECK(shown.at_pointer("/capacity/memory_mb/in_use") == 100);
    }
    const auto told = first.get("/v1/executions/" + ids[3] + "/explain").json();
    INFO(told);
    CHECK(told.at_pointer("/blocked_by/0/instance_limits").as_array().size() == 2);
    CHECK(told.at_pointer("/blocked_by/0/instance_limits/0/limit") == "cpu_cores");
    CHECK(put(first, "too-fat", {{"resources", {{"cpu_cores", 3}}}}).at("warnings").as_array().size() == 1);
    CHECK(put(first, "fits", {{"resources", {{"cpu_cores", 2}}}}).at("warnings").as_array().empty());
    write_file(gate, "open");
    for (const auto& id : ids) CHECK(first.ended(id).at("status") == "COMPLETED");
    CHECK(violations_at(database.url()) == std::vector<std::string>{});
    CHECK(first.terminate() == 0);
    CHECK(second.terminate() == 0);
}

TEST_CASE("the settings of an instance are checked when it starts", "[e2e][placement]")
{
    const auto refused = run_rowlock({"config"}, {{"ROWLOCK_INSTANCE_LABELS", "region"},
                                                  {"ROWLOCK_EXECUTOR_PARALLELISM_BY_HANDLER", "proces=4"},
                                                  {"ROWLOCK_INSTANCE_CPU_CORES", "-1"}});
    INFO(refused.err);
    CHECK(refused.code == 2);
    for (const char* name : {"INSTANCE_LABELS", "EXECUTOR_PARALLELISM_BY_HANDLER", "INSTANCE_CPU_CORES"}) CHECK(refused.err.find(name) != std::string::npos);
    const auto shown = run_rowlock({"config", "--format", "json"}, {{"ROWLOCK_INSTANCE_LABELS", "region=eu,gpu=true"}, {"ROWLOCK_EXECUTOR_PARALLELISM_BY_HANDLER", "process=4"}});
    INFO(shown.out << shown.err);
    REQUIRE(shown.code == 0);
    json::object values;
    const auto all = json::parse(shown.out);
    for (const auto& one : all.as_array()) values[one.at("name").as_string()] = one.at("value");
    CHECK(values.at("INSTANCE_LABELS") == json::object{{"region", "eu"}, {"gpu", "true"}});
    CHECK(values.at("EXECUTOR_PARALLELISM_BY_HANDLER") == json::object{{"process", 4}});
}
