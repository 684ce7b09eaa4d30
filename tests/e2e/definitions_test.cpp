#include "tests/support/database_rows.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/scratch_folder.hpp"
#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <set>
#include <thread>

using namespace rowlock::test;
namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

const json::object noop{{"type", "noop"}};

// A second is promised; a sanitizer build on a busy machine is given more.
constexpr auto soon = 10s;

json::value job(const std::string& id, const json::object& more = {})
{
    json::object made{{"job_id", id}, {"handler", noop}};
    for (const auto& member : more) made.insert_or_assign(member.key(), member.value());
    return made;
}

http_reply apply(const server_process& server, json::array jobs, const json::object& more = {})
{
    json::object body{{"jobs", std::move(jobs)}};
    for (const auto& member : more) body.insert_or_assign(member.key(), member.value());
    return server.post("/v1/jobs/apply", body);
}

std::set<std::string> refused_fields(const http_reply& reply)
{
    std::set<std::string> out;
    const auto answer = reply.json();
    for (const auto& one : answer.at("errors").as_array()) out.insert(text_at(one, "/field"));
    return out;
}

http_reply remove(const server_process& server, const std::string& target, const http_fields& fields = {})
{
    return http_request(server.address(), "DELETE", target, {}, fields);
}

// Runs one job at a time, and the first until the gate is there: what is submitted after it is queued.
struct gated_server {
    test_database database{};
    scratch_folder folder{};
    std::string gate = (folder.path() / "gate").string();
    server_process server{{"serve", "--auth", "none", "--database", database.url(), "--executor-parallelism", "1"}, any_program()};
    std::string holder{};

    gated_server()
    {
        server.define("holder", {{"type", "process"}, {"command", json::array{"/bin/sh", "-c", "while ! test -e " + gate + "; do sleep 0.05; done"}}});
        holder = server.submit("holder");
        server.await_status(holder, "RUNNING");
    }
};

}

TEST_CASE("many definitions are applied as one: each is created, updated or left as it is", "[e2e][definitions]")
{
    auto& server = open_server();
    server.define("def-same", noop, {{"name", "same"}});
    server.define("def-changed", noop, {{"name", "old"}, {"timeout_seconds", 5}});
    json::array jobs{job("def-new"), job("def-changed", {{"name", "new"}, {"tags", {{"team", "data"}}}}), job("def-same", {{"name", "same"}}),
                     job("def-new-off", {{"enabled", false}, {"reason", "its own"}})};

    const auto dry = apply(server, jobs, {{"dry_run", true}, {"reason", "all of it"}});
    INFO(dry.body);
    REQUIRE(dry.status == 200);
    CHECK(server.get("/v1/jobs/def-new").status == 404);
    CHECK(server.get("/v1/jobs/def-changed").json().at("version") == 1);

    const auto done = apply(server, jobs, {{"reason", "all of it"}});
    INFO(done.body);
    REQUIRE(done.status == 200);
    CHECK(dry.json().at("dry_run") == true);
    CHECK(done.json().at("dry_run") == false);
    CHECK(dry.json().at("jobs") == done.json().at("jobs"));
    const auto answer = done.json();
    const auto& made = answer.at("jobs").as_array();
    REQUIRE(made.size() == 4);
    CHECK(made[0].at("outcome") == "created");
    CHECK(made[0].at("etag") == "\"1\"");
    CHECK(made[1].at("outcome") == "updated");
    CHECK(made[1].at("version") == 2);
    CHECK(made[1].at("diff") == json::value{{{"field", "name"}, {"before", "old"}, {"after", "new"}},
                                            {{"field", "tags"}, {"before", nullptr}, {"after", {{"team", "data"}}}},
                                            {{"field", "timeout_seconds"}, {"before", 5}, {"after", nullptr}}});
    CHECK(made[2].at("outcome") == "unchanged");
    CHECK(made[2].at("diff").as_array().empty());
    CHECK(made[3].at("outcome") == "created");
    CHECK(server.get("/v1/jobs/def-changed").json().at("reason") == "all of it");
    CHECK(server.get("/v1/jobs/def-new-off").json().at("reason") == "its own");
    CHECK(server.get("/v1/jobs/def-new-off").json().at("enabled") == false);
    const auto again = apply(server, jobs).json();
    for (const auto& one : again.at("jobs").as_array()) CHECK(one.at("outcome") == "unchanged");
    const auto on = apply(server, {job("def-new-off", {{"enabled", true}})}).json();
    CHECK(on.at("jobs").at(0).at("outcome") == "updated");
    CHECK(on.at("jobs").at(0).at("version") == 1);
    CHECK(on.at("jobs").at(0).at("diff") == json::value{{{"field", "enabled"}, {"before", false}, {"after", true}}});
}

TEST_CASE("where one definition is refused none is stored, and every error says where it is", "[e2e][definitions]")
{
    auto& server = open_server();
    const auto reply = apply(server, {job("def-good"), job("def-bad", {{"handler", {{"type", "sleep"}, {"seconds", -1}}}, {"colour", "red"}}), 7, json::object{{"handler", noop}},
                                      job("def-good"), job("inline.def"), job("def-other", {{"tenant_id", "another"}}),
                                      job("def-path", {{"handler", {{"type", "http"}, {"url", "http://x.example/"}, {"completion", "poll"}, {"success", "not a path ("}}}})},
                             {{"colour", "blue"}});
    INFO(reply.body);
    REQUIRE(reply.status == 422);
    const auto fields = refused_fields(reply);
    for (const char* field : {"jobs[1].handler.seconds", "jobs[1].colour", "jobs[2]", "jobs[3].job_id", "jobs[4].job_id", "jobs[5].job_id", "jobs[6].tenant_id", "colour"}) {
        INFO(field);
        CHECK(fields.count(field) == 1);
    }
    CHECK(server.get("/v1/jobs/def-good").status == 404);
    // Only the database knows whether a path is one.
    const auto path = apply(server, {job("def-good"), job("def-path", {{"handler", {{"type", "http"}, {"url", "http://x.example/"}, {"completion", "poll"}, {"success", "not a path ("}}}})});
    CHECK(path.status == 422);
    CHECK(refused_fields(path) == std::set<std::string>{"jobs[1].handler.success"});
    CHECK(server.get("/v1/jobs/def-good").status == 404);

    for (const auto& [body, field] : std::vector<std::pair<json::value, std::string>>{{json::object{}, "jobs"},
                                                                                      {{{"jobs", json::array{}}}, "jobs"},
                                                                                      {{{"jobs", json::object{}}}, "jobs"},
                                                                                      {{{"jobs", json::array{job("def-good")}}, {"dry_run", 1}}, "dry_run"},
                                                                                      {{{"jobs", json::array{job("def-good")}}, {"reason", json::string("a\0b", 3)}}, "reason"}}) {
        const auto refused = server.post("/v1/jobs/apply", body);
        INFO(refused.body);
        REQUIRE(refused.status == 422);
        CHECK(refused_fields(refused).count(field) == 1);
    }
    CHECK(server.post("/v1/jobs/apply", json::array{}).status == 400);
    CHECK(server.get("/v1/jobs/def-good").status == 404);
}

TEST_CASE("definitions that are applied in opposite orders at the same time wait for one another, and all are stored", "[e2e][definitions]")
{
    auto& server = open_server();
    constexpr int rounds = 10;
    const auto breaker = [](int round) { return json::object{{"circuit_breaker", {{"failure_threshold", round + 2}, {"scope", "TARGET"}}}}; };
    const auto definition = [&](int i, int round) {
        auto made = breaker(round);
        made["handler"] = {{"type", "http"}, {"url", "http://def-order.example/"}};
        return job("def-order-" + std::to_string(i), made);
    };
    std::vector<int> refused(2);
    const auto keep_applying = [&](std::size_t self) {
        for (int round = 0; round < rounds; ++round) {
            json::array jobs;
            for (int i = 0; i < 8; ++i) jobs.push_back(definition(self == 0 ? i : 7 - i, 2 * round + static_cast<int>(self)));
            refused[self] += apply(server, std::move(jobs)).status == 200 ? 0 : 1;
        }
    };
    std::thread other(keep_applying, 1);
    keep_applying(0);
    other.join();
    CHECK(refused == std::vector<int>{0, 0});
    const auto first = server.get("/v1/jobs/def-order-0").json().at("circuit_breaker");
    for (int i = 1; i < 8; ++i) CHECK(server.get("/v1/jobs/def-order-" + std::to_string(i)).json().at("circuit_breaker") == first);
}

TEST_CASE("a definition for another tenant, or with an id of inline nodes, is refused", "[e2e][definitions]")
{
    auto& server = open_server();
    const auto other = server.put("/v1/jobs/def-tenant", {{"handler", noop}, {"tenant_id", "another"}, {"colour", "red"}});
    CHECK(other.status == 422);
    CHECK(refused_fields(other) == std::set<std::string>{"colour", "tenant_id"});
    CHECK(server.put("/v1/jobs/def-tenant", {{"handler", noop}, {"tenant_id", "default"}}).status == 201);
    CHECK(server.put("/v1/jobs/inline.0123456789abcdef", {{"handler", noop}}).status == 422);
    CHECK(server.put("/v1/jobs/inline", {{"handler", noop}}).status == 201);
}

TEST_CASE("a rollback makes a new version with the contents of an earlier one, and says of which", "[e2e][definitions]")
{
    auto& server = open_server();
    server.define("def-back", {{"type", "fail"}, {"error_code", "ONE"}}, {{"name", "one"}, {"retry_policy", {{"max_attempts", 1}}}, {"reason", "first"}});
    server.define("def-back", noop, {{"name", "two"}});
    const auto seen = server.get("/v1/jobs/def-back").field("ETag");
    CHECK(server.post("/v1/jobs/def-back/rollback", {{"version", 1}}, {{"If-Match", "\"1\""}}).status == 412);
    const auto back = server.post("/v1/jobs/def-back/rollback", {{"version", 1}, {"reason", "two was worse"}}, {{"If-Match", seen}});
    INFO(back.body);
    REQUIRE(back.status == 200);
    CHECK(back.json().at("version") == 3);
    CHECK(back.json().at("name") == "one");
    CHECK(back.json().at("rolled_back_to") == 1);
    CHECK(back.json().at("reason") == "two was worse");
    CHECK(back.field("ETag") == "\"3\"");
    CHECK(server.run("def-back").at_pointer("/result/error_code") == "ONE");
    CHECK(server.get("/v1/jobs/def-back/diff?from=1&to=3").json().at("diff").as_array().empty());
    const auto versions = server.get("/v1/jobs/def-back/versions").json();
    CHECK(versions.at("items").at(0).at("rolled_back_to") == 1);
    CHECK(versions.at("items").at(1).at("rolled_back_to").is_null());
    CHECK(versions.at("items").at(2).at("reason") == "first");
    // There is nothing to go back from.
    CHECK(server.post("/v1/jobs/def-back/rollback", {{"version", 1}}).json().at("version") == 3);
    CHECK(server.put("/v1/jobs/def-back", server.get("/v1/jobs/def-back").json()).json().at("version") == 3);

    const auto missing = server.post("/v1/jobs/def-back/rollback", {{"version", 9}});
    CHECK(missing.status == 422);
    CHECK(missing.json().at("code") == "JOB_VERSION_NOT_FOUND");
    CHECK(refused_fields(missing) == std::set<std::string>{"version"});
    CHECK(refused_fields(server.post("/v1/jobs/def-back/rollback", {{"reason", 1}, {"to", 1}})) == std::set<std::string>{"reason", "to", "version"});
    CHECK(server.post("/v1/jobs/def-nobody/rollback", {{"version", 1}}).status == 404);
}

TEST_CASE("two versions of a job can be compared", "[e2e][definitions]")
{
    auto& server = open_server();
    server.define("def-diff", noop, {{"timeout_seconds", 5}, {"retry_policy", {{"max_attempts", 2}}}});
    server.define("def-diff", noop, {{"timeout_seconds", 6}, {"retry_policy", {{"max_attempts", 2}}}});
    server.define("def-diff", noop, {{"timeout_seconds", 6}, {"retry_policy", {{"max_attempts", 3}}}});
    const auto last = server.get("/v1/jobs/def-diff/diff").json();
    CHECK(last == json::value{{"job_id", "def-diff"}, {"from", 2}, {"to", 3}, {"diff", {{{"field", "retry_policy.max_attempts"}, {"before", 2}, {"after", 3}}}}});
    CHECK(server.get("/v1/jobs/def-diff/diff?to=2").json().at("diff") == json::value{{{"field", "timeout_seconds"}, {"before", 5}, {"after", 6}}});
    CHECK(server.get("/v1/jobs/def-diff/diff?from=3&to=1").json().at("diff").as_array().size() == 2);
    const auto first = server.get("/v1/jobs/def-diff/diff?to=1").json();
    CHECK(first.at("from").is_null());
    CHECK(first.at("diff").as_array().size() == 4);
    CHECK(refused_fields(server.get("/v1/jobs/def-diff/diff?from=7&to=8")) == std::set<std::string>{"from", "to"});
    CHECK(server.get("/v1/jobs/def-diff/diff?from=0").status == 422);
    CHECK(server.get("/v1/jobs/def-nobody/diff").status == 404);
}

TEST_CASE("who enables and disables a job, when and why, is kept and shown", "[e2e][definitions]")
{
    auto& server = open_server();
    server.define("def-switch", noop);
    CHECK(server.get("/v1/jobs/def-switch").json().at("last_action").is_null());
    const auto off = server.post("/v1/jobs/def-switch/disable", {{"reason", "the source is down"}}, {{"If-Match", "\"1\""}});
    INFO(off.body);
    REQUIRE(off.status == 200);
    CHECK(off.json().at_pointer("/last_action/action") == "DISABLE");
    CHECK(off.json().at_pointer("/last_action/reason") == "the source is down");
    CHECK(off.json().at_pointer("/last_action/author") == off.json().at("author"));
    CHECK(off.field("ETag") == "\"1-disabled\"");
    CHECK(server.post("/v1/jobs/def-switch/enable", {{"reason", "up"}}, {{"If-Match", "\"1\""}}).status == 412);
    CHECK(server.put("/v1/jobs/def-switch", {{"handler", noop}, {"name", "n"}}, {{"If-Match", "\"1\""}}).status == 412);
    CHECK(server.post("/v1/jobs/def-switch/enable", {{"reason", "up"}}, {{"If-Match", "\"1-disabled\""}}).status == 200);
    // What is so already is no change.
    CHECK(server.post("/v1/jobs/def-switch/enable", {{"reason", "again"}}).json().at_pointer("/last_action/reason") == "up");
    CHECK(server.put("/v1/jobs/def-switch", {{"handler", noop}, {"enabled", false}, {"reason", "by definition"}}).json().at_pointer("/last_action/reason") == "by definition");
    CHECK(server.post("/v1/jobs/def-switch/disable", {{"colour", 1}}).status == 422);
    const auto rows = rows_at(open_server_database(), "select string_agg(action || ' ' || reason, ', ' order by at) from v_job_actions where job_id = 'def-switch'");
    CHECK(rows[0][0].as<std::string>() == "DISABLE the source is down, ENABLE up, DISABLE by definition");
    CHECK_THROWS(rows_at(open_server_database(), "delete from job_actions"));
}

TEST_CASE("a deleted job takes no submissions, its history stays, and a new definition brings it back", "[e2e][definitions]")
{
    auto& server = open_server();
    server.define("def-gone", noop, {{"name", "first"}});
    const auto before = server.submit("def-gone");
    server.ended(before);
    CHECK(remove(server, "/v1/jobs/def-gone", {{"If-Match", "\"7\""}}).status == 412);
    const auto gone = remove(server, "/v1/jobs/def-gone?reason=no%20more%20of%20it");
    CHECK(gone.status == 204);
    CHECK(gone.body.empty());
    CHECK(server.get("/v1/jobs/def-gone").status == 404);
    CHECK(remove(server, "/v1/jobs/def-gone").status == 404);
    for (const char* action : {"enable", "disable"}) CHECK(server.post(std::string("/v1/jobs/def-gone/") + action, json::object{}).status == 404);
    CHECK(server.post("/v1/jobs/def-gone/rollback", {{"version", 1}}).status == 404);
    CHECK(server.put("/v1/jobs/def-gone", {{"handler", noop}}, {{"If-Match", "*"}}).status == 412);
    const auto refused = server.post("/v1/executions", {{"job_id", "def-gone"}});
    CHECK(refused.status == 422);
    CHECK(refused.json().at("code") == "JOB_NOT_FOUND");
    CHECK(server.post("/v1/executions", {{"job_id", "def-gone"}, {"job_version", 1}}).status == 422);
    const auto listed = server.get("/v1/jobs?limit=1000").json();
    for (const auto& one : listed.at("items").as_array()) CHECK(one.at("job_id") != "def-gone");
    CHECK(server.execution(before).at("job_id") == "def-gone");
    CHECK(server.get("/v1/jobs/def-gone/versions").json().at("items").as_array().size() == 1);
    CHECK(server.get("/v1/jobs/def-gone/versions/1").json().at("name") == "first");

    const auto back = server.put("/v1/jobs/def-gone", {{"handler", noop}, {"name", "first"}});
    INFO(back.body);
    CHECK(back.status == 201);
    CHECK(back.json().at("version") == 2);
    CHECK(back.json().at("enabled") == true);
    CHECK(server.run("def-gone").at("status") == "COMPLETED");
    const auto rows = rows_at(open_server_database(), "select string_agg(action || ' ' || reason, ', ' order by at) from v_job_actions where job_id = 'def-gone'");
    CHECK(rows[0][0].as<std::string>() == "DELETE no more of it, RESTORE ");
}

TEST_CASE("what is queued keeps the version that it was submitted with, and goes on when its job is changed, disabled or deleted", "[e2e][definitions]")
{
    gated_server g;
    g.server.define("kept", noop);
    g.server.define("off", noop);
    g.server.define("gone", noop);
    const auto kept = g.server.submit("kept");
    const auto off = g.server.submit("off");
    const auto gone = g.server.submit("gone");
    g.server.define("kept", {{"type", "fail"}, {"error_code", "NEW"}}, {{"retry_policy", {{"max_attempts", 1}}}});
    CHECK(g.server.post("/v1/jobs/off/disable", json::object{}).status == 200);
    CHECK(remove(g.server, "/v1/jobs/gone").status == 204);
    const auto later = g.server.submit("kept");
    for (const auto& id : {kept, off, gone, later}) CHECK(g.server.status_of(id) == "QUEUED");
    write_file(g.gate, "open");

    const auto first = g.server.ended(kept);
    CHECK(first.at("status") == "COMPLETED");
    CHECK(first.at("job_version") == 1);
    CHECK(g.server.ended(off).at("status") == "COMPLETED");
    CHECK(g.server.ended(gone).at("status") == "COMPLETED");
    const auto second = g.server.ended(later);
    CHECK(second.at("job_version") == 2);
    CHECK(second.at_pointer("/result/error_code") == "NEW");
    CHECK(violations_at(g.database.url()).empty());
    CHECK(g.server.terminate() == 0);
}

TEST_CASE("a change holds at once on the instance that made it, and soon on every other", "[e2e][definitions]")
{
    const test_database database;
    server_process first({"serve", "--auth", "none", "--database", database.url()});
    server_process second({"serve", "--auth", "none", "--database", database.url()});
    const auto version_at = [](const server_process& server) {
        const auto reply = server.post("/v1/executions", {{"job_id", "shared"}});
        return reply.status == 201 ? static_cast<int>(reply.json().at("job_version").as_int64()) : -reply.status;
    };
    first.define("shared", noop);
    CHECK(version_at(first) == 1);
    eventually("the other instance knows the job", [&] { return version_at(second) == 1; }, soon);

    for (int version = 2; version < 6; ++version) {
        const auto& changes = version % 2 == 0 ? first : second;
        const auto& follows = version % 2 == 0 ? second : first;
        CHECK(apply(changes, {job("shared", {{"name", "n" + std::to_string(version)}})}).status == 200);
        CHECK(version_at(changes) == version);
        eventually("the other instance has the new version", [&] { return version_at(follows) == version; }, soon);
    }
    CHECK(first.post("/v1/jobs/shared/rollback", {{"version", 1}}).json().at("version") == 6);
    CHECK(version_at(first) == 6);
    eventually("the other instance has rolled back", [&] { return version_at(second) == 6; }, soon);
    CHECK(first.post("/v1/jobs/shared/disable", json::object{}).status == 200);
    CHECK(version_at(first) == -409);
    eventually("the other instance knows that it is disabled", [&] { return version_at(second) == -409; }, soon);
    CHECK(remove(second, "/v1/jobs/shared").status == 204);
    CHECK(version_at(second) == -422);
    eventually("the other instance knows that it is deleted", [&] { return version_at(first) == -422; }, soon);
    CHECK(first.terminate() == 0);
    CHECK(second.terminate() == 0);
}

TEST_CASE("files and folders are applied as one, and nothing is stored where one of them is wrong", "[e2e][definitions][cli]")
{
    auto& server = open_server();
    const scratch_folder folder;
    const environment_map environment{{"ROWLOCK_URL", server.url()}};
    write_file(folder.path() / "a.yaml", "job_id: def-file-a\nhandler: {type: noop}\n---\njob_id: def-file-b\nhandler: {type: noop}\n");
    write_file(folder.path() / "b.yml", "job_id: def-file-c\nhandler:\n  type: nothing\n");
    const auto bad = run_rowlock({"job", "apply", folder.path().string()}, environment);
    CHECK(bad.code == 2);
    INFO(bad.err);
    CHECK(bad.err.find("b.yml:3: handler.type") != std::string::npos);
    for (const char* id : {"a", "b", "c"}) CHECK(server.get(std::string("/v1/jobs/def-file-") + id).status == 404);

    write_file(folder.path() / "b.yml", "job_id: def-file-c\nhandler: {type: noop}\n");
    CHECK(run_rowlock({"job", "apply", folder.path().string(), "--reason", "all"}, environment).code == 0);
    for (const char* id : {"a", "b", "c"}) CHECK(server.get(std::string("/v1/jobs/def-file-") + id).json().at("reason") == "all");
    write_file(folder.path() / "b.yml", "job_id: def-file-c\nhandler: {type: noop}\ntimeout_seconds: 9\n");
    const auto diff = run_rowlock({"job", "diff", (folder.path() / "b.yml").string()}, environment);
    CHECK(diff.code == 0);
    CHECK(diff.out.find("+ timeout_seconds: 9") != std::string::npos);
    CHECK(run_rowlock({"job", "apply", folder.path().string()}, environment).code == 0);
    CHECK(run_rowlock({"job", "rollback", "def-file-c", "1", "--reason", "no limit"}, environment).code == 0);
    const auto compared = run_rowlock({"job", "diff", "def-file-c", "--from", "1", "--to", "3", "--format", "json"}, environment);
    CHECK(json::parse(compared.out).at("diff").as_array().empty());
    CHECK(run_rowlock({"job", "delete", "def-file-c"}, environment).code == 0);
    CHECK(run_rowlock({"job", "delete", "def-file-c"}, environment).code == 3);
}

TEST_CASE("a runner file becomes jobs that run its command", "[e2e][definitions][cli]")
{
    auto& server = open_server();
    const scratch_folder folder;
    const environment_map environment{{"ROWLOCK_URL", server.url()}, {"ROWLOCK_DATIVO_COMMAND", "/bin/echo ran {{ config }}"}};
    const auto runner = (folder.path() / "runner.yaml").string();
    write_file(runner, "runner:\n  orchestrator:\n    concurrency_per_tenant: 1\n    schedules:\n      - name: def-runner\n        config: jobs/a b.yaml\n        cron: \"0 * * * *\"\n");
    std::filesystem::create_directories(folder.path() / "jobs");
    write_file(folder.path() / "jobs" / "a b.yaml", "tenant_id: acme\nsource_connector: stripe\ntarget_connector: iceberg\nasset: customers\nretry_config: {max_retries: 3, initial_delay_seconds: 10}\n");
    const auto made = run_rowlock({"job", "apply", runner, "--without-schedules"}, environment);
    INFO(made.err);
    REQUIRE(made.code == 0);
    CHECK_FALSE(server.get("/v1/jobs/def-runner").json().as_object().contains("schedule"));
    write_file(runner, "runner:\n  orchestrator:\n    concurrency_per_tenant: 1\n    schedules:\n      - name: def-runner\n        config: jobs/a b.yaml\n        cron: \"0 0 1 1 *\"\n        timezone: Europe/Berlin\n");
    REQUIRE(run_rowlock({"job", "apply", runner}, environment).code == 0);
    const auto pool = server.get("/v1/limits/pool/tenant-acme").json();
    CHECK(pool.at("max_running") == 1);
    CHECK(pool.at("tenant_id") == "default");
    CHECK(pool.at("put") == false);
    const auto shown = server.get("/v1/jobs/def-runner").json();
    INFO(json::serialize(shown));
    CHECK(shown.at("tags") == json::value{{"connector_type", "stripe"}, {"job_name", "def-runner"}, {"tenant", "acme"}});
    CHECK(shown.at("retry_policy") == json::value{{"initial_delay_seconds", 10}, {"max_attempts", 4}});
    CHECK(shown.at("asset") == "customers");
    CHECK(shown.at("schedule") == json::value{{"schedule_id", "def-runner"}, {"schedule_type", "CRON"}, {"cron_expression", "0 0 1 1 *"}, {"timezone", "Europe/Berlin"}});
    CHECK(shown.at("pool_concurrency_limit") == 1);
    const auto id = server.submit("def-runner");
    CHECK(server.ended(id).at("status") == "COMPLETED");
    CHECK(server.get("/v1/executions/" + id + "/log").body == "ran jobs/a b.yaml\n");
}
