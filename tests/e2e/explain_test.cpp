#include "tests/support/database_rows.hpp"
#include "tests/support/guarded_server.hpp"
#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

json::value explained(const server_process& server, const std::string& id)
{
    const auto reply = server.get("/v1/executions/" + id + "/explain");
    INFO(reply.body);
    REQUIRE(reply.status == 200);
    return reply.json();
}

// The first rule is waiting_on, with figures added.
void check_first_rule(const server_process& server, const std::string& id, const json::value& told)
{
    const auto waiting = server.execution(id).at("waiting_on");
    INFO(told);
    REQUIRE(waiting.is_object());
    REQUIRE(!told.at("blocked_by").as_array().empty());
    for (const auto& member : waiting.as_object()) CHECK(told.at_pointer("/blocked_by/0").as_object().at(member.key()) == member.value());
}

}

TEST_CASE("explain names what a waiting execution waits for, with figures", "[e2e][explain]")
{
    auto& server = open_server();
    server.define("explain-later", {{"type", "noop"}});
    const auto later = text_at(server.post("/v1/executions", {{"job_id", "explain-later"}, {"scheduled_time", "2999-01-01T00:00:00Z"}}).json(), "/execution_id");
    auto told = explained(server, later);
    CHECK(told.at("status") == "PENDING");
    CHECK(told.at("next_evaluation") == "2999-01-01T00:00:00.000000Z");
    CHECK(told.at_pointer("/blocked_by/0/rule") == "schedule");
    CHECK(told.at("why").is_null());
    check_first_rule(server, later, told);

    rows_at(open_server_database(), "update lanes set paused = true where job_key = (select job_key from jobs where job_id = 'explain-later')");
    told = explained(server, later);
    REQUIRE(told.at("blocked_by").as_array().size() == 2);
    CHECK(told.at_pointer("/blocked_by/1/rule") == "paused");
    CHECK(told.at("next_evaluation").is_null());
    const auto paused = server.submit("explain-later");
    told = explained(server, paused);
    CHECK(told.at("status") == "QUEUED");
    CHECK(told.at_pointer("/blocked_by/0/rule") == "paused");
    check_first_rule(server, paused, told);
    rows_at(open_server_database(), "update lanes set paused = false");
    CHECK(server.post("/v1/executions/" + later + "/cancel", json::object{}).status == 202);
    CHECK(server.ended(paused).at("status") == "COMPLETED");

    server.define("explain-backoff", {{"type", "fail"}, {"error_code", "X"}}, {{"retry_policy", {{"max_attempts", 3}, {"initial_delay_seconds", 3000}, {"max_delay_seconds", 3600}}}});
    const auto first = server.submit("explain-backoff");
    server.await_status(first, "FAILED");
    told = explained(server, first);
    CHECK(told.at("blocked_by").as_array().empty());
    CHECK(told.at("next_evaluation").is_null());
    CHECK(told.at_pointer("/why/error_code") == "X");
    CHECK(told.at_pointer("/why/error_category") == "TRANSIENT");
    CHECK(told.at_pointer("/why/will_retry") == true);
    CHECK(told.at_pointer("/why/dead_letter").is_null());
    CHECK(told.at_pointer("/why/next_retry_time").is_string());
    const auto next = text_at(told, "/why/next_execution_id");
    told = explained(server, next);
    CHECK(told.at_pointer("/blocked_by/0/rule") == "backoff");
    CHECK(told.at_pointer("/blocked_by/0/max_attempts") == 3);
    CHECK(told.at("next_evaluation") == told.at_pointer("/blocked_by/0/eligible_at"));
    check_first_rule(server, next, told);
    CHECK(server.post("/v1/executions/" + next + "/cancel", json::object{}).status == 202);
    told = explained(server, next);
    CHECK(text_at(told, "/why/detail").find("cancelled by local") != std::string::npos);
    CHECK(told.at_pointer("/why/ended_by") == "local");
}

TEST_CASE("explain says how an execution ended, and what follows", "[e2e][explain]")
{
    auto& server = open_server();
    server.define("explain-dead", {{"type", "fail"}, {"error_code", "GONE"}, {"error_message", "for good"}}, {{"retry_policy", {{"max_attempts", 1}}}});
    const auto dead = server.submit("explain-dead");
    server.ended(dead);
    auto told = explained(server, dead);
    INFO(told);
    CHECK(told.at("status") == "FAILED");
    CHECK(told.at("blocked_by").as_array().empty());
    CHECK(told.at_pointer("/why/error_code") == "GONE");
    CHECK(told.at_pointer("/why/error_message") == "for good");
    CHECK(told.at_pointer("/why/will_retry") == false);
    CHECK(told.at_pointer("/why/dead_letter/dead_letter_id") == dead.c_str());
    CHECK(told.at_pointer("/why/dead_letter/status") == "OPEN");
    CHECK(text_at(told, "/why/detail").find("dead letters") != std::string::npos);
    CHECK(told.at_pointer("/why/attempts_left") == 0);
    CHECK(told.at_pointer("/why/not_retried_because") == "no attempt is left");
    server.define("explain-final", {{"type", "fail"}, {"error_code", "NEVER"}}, {{"retry_policy", {{"max_attempts", 5}, {"non_retryable_errors", json::array{"NEVER"}}}}});
    const auto final_ = server.submit("explain-final");
    server.ended(final_);
    told = explained(server, final_);
    CHECK(told.at_pointer("/why/attempts_left") == 4);
    CHECK(told.at_pointer("/why/not_retried_because") == "the error code is one of non_retryable_errors");

    server.define("explain-well", {{"type", "noop"}});
    const auto well = server.submit("explain-well");
    server.ended(well);
    told = explained(server, well);
    CHECK(told.at_pointer("/why/error_code").is_null());
    CHECK(told.at_pointer("/why/detail") == "It has completed.");

    server.define("explain-runs", {{"type", "sleep"}, {"seconds", 300}});
    const auto running = server.submit("explain-runs");
    server.await_status(running, "RUNNING");
    told = explained(server, running);
    CHECK(told.at("blocked_by").as_array().empty());
    CHECK(told.at("why").is_null());
    CHECK(server.post("/v1/executions/" + running + "/cancel", json::object{}).status == 202);

    CHECK(server.get("/v1/executions/0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10/explain").status == 404);
    CHECK(server.get("/v1/executions/nonsense/explain").status == 404);
    CHECK(server.get("/v1/executions/" + well + "/explain?colour=red").status == 422);
}

TEST_CASE("explain counts who goes first where there is no free slot", "[e2e][explain]")
{
    const test_database database;
    const server_process server({"serve", "--auth", "none", "--database", database.url(), "--executor-parallelism", "1"});
    server.define("explain-slot", {{"type", "sleep"}, {"seconds", 300}});
    const auto running = server.submit("explain-slot");
    server.await_status(running, "RUNNING");
    std::vector<std::string> queued;
    for (int i = 0; i < 3; ++i) queued.push_back(server.submit("explain-slot"));
    for (std::size_t i = 0; i < queued.size(); ++i) {
        const auto told = explained(server, queued[i]);
        INFO(told);
        CHECK(told.at_pointer("/blocked_by/0/rule") == "capacity");
        CHECK(told.at_pointer("/blocked_by/0/max_running") == 1);
        CHECK(told.at_pointer("/blocked_by/0/in_use") == 1);
        CHECK(told.at_pointer("/blocked_by/0/position") == static_cast<int>(i) + 1);
        CHECK(told.at_pointer("/blocked_by/0/held_by/0/job_id") == "explain-slot");
        CHECK(told.at_pointer("/blocked_by/0/held_by/0/execution_id") == running.c_str());
        CHECK(told.at("expected_start").is_null());
        CHECK(text_at(told, "/expected_start_reason") == "nothing of the job has ended within the last hour");
        check_first_rule(server, queued[i], told);
    }
    const auto all = server.get("/v1/explain").json();
    INFO(all);
    CHECK(all.at("headline") == "1 runs, 3 wait: all slots of the instances are in use: 1 of 1.");
    CHECK(all.at_pointer("/scope/kind") == "system");
}

TEST_CASE("GET /v1/explain says why nothing of a job or a tenant runs; what is not there is 404, what is misspelt 422", "[e2e][explain]")
{
    auto& server = open_server();
    server.define("idle-job", {{"type", "noop"}});
    auto told = server.get("/v1/explain?job_id=idle-job").json();
    INFO(told);
    CHECK(told.at("headline") == "Nothing of the job idle-job runs or waits: nobody has submitted it, and it has no schedule.");
    CHECK(told.at_pointer("/job/enabled") == true);
    CHECK(server.post("/v1/jobs/idle-job/disable", json::object{}).status == 200);
    CHECK(text_at(server.get("/v1/explain?job_id=idle-job").json(), "/headline").find("disabled") != std::string::npos);

    server.define("idle-scheduled", {{"type", "noop"}}, {{"schedule", {{"schedule_type", "CRON"}, {"cron_expression", "0 0 1 1 *"}}}});
    told = server.get("/v1/explain?job_id=idle-scheduled").json();
    CHECK(text_at(told, "/headline").find("the schedule idle-scheduled fires next at ") != std::string::npos);
    CHECK(told.at("next_evaluation") == told.at_pointer("/schedules/next_fire_time"));
    CHECK(server.post("/v1/schedules/idle-scheduled/pause", {{"reason", "holidays"}}).status == 200);
    CHECK(text_at(server.get("/v1/explain?job_id=idle-scheduled").json(), "/headline").find("its schedule was paused by local: holidays") != std::string::npos);

    server.define("idle-up", {{"type", "noop"}});
    server.define("idle-down", {{"type", "noop"}}, {{"dependencies", json::array{json::object{{"upstream_job_id", "idle-up"}}}}});
    CHECK(text_at(server.get("/v1/explain?job_id=idle-down").json(), "/headline").find("it starts when these have ended: idle-up") != std::string::npos);
    const auto waits = server.submit("idle-down");
    told = server.get("/v1/explain?job_id=idle-down").json();
    CHECK(told.at("headline") == "Nothing of the job idle-down runs, 1 waits for idle-up (SUCCESS).");
    CHECK(told.at_pointer("/reasons/0/rule") == "dependency");
    server.post("/v1/executions/" + waits + "/cancel", json::object{});

    CHECK(server.get("/v1/explain?tenant_id=default").json().at_pointer("/scope/tenant_id") == "default");
    CHECK(server.get("/v1/explain?job_id=nobody").status == 404);
    CHECK(server.get("/v1/explain?tenant_id=nobody").status == 404);
    CHECK(server.get("/v1/explain?job=idle-job").status == 422);
    CHECK(server.get("/v1/explain?job_id=Not%20a%20slug").status == 422);
}

TEST_CASE("a token of a tenant is told of its tenant alone", "[e2e][explain][tokens]")
{
    guarded_server g;
    const auto bound = g.as("viewer", "acme");
    REQUIRE(g.server.put("/v1/jobs/secret", {{"handler", {{"type", "noop"}}}}, g.as_admin()).status == 201);
    const auto own = g.server.get("/v1/explain", bound).json();
    INFO(own);
    CHECK(own.at_pointer("/scope/kind") == "tenant");
    CHECK(own.at_pointer("/scope/tenant_id") == "acme");
    CHECK(g.server.get("/v1/explain?tenant_id=acme", bound).status == 200);
    CHECK(g.server.get("/v1/explain?tenant_id=default", bound).status == 404);
    CHECK(g.server.get("/v1/explain?job_id=secret", bound).status == 404);
    CHECK(g.server.get("/v1/explain?job_id=secret&tenant_id=default", g.as_admin()).status == 200);
    CHECK(g.server.get("/v1/explain").status == 401);
}

TEST_CASE("rowlock explain says it as a person would, and as JSON", "[e2e][explain][cli]")
{
    auto& server = open_server();
    const auto cli = [&](std::vector<std::string> arguments) { return run_rowlock(std::move(arguments), {{"ROWLOCK_URL", server.url()}}); };
    server.define("explain-cli", {{"type", "noop"}}, {{"execution_windows", json::array{json::object{{"start", "00:00"}, {"end", "00:01"}}}}});
    rows_at(open_server_database(), "update lanes set paused = true where job_key = (select job_key from jobs where job_id = 'explain-cli')");
    const auto id = server.submit("explain-cli");
    const auto one = cli({"explain", id});
    INFO(one.out << one.err);
    CHECK(one.code == 0);
    CHECK(one.out.find("the job is paused") != std::string::npos);
    CHECK(one.out.find("nobody can say") != std::string::npos);
    CHECK(cli({"execution", "explain", id}).out == one.out);
    const auto job = cli({"explain", "--job", "explain-cli"});
    INFO(job.out << job.err);
    CHECK(job.code == 0);
    CHECK(job.out.starts_with("Nothing of the job explain-cli runs, 1 waits: "));
    CHECK(cli({"explain"}).code == 0);
    CHECK(cli({"explain", "--tenant", "default"}).out.find("the tenant default") != std::string::npos);
    CHECK(json::parse(cli({"explain", "--job", "explain-cli", "--format", "json"}).out).at("queued") == 1);
    CHECK(cli({"explain", "--job", "nobody"}).code == 3);
    CHECK(cli({"explain", "--tenant", "nobody"}).code == 3);
    CHECK(cli({"explain", "0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10"}).code == 3);
    CHECK(cli({"explain", id, "--job", "explain-cli"}).code == 2);
    CHECK(cli({"explain", "--help"}).out.find("Examples") != std::string::npos);
    rows_at(open_server_database(), "update lanes set paused = false");
    server.post("/v1/executions/" + id + "/cancel", json::object{});
}
