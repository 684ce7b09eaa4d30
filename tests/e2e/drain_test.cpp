#include "tests/support/database_rows.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/guarded_server.hpp"
#include "tests/support/impatient_server.hpp"
#include "tests/support/server_process.hpp"

#include <atomic>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <thread>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

std::vector<std::string> serving(const test_database& database)
{
    return {"serve", "--auth", "none", "--database", database.url()};
}

json::value instance_of(const server_process& asks, const server_process& of)
{
    const auto all = asks.get("/v1/instances").json();
    for (const auto& one : all.at("items").as_array()) {
        if (one.at("address") == of.address().c_str()) return one;
    }
    throw std::runtime_error("no instance has the address " + of.address());
}

std::string path_of(const server_process& server)
{
    return "/v1/instances/" + std::to_string(instance_of(server, server).at("instance_id").as_int64());
}

std::string state_at(const server_process& asks, const std::string& path)
{
    return text_at(asks.get(path).json(), "/state");
}

json::value drain(const server_process& asks, const std::string& path, const json::object& body = {})
{
    const auto reply = asks.post(path + "/drain", body);
    INFO(reply.body);
    REQUIRE(reply.status == 200);
    return reply.json();
}

void await_ready(const server_process& server, int status)
{
    eventually("/readyz answers " + std::to_string(status), [&] { return server.get("/readyz").status == status; });
}

}

TEST_CASE("a drained instance starts nothing more, lets what runs go on, takes submissions for others, and can be resumed", "[e2e][drain]")
{
    const test_database database;
    const scratch_folder folder;
    const auto gate = (folder.path() / "gate").string();
    server_process first(serving(database), any_program());
    const auto path = path_of(first);
    first.define("long", gated_by(gate));
    first.define("short", {{"type", "sleep"}, {"seconds", 0.01}});
    const auto runs = first.submit("long");
    first.await_status(runs, "RUNNING");
    server_process second(serving(database), any_program());

    const auto drained = drain(second, path, {{"reason", "new kernel"}});
    CHECK(drained.at("state") == "DRAINING");
    CHECK(drained.at("running") == 1);
    CHECK(drained.at_pointer("/drain/reason") == "new kernel");
    CHECK(drained.at_pointer("/drain/by") == "local");
    await_ready(first, 503);
    const auto told = first.get("/readyz");
    CHECK(told.body.find("raining") != std::string::npos);
    CHECK(told.field("Retry-After") == "5");
    CHECK(first.get("/v1/health").json().at("overall_status") == "DEGRADED");
    CHECK(first.metric("rowlock_drained") == 1);
    CHECK(first.metric("rowlock_ready") == 0);
    CHECK(second.get("/readyz").status == 200);

    // It is accepted there, and done here.
    const auto other = instance_of(second, second).at("instance_id");
    for (int i = 0; i < 5; ++i) {
        const auto end = first.run("short");
        CHECK(end.at("status") == "COMPLETED");
        CHECK(end.at("instance_id") == other);
    }
    CHECK(first.status_of(runs) == "RUNNING");
    CHECK(drain(first, path).at("drain") == drained.at("drain"));
    write_file(gate, "open");
    CHECK(first.ended(runs).at("status") == "COMPLETED");
    eventually("nothing is left of it", [&] { return state_at(second, path) == "DRAINED"; });

    const auto resumed = first.post(path + "/resume", {{"reason", "done"}});
    CHECK(resumed.status == 200);
    CHECK(resumed.json().at("state") == "ALIVE");
    CHECK(resumed.json().at("drain").is_null());
    CHECK(first.get("/readyz").status == 200);
    drain(second, path_of(second));
    const auto back = second.run("short");
    CHECK(back.at("status") == "COMPLETED");
    CHECK(back.at("instance_id") == drained.at("instance_id"));
    CHECK(violations_at(database.url()) == std::vector<std::string>{});
    const auto actions = rows_at(database.url(), "select string_agg(action || ' ' || reason, ', ' order by at) from v_instance_actions");
    CHECK(std::string(actions[0][0].c_str()) == "DRAIN new kernel, RESUME done, DRAIN ");
    CHECK(first.terminate() == 0);
    CHECK(second.terminate() == 0);
}

TEST_CASE("where every instance is drained work waits, with the reason, and schedules fire nothing, until one is resumed", "[e2e][drain]")
{
    const test_database database;
    server_process only(serving(database));
    const auto path = path_of(only);
    only.define("waits", {{"type", "noop"}});
    only.define("ticks", {{"type", "noop"}}, {{"schedule", {{"schedule_type", "INTERVAL"}, {"interval_seconds", 1}}}});
    eventually("it ticks", [&] { return !only.get("/v1/executions?job_id=ticks").json().at("items").as_array().empty(); });
    CHECK(drain(only, path).at_pointer("/drain/reason") == "");
    eventually("what it had started has ended", [&] { return state_at(only, path) == "DRAINED"; });
    CHECK(only.get("/readyz").status == 503);
    const auto ticks = only.get("/v1/executions?job_id=ticks").json().at("items").as_array().size();
    const auto id = only.submit("waits");
    CHECK(only.status_of(id) == "QUEUED");
    CHECK(only.execution(id).at_pointer("/waiting_on/rule") == "capacity");
    CHECK(only.execution(id).at_pointer("/waiting_on/detail") == "every live instance is drained");
    outlast(std::chrono::seconds{3});
    CHECK(only.status_of(id) == "QUEUED");
    CHECK(only.get("/v1/executions?job_id=ticks").json().at("items").as_array().size() == ticks);
    CHECK(only.post(path + "/resume", json::object{}).status == 200);
    CHECK(only.ended(id).at("status") == "COMPLETED");
    eventually("it ticks again", [&] { return only.get("/v1/executions?job_id=ticks").json().at("items").as_array().size() > ticks; });
    CHECK(only.terminate() == 0);
}

TEST_CASE("once a drain is answered nothing starts there, however much is submitted and queued meanwhile", "[e2e][drain]")
{
    const test_database database;
    server_process first(serving(database));
    server_process second(serving(database));
    first.define("brief", {{"type", "sleep"}, {"seconds", 0.01}});
    const auto path = path_of(first);
    std::atomic<int> accepted{0};
    {
        std::vector<std::jthread> clients;
        for (const auto* at : {&first, &first, &second}) {
            clients.emplace_back([at, &accepted](const std::stop_token& over) {
                json::array batch;
                for (int i = 0; i < 30; ++i) batch.push_back(json::object{{"job_id", "brief"}});
                while (!over.stop_requested()) {
                    if (at->post("/v1/executions/batch", {{"executions", batch}}).status == 201) accepted += 30;
                }
            });
        }
        for (int round = 0; round < 3; ++round) {
            eventually("it works", [&] { return first.get(path).json().at("running").as_int64() > 0; });
            drain(second, path);
            const std::string since = rows_at(database.url(), "select clock()")[0][0].c_str();
            eventually("nothing is left", [&] { return state_at(second, path) == "DRAINED"; });
            const auto n = accepted.load();
            eventually("it still takes submissions", [&] { return accepted.load() > n + 300; });
            const auto late = "select count(*) from v_executions where started_time > '" + since + "' and instance_id = " + path.substr(path.rfind('/') + 1);
            CHECK(rows_at(database.url(), late)[0][0].as<int>() == 0);
            CHECK(second.post(path + "/resume", json::object{}).status == 200);
        }
    }
    eventually("all of it has ended", [&] { return rows_at(database.url(), "select count(*) from extents")[0][0].as<int>() == 0; });
    CHECK(rows_at(database.url(), "select count(*) from results where status = 5")[0][0].as<int>() == accepted.load());
    CHECK(violations_at(database.url()) == std::vector<std::string>{});
    CHECK(first.terminate() == 0);
    CHECK(second.terminate() == 0);
}

TEST_CASE("what is wrong with a drain is said: no such instance, one that has left, what it does not know", "[e2e][drain]")
{
    const test_database database;
    server_process stays(serving(database));
    server_process leaves(serving(database));
    const auto path = path_of(stays);
    const auto gone = path_of(leaves);
    for (const char* missing : {"/v1/instances/999999", "/v1/instances/0", "/v1/instances/x", "/v1/instances/99999999999999999999"}) {
        INFO(missing);
        CHECK(stays.get(missing).status == 404);
        CHECK(stays.post(std::string(missing) + "/drain", json::object{}).status == 404);
        CHECK(stays.post(std::string(missing) + "/resume", json::object{}).status == 404);
    }
    CHECK(leaves.terminate() == 0);
    CHECK(stays.get(gone).json().at("state") == "GONE");
    const auto refused = stays.post(gone + "/drain", json::object{});
    CHECK(refused.status == 409);
    CHECK(refused.json().at("code") == "ALREADY_ENDED");
    CHECK(stays.post(gone + "/resume", json::object{}).status == 409);
    CHECK(stays.post(path + "/drain", {{"why", "x"}, {"reason", 7}}).json().at("errors").as_array().size() == 2);
    CHECK(stays.post(path + "/drain?now=1", json::object{}).status == 422);
    CHECK(stays.get(path).json().at("state") == "ALIVE");
    CHECK(stays.post(path + "/resume", json::object{}).json().at("state") == "ALIVE");
    CHECK(stays.terminate() == 0);
}

TEST_CASE("instances are drained by operators of all tenants, and by nobody else", "[e2e][drain][tokens]")
{
    private_postgres::of_this_run();
    guarded_server g;
    const auto all = g.server.get("/v1/instances", g.as_admin()).json();
    const auto path = "/v1/instances/" + std::to_string(all.at_pointer("/items/0/instance_id").as_int64());
    CHECK(g.server.post(path + "/drain", json::object{}).status == 401);
    CHECK(g.server.post(path + "/drain", json::object{}, g.as("viewer", "default")).status == 403);
    CHECK(g.server.post(path + "/drain", json::object{}, g.as("operator", "default")).status == 403);
    CHECK(g.server.get(path, g.as("viewer", "default")).json().at("state") == "ALIVE");
    const auto drained = g.server.post(path + "/drain", json::object{}, g.as_admin());
    CHECK(drained.status == 200);
    CHECK(g.server.post(path + "/resume", json::object{}, g.as_admin()).json().at("state") == "ALIVE");
}

TEST_CASE("what a draining instance ran when it was killed is taken over and goes on elsewhere", "[e2e][drain][instances]")
{
    const test_database database;
    const scratch_folder folder;
    const auto gate = (folder.path() / "gate").string();
    server_process first(serving(database), impatient());
    first.define("lost", gated_by(gate), {{"retry_policy", {{"max_attempts", 3}, {"initial_delay_seconds", 0}}}});
    const auto id = first.submit("lost");
    first.await_status(id, "RUNNING");
    server_process second(serving(database), impatient());
    const auto path = path_of(first);
    CHECK(drain(second, path).at("state") == "DRAINING");
    first.kill_hard();
    second.await_status(id, "FAILED");
    CHECK(second.execution(id).at_pointer("/result/error_code") == "LEASE_LOST");
    write_file(gate, "open");
    const auto end = second.ended(id);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at("attempt_number") == 2);
    eventually("the dead one is gone", [&] { return state_at(second, path) == "GONE"; });
    CHECK(violations_at(database.url()) == std::vector<std::string>{});
    CHECK(second.terminate() == 0);
}

TEST_CASE("a drained instance takes over what another has left when that is killed, and starts none of it", "[e2e][drain][instances]")
{
    const test_database database;
    const scratch_folder folder;
    const auto gate = (folder.path() / "gate").string();
    server_process dies(serving(database), impatient());
    dies.define("left", gated_by(gate), {{"retry_policy", {{"max_attempts", 3}, {"initial_delay_seconds", 0}}}});
    const auto id = dies.submit("left");
    dies.await_status(id, "RUNNING");
    server_process drained(serving(database), impatient());
    const auto path = path_of(drained);
    CHECK(drain(drained, path).at("state") == "DRAINED");
    dies.kill_hard();
    drained.await_status(id, "FAILED");
    outlast(std::chrono::seconds{2});
    CHECK(text_at(drained.get("/v1/runs/" + id).json(), "/status") == "QUEUED");
    CHECK(state_at(drained, path) == "DRAINED");
    server_process fresh(serving(database), impatient());
    write_file(gate, "open");
    CHECK(fresh.ended(id).at("instance_id") == instance_of(fresh, fresh).at("instance_id"));
    CHECK(violations_at(database.url()) == std::vector<std::string>{});
    CHECK(drained.terminate() == 0);
    CHECK(fresh.terminate() == 0);
}

TEST_CASE("a composite job, which only waits, leaves a drained instance and goes on elsewhere with the same plan", "[e2e][drain][composite]")
{
    const test_database database;
    const scratch_folder folder;
    const auto gate = (folder.path() / "gate").string();
    server_process first(serving(database), any_program());
    auto waits = gated_by(gate);
    first.define("whole", {{"type", "composite"}, {"plan", {{"nodes", json::array{json::object{{"node_id", "only"}, {"handler", waits}}}}}}});
    const auto id = first.submit("whole");
    first.await_status(id, "RUNNING");
    eventually("the node runs", [&] { return !first.get("/v1/executions?status=RUNNING").json().at("items").as_array().empty()
                                          && rows_at(database.url(), "select count(*) from v_plan_nodes where status = 'RUNNING'")[0][0].as<int>() == 1; });
    server_process second(serving(database), any_program());
    const auto path = path_of(first);
    drain(second, path);
    const auto other = instance_of(second, second).at("instance_id");
    eventually("it runs at the other", [&] {
        const auto now = second.execution(id);
        return now.at("status") == "RUNNING" && now.at("instance_id") == other;
    });
    CHECK(state_at(second, path) == "DRAINING");
    write_file(gate, "open");
    CHECK(second.ended(id).at("status") == "COMPLETED");
    eventually("nothing is left of it", [&] { return state_at(second, path) == "DRAINED"; });
    CHECK(rows_at(database.url(), "select count(*) from plan_runs")[0][0].as<int>() == 1);
    CHECK(violations_at(database.url()) == std::vector<std::string>{});
    CHECK(first.terminate() == 0);
    CHECK(second.terminate() == 0);
}

TEST_CASE("instance show, drain --wait and resume on the command line", "[e2e][drain][cli]")
{
    const test_database database;
    const scratch_folder folder;
    const auto gate = (folder.path() / "gate").string();
    auto labelled = any_program();
    labelled.emplace("ROWLOCK_INSTANCE_LABELS", "region=eu");
    server_process server(serving(database), labelled);
    const auto id = std::to_string(instance_of(server, server).at("instance_id").as_int64());
    const auto cli = [&](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), "instance");
        return run_rowlock(std::move(arguments), {{"ROWLOCK_URL", server.url()}});
    };
    CHECK(cli({"show", id}).out.find("region=eu") != std::string::npos);
    CHECK(cli({"list"}).out.find("ALIVE") != std::string::npos);
    server.define("long", gated_by(gate));
    const auto runs = server.submit("long");
    server.await_status(runs, "RUNNING");
    const auto late = cli({"drain", id, "--wait", "--timeout", "1", "--reason", "why not"});
    INFO(late.out << late.err);
    CHECK(late.code == 1);
    CHECK(late.out.find("DRAINING") != std::string::npos);
    CHECK(late.err.find("still runs 1") != std::string::npos);
    write_file(gate, "open");
    const auto drained = cli({"drain", id, "--wait"});
    INFO(drained.out << drained.err);
    CHECK(drained.code == 0);
    CHECK(drained.out.find("is DRAINED") != std::string::npos);
    CHECK(json::parse(cli({"show", id, "--format", "json"}).out).at_pointer("/drain/reason") == "why not");
    CHECK(cli({"resume", id}).out.find("is ALIVE") != std::string::npos);
    CHECK(cli({"undrain", id}).code == 0);
    CHECK(cli({"drain", "999999"}).code == 3);
    CHECK(cli({"drain", "x"}).code == 2);
    CHECK(server.terminate() == 0);
}
