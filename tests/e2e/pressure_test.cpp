#include "tests/support/database_rows.hpp"
#include "tests/support/triggers.hpp"

#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>

using namespace rowlock::test;
namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

// A control group that a test fills and empties, and the settings of a server that watches it closely.
class crowded_machine {
public:
    crowded_machine()
    {
        write_file(folder_.path() / "memory.max", "1000\n");
        memory(50);
    }

    void memory(int percent) const { write_file(folder_.path() / "memory.current", std::to_string(percent * 10) + "\n"); }
    environment_map environment(const environment_map& more = {}) const
    {
        auto all = any_program();
        all.insert({{"ROWLOCK_PRESSURE_CONTROL_GROUP", folder_.path().string()},
                    {"ROWLOCK_PRESSURE_INTERVAL_SECONDS", "0.05"},
                    {"ROWLOCK_PRESSURE_AFTER_SECONDS", "0.1"},
                    {"ROWLOCK_PRESSURE_CLEAR_AFTER_SECONDS", "0.3"},
                    {"ROWLOCK_SCHEDULER_POLL_INTERVAL_MS", "100"}});
        all.insert(more.begin(), more.end());
        return all;
    }

private:
    scratch_folder folder_;
};

json::value health_of(const server_process& server)
{
    return server.get("/v1/health").json();
}

void await_pressure(const server_process& server, std::size_t actions)
{
    eventually("so many actions are taken", [&] { return health_of(server).at_pointer("/pressure/actions").as_array().size() == actions; });
}

json::value explained(const server_process& server, const std::string& id)
{
    return server.get("/v1/executions/" + id + "/explain").json().at_pointer("/blocked_by/0");
}

json::object gated(const std::string& gate)
{
    return {{"type", "process"}, {"command", json::array{"/bin/sh", "-c", "while ! test -e " + gate + "; do sleep 0.05; done"}}, {"grace_seconds", 0}};
}

int submitted_with(const server_process& server, const std::string& job_id, int priority)
{
    return server.post("/v1/executions", {{"job_id", job_id}, {"priority", priority}}).status;
}

}

TEST_CASE("an instance that is short of memory queues what comes, tells everybody, and goes on by itself", "[e2e][pressure]")
{
    const test_database database;
    const scratch_folder folder;
    const crowded_machine machine;
    const auto gate = (folder.path() / "gate").string();
    server_process server({"serve", "--auth", "none", "--database", database.url()}, machine.environment());
    server.define("any", {{"type", "noop"}});
    server.define("long", gated(gate));
    CHECK(health_of(server).at("overall_status") == "HEALTHY");
    CHECK(server.run("any").at("status") == "COMPLETED");
    const auto running = server.submit("long");
    server.await_status(running, "RUNNING");

    machine.memory(99);
    await_pressure(server, 3);
    const auto health = health_of(server);
    CHECK(health.at("overall_status") == "DEGRADED");
    CHECK(health.at("executor_status") == "DEGRADED");
    CHECK(health.at("scheduler_status") == "DEGRADED");
    CHECK(text_at(health, "/detail").find("MEMORY at 99.0 %, short from 97 % on") != std::string::npos);
    CHECK(server.get("/readyz").status == 200);

    // What comes is queued, and what runs goes on.
    const auto queued = server.post("/v1/executions", {{"job_id", "any"}});
    REQUIRE(queued.status == 201);
    CHECK(queued.json().at("status") == "QUEUED");
    const auto waiting = text_at(queued.json(), "/execution_id");
    eventually("the others are told", [&] { return !server.get("/v1/instances").json().at_pointer("/items/0/pressure").is_null(); });
    const auto why = explained(server, waiting);
    INFO(json::serialize(why));
    CHECK(why.at("rule") == "capacity");
    CHECK(why.at("resource") == "MEMORY");
    CHECK(why.at("usage_percent") == 99.0);
    CHECK(why.at("threshold_percent") == 97.0);
    CHECK(why.at("instances_under_pressure") == 1);
    CHECK(why.at("position") == 1);
    CHECK(server.execution(waiting).at_pointer("/waiting_on/resource") == "MEMORY");
    const auto headline = text_at(server.get("/v1/explain").json(), "/headline");
    INFO(headline);
    CHECK(headline.find("No live instance takes work (instance ") == 0);
    CHECK(headline.find("is short of MEMORY") != std::string::npos);
    write_file(gate, "open");
    CHECK(server.ended(running).at("status") == "COMPLETED");
    CHECK(server.status_of(waiting) == "QUEUED");

    const auto here = server.get("/v1/instances").json().at_pointer("/items/0/pressure");
    CHECK(here.at_pointer("/resources/0/resource") == "MEMORY");
    CHECK(here.at_pointer("/resources/0/since").is_string());
    CHECK(here.at("actions").as_array().size() == 3);
    const auto listed = run_rowlock({"instance", "list", "--url", server.url(), "--format", "human"});
    INFO(listed.out);
    CHECK(listed.out.find("MEMORY") != std::string::npos);
    CHECK(server.metric("phi_resource_exhaustion_events") == 1);
    CHECK(server.metric("rowlock_resource_exhaustion_events_total") == 1);
    CHECK(server.metric("rowlock_pressure_action") == 3);
    eventually("what is queued is counted", [&] { return server.metric("phi_queued_for_resources") == 1; });

    const auto errors = server.get("/v1/errors?error_category=RESOURCE_EXHAUSTED").json().at("items").as_array();
    REQUIRE(errors.size() == 1);
    INFO(json::serialize(errors));
    CHECK(errors[0].at("error_code") == "RESOURCE_EXHAUSTED");
    CHECK(errors[0].at("queue") == "execution_errors");
    CHECK(errors[0].at("resource_type") == "MEMORY");
    CHECK(errors[0].at("current_usage") == 99.0);
    CHECK(errors[0].at("threshold") == 97.0);
    CHECK(errors[0].at("actions").as_array().size() == 3);
    CHECK(errors[0].at("affected_jobs").is_array());
    CHECK(errors[0].at("estimated_recovery_seconds") == 1);
    CHECK(text_at(errors[0], "/hint").find("pressure.md") != std::string::npos);

    machine.memory(50);
    CHECK(server.ended(waiting).at("status") == "COMPLETED");
    await_pressure(server, 0);
    CHECK(health_of(server).at("overall_status") == "HEALTHY");
    eventually("the others are told of the end", [&] { return server.get("/v1/instances").json().at_pointer("/items/0/pressure").is_null(); });
    CHECK(server.metric("phi_queued_for_resources") == 0);
    CHECK(server.run("any").at("status") == "COMPLETED");
    CHECK(violations_at(database.url()).empty());
    CHECK(server.terminate() == 0);
    CHECK(server.process().err().find("resource_exhausted") != std::string::npos);
    CHECK(server.process().err().find("resource_recovered") != std::string::npos);
}

TEST_CASE("while it is short of something an instance refuses submissions of low priority, but not their repeats", "[e2e][pressure]")
{
    const test_database database;
    const crowded_machine machine;
    server_process server({"serve", "--auth", "none", "--database", database.url()},
                          machine.environment({{"ROWLOCK_PRESSURE_ACTIONS", "REJECT_LOW_PRIORITY"}, {"ROWLOCK_PRESSURE_REJECT_BELOW_PRIORITY", "5"}}));
    server.define("any", {{"type", "noop"}});
    const json::object keyed{{"job_id", "any"}, {"priority", 1}, {"idempotency_key", "before"}};
    const auto before = server.post("/v1/executions", keyed);
    REQUIRE(before.status == 201);
    machine.memory(99);
    await_pressure(server, 1);

    const auto refused = server.post("/v1/executions", {{"job_id", "any"}, {"priority", 4}});
    INFO(refused.body);
    CHECK(refused.status == 503);
    CHECK(refused.field("Retry-After") == "1");
    CHECK(refused.json().at("code") == "RESOURCE_EXHAUSTED");
    CHECK(refused.json().at_pointer("/errors/0/field") == "priority");
    CHECK(text_at(refused.json(), "/detail").find("MEMORY") != std::string::npos);
    const auto batch = server.post("/v1/executions/batch", {{"executions", json::array{json::object{{"job_id", "any"}, {"priority", 9}}, json::object{{"job_id", "any"}}}}});
    CHECK(batch.status == 503);
    CHECK(batch.json().at_pointer("/errors/0/field") == "executions[1].priority");
    CHECK(server.post("/v1/executions", {{"job_id", "any"}, {"priority", 4}, {"scheduled_time", "2999-01-01T00:00:00Z"}}).status == 201);
    const auto again = server.post("/v1/executions", keyed);
    CHECK(again.status == 200);
    CHECK(again.json().at("execution_id") == before.json().at("execution_id"));
    json::object other = keyed;
    other["idempotency_key"] = "new";
    CHECK(server.post("/v1/executions", other).status == 503);
    CHECK(server.metric("rowlock_submissions_refused_under_pressure_total") == 4);
    // What is urgent is taken, and started: nothing else was asked for.
    CHECK(health_of(server).at("executor_status") == "HEALTHY");
    const auto urgent = server.post("/v1/executions", {{"job_id", "any"}, {"priority", 5}});
    REQUIRE(urgent.status == 201);
    CHECK(server.ended(text_at(urgent.json(), "/execution_id")).at("status") == "COMPLETED");

    machine.memory(50);
    eventually("it takes everything again", [&] { return submitted_with(server, "any", -1000) == 201; });
    CHECK(server.post("/v1/executions", other).status == 201);
}

TEST_CASE("what an instance does not start, as it is short of something, another one does", "[e2e][pressure]")
{
    const test_database database;
    const scratch_folder folder;
    const crowded_machine machine;
    const auto gate = (folder.path() / "gate").string();
    server_process pressed({"serve", "--auth", "none", "--database", database.url()}, machine.environment());
    machine.memory(99);
    await_pressure(pressed, 3);
    server_process other({"serve", "--auth", "none", "--database", database.url(), "--executor-parallelism", "1"}, any_program());
    pressed.define("long", gated(gate));
    const auto first = pressed.submit("long");
    pressed.await_status(first, "RUNNING");
    const auto second = pressed.submit("long");
    const auto why = explained(pressed, second);
    INFO(json::serialize(why));
    CHECK(why.at("rule") == "capacity");
    CHECK(why.at("instances") == 2);
    CHECK(why.at("instances_under_pressure") == 1);
    CHECK(text_at(why, "/detail").find("is short of MEMORY (99.0 %, from 97.0 % on)") != std::string::npos);
    CHECK(why.at("max_running").is_number());
    write_file(gate, "open");
    CHECK(pressed.ended(second).at("status") == "COMPLETED");
    CHECK(pressed.execution(first).at("instance_id") == pressed.execution(second).at("instance_id"));
    CHECK(pressed.metric("rowlock_executions_claimed_total") + pressed.metric("rowlock_executions_started_eagerly_total") == 0);
    CHECK(pressed.terminate() == 0);
    CHECK(other.terminate() == 0);
}

TEST_CASE("while scheduling is paused no schedule fires and no waiting event starts anything; all of it comes afterwards", "[e2e][pressure]")
{
    const test_database database;
    const crowded_machine machine;
    server_process server({"serve", "--auth", "none", "--database", database.url()}, machine.environment({{"ROWLOCK_PRESSURE_ACTIONS", "PAUSE_SCHEDULING"}}));
    machine.memory(99);
    await_pressure(server, 1);
    server.define("ticking", {{"type", "noop"}}, {{"schedule", {{"schedule_type", "INTERVAL"}, {"interval_seconds", 1}}}});
    define_triggered(server, "gathering", {{{"source", "gathered"}, {"batch_window_seconds", 1}}});
    server.define("any", {{"type", "noop"}});
    emit(server, "gathered", {{"n", 1}});
    CHECK(server.run("any").at("status") == "COMPLETED");
    outlast(2500ms);
    CHECK(count_of(server, "ticking") == 0);
    CHECK(count_of(server, "gathering") == 0);
    CHECK(health_of(server).at("scheduler_status") == "DEGRADED");
    machine.memory(50);
    eventually("the schedule fires", [&] { return count_of(server, "ticking") > 0; });
    eventually("the event starts its job", [&] { return count_of(server, "gathering") == 1; });
    await_pressure(server, 0);
}

TEST_CASE("a queue that is nearly full keeps its room for what is urgent, and is emptied", "[e2e][pressure]")
{
    const test_database database;
    const scratch_folder folder;
    const crowded_machine machine;
    const auto gate = (folder.path() / "gate").string();
    server_process server({"serve", "--auth", "none", "--database", database.url()},
                          machine.environment({{"ROWLOCK_EXECUTOR_PARALLELISM", "1"}, {"ROWLOCK_EXECUTOR_QUEUE_CAPACITY", "10"}}));
    server.define("long", gated(gate));
    const auto first = server.submit("long");
    server.await_status(first, "RUNNING");
    std::string last;
    for (int i = 0; i < 9; ++i) last = server.submit("long");
    await_pressure(server, 2);
    const auto health = health_of(server);
    CHECK(health.at("executor_status") == "HEALTHY");
    CHECK(health.at("overall_status") == "DEGRADED");
    CHECK(submitted_with(server, "long", -1) == 503);
    CHECK(submitted_with(server, "long", 0) == 201);
    CHECK(submitted_with(server, "long", 0) == 429);
    write_file(gate, "open");
    CHECK(server.ended(last).at("status") == "COMPLETED");
    eventually("there is room again", [&] { return submitted_with(server, "long", -1) == 201; });
}

TEST_CASE("disks and connections are watched as well", "[e2e][pressure]")
{
    const test_database database;
    const crowded_machine machine;
    server_process server({"serve", "--auth", "none", "--database", database.url(), "--pressure-actions", ""},
                          machine.environment({{"ROWLOCK_PRESSURE_DISK_HIGH_PERCENT", "1"}, {"ROWLOCK_PRESSURE_DISK_LOW_PERCENT", "1"}, {"ROWLOCK_PRESSURE_DISK_ENOUGH_MB", "0"},
                                               {"ROWLOCK_PRESSURE_CONNECTIONS_HIGH_PERCENT", "1"}, {"ROWLOCK_PRESSURE_CONNECTIONS_LOW_PERCENT", "1"},
                                               {"ROWLOCK_PRESSURE_CPU_HIGH_PERCENT", "100"}}));
    server.define("any", {{"type", "noop"}});
    eventually("both are short", [&] {
        const auto instance = server.get("/v1/instances").json().at_pointer("/items/0/pressure");
        return instance.is_object() && instance.at("resources").as_array().size() >= 2;
    });
    const auto told = server.get("/v1/instances").json().at_pointer("/items/0/pressure");
    CHECK(told.at("actions").as_array().empty());
    const auto health = health_of(server);
    CHECK(health.at_pointer("/pressure/resources").as_array().size() == 4);
    CHECK(health.at("executor_status") == "HEALTHY");
    CHECK(text_at(health, "/detail").find("Until that is over it does this: nothing.") != std::string::npos);
    CHECK(server.metric("rowlock_resource_usage_ratio") > 0);
    // It only says so.
    CHECK(server.run("any").at("status") == "COMPLETED");
}
