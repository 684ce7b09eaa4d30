#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <set>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

const json::object noop{{"type", "noop"}};

std::set<std::string> refused_fields(const http_reply& reply)
{
    std::set<std::string> out;
    const auto answer = reply.json();
    for (const auto& one : answer.at("errors").as_array()) {
        CHECK(one.at("message").as_string().size() > 5);
        CHECK(one.as_object().contains("value"));
        out.insert(text_at(one, "/field"));
    }
    return out;
}

}

TEST_CASE("a job is created with 201 as version 1, changed with 200 as the next one, and unchanged keeps its version", "[e2e][jobs]")
{
    auto& server = open_server();
    const json::object first{{"handler", noop}, {"name", "First"}, {"reason", "a beginning"}};
    const auto created = server.put("/v1/jobs/jobs-versions", first);
    INFO(created.body);
    REQUIRE(created.status == 201);
    CHECK(created.json().at("job_id") == "jobs-versions");
    CHECK(created.json().at("version") == 1);
    CHECK_FALSE(created.field("ETag").empty());

    const auto same = server.put("/v1/jobs/jobs-versions", first);
    CHECK(same.status == 200);
    CHECK(same.json().at("version") == 1);

    const auto changed = server.put("/v1/jobs/jobs-versions", {{"handler", noop}, {"name", "Second"}, {"reason", "a better name"}});
    CHECK(changed.status == 200);
    CHECK(changed.json().at("version") == 2);
    CHECK(changed.field("ETag") != created.field("ETag"));

    const auto versions = server.get("/v1/jobs/jobs-versions/versions");
    REQUIRE(versions.status == 200);
    const auto items = versions.json().at("items").as_array();
    REQUIRE(items.size() == 2);
    CHECK(items[0].at("version") == 2);
    CHECK(items[0].at("reason") == "a better name");
    CHECK(items[1].at("reason") == "a beginning");
    CHECK(server.get("/v1/jobs/jobs-versions/versions/1").json().at("name") == "First");
    CHECK(server.get("/v1/jobs/jobs-versions").json().at("name") == "Second");
    CHECK(server.get("/v1/jobs/jobs-versions/versions/3").status == 404);
    CHECK(server.get("/v1/jobs/jobs-versions/versions/x").status == 404);
    CHECK(server.get("/v1/jobs/jobs-nobody").status == 404);
    CHECK(server.get("/v1/jobs/jobs-nobody/versions").status == 404);
}

TEST_CASE("what GET shows of a job can be PUT again as it is, and is the same version", "[e2e][jobs]")
{
    auto& server = open_server();
    server.define("jobs-round", {{"type", "process"}, {"command", json::array{"/bin/true", "--x"}}, {"env", {{"A", "b"}}}, {"grace_seconds", 2.5}},
                  {{"description", "d"}, {"tags", {{"team", "data"}}}, {"timeout_seconds", 60}, {"parameters", {{"n", 1}}}, {"idempotent", true},
                   {"retry_policy", {{"max_attempts", 4}, {"initial_delay_seconds", 0.001}, {"backoff_multiplier", 2}, {"jitter_factor", 0.1},
                                     {"retryable_errors", json::array{"TIMEOUT"}}}}});
    const auto shown = server.get("/v1/jobs/jobs-round");
    REQUIRE(shown.status == 200);
    CHECK_FALSE(shown.field("ETag").empty());
    const auto again = server.put("/v1/jobs/jobs-round", shown.json());
    INFO(again.body);
    CHECK(again.status == 200);
    CHECK(again.json().at("version") == 1);
}

TEST_CASE("the flat names of the rules are kept where they belong, and both notations are one version", "[e2e][jobs]")
{
    auto& server = open_server();
    server.define("jobs-rules", noop,
                  {{"initial_delay", 60}, {"multiplier", 2.0}, {"max_delay", 3600}, {"jitter_factor", 0.25}, {"max_attempts", 5}, {"timeout_seconds", 3600},
                   {"heartbeat_interval_seconds", 30}, {"missed_heartbeat_limit", 3}, {"checkpoint_interval_seconds", 300}, {"checkpoint_on_stage", true},
                   {"dead_letter_enabled", true}, {"retention_hours", 168}});
    const auto shown = server.get("/v1/jobs/jobs-rules").json();
    INFO(json::serialize(shown));
    CHECK(shown.at("retry_policy").at("initial_delay_seconds") == 60);
    CHECK(shown.at("heartbeat") == json::value{{"interval_seconds", 30}, {"missed_limit", 3}});
    CHECK(shown.at("checkpoint") == json::value{{"interval_seconds", 300}, {"on_stage", true}});
    CHECK(shown.at("dead_letter") == json::value{{"enabled", true}, {"retention_hours", 168}});
    CHECK_FALSE(shown.as_object().contains("retention_hours"));
    const auto again = server.put("/v1/jobs/jobs-rules", {{"handler", noop},
                                                          {"retry_policy", {{"max_attempts", 5}, {"initial_delay_seconds", 60}, {"max_delay_seconds", 3600}, {"backoff_multiplier", 2},
                                                                            {"jitter_factor", 0.25}}},
                                                          {"timeout_seconds", 3600},
                                                          {"heartbeat", {{"interval_seconds", 30}, {"missed_limit", 3}}},
                                                          {"checkpoint", {{"interval_seconds", 300}, {"on_stage", true}}},
                                                          {"dead_letter", {{"enabled", true}, {"retention_hours", 168}}}});
    CHECK(again.status == 200);
    CHECK(again.json().at("version") == 1);
}

TEST_CASE("If-Match lets through only who has seen the current version", "[e2e][jobs]")
{
    auto& server = open_server();
    const auto created = server.put("/v1/jobs/jobs-match", {{"handler", noop}});
    const auto seen = created.field("ETag");
    CHECK(server.get("/v1/jobs/jobs-match").field("ETag") == seen);
    CHECK(server.put("/v1/jobs/jobs-match", {{"handler", noop}, {"name", "two"}}, {{"If-Match", seen}}).status == 200);
    const auto late = server.put("/v1/jobs/jobs-match", {{"handler", noop}, {"name", "three"}}, {{"If-Match", seen}});
    CHECK(late.status == 412);
    CHECK(late.field("Content-Type").find("application/problem+json") == 0);
    CHECK(server.put("/v1/jobs/jobs-match", {{"handler", noop}, {"name", "two b"}}, {{"If-Match", "*"}}).status == 200);
    CHECK(server.put("/v1/jobs/jobs-unmade", {{"handler", noop}}, {{"If-Match", "*"}}).status == 412);
    CHECK(server.get("/v1/jobs/jobs-unmade").status == 404);
    CHECK(server.get("/v1/jobs/jobs-match").json().at("name") == "two b");
}

TEST_CASE("a dry run of a PUT validates, tells the difference and changes nothing", "[e2e][jobs]")
{
    auto& server = open_server();
    const auto fresh = server.put("/v1/jobs/jobs-dry?dry_run=true", {{"handler", noop}});
    CHECK(fresh.status == 200);
    CHECK(server.get("/v1/jobs/jobs-dry").status == 404);
    server.define("jobs-dry", noop, {{"name", "a"}});
    const auto dry = server.put("/v1/jobs/jobs-dry?dry_run=true", {{"handler", noop}, {"name", "b"}});
    CHECK(dry.status == 200);
    INFO(dry.body);
    CHECK(dry.body.find("name") != std::string::npos);
    CHECK(server.get("/v1/jobs/jobs-dry").json().at("version") == 1);
    CHECK(server.get("/v1/jobs/jobs-dry").json().at("name") == "a");
    CHECK(server.put("/v1/jobs/jobs-dry?dry_run=true", {{"handler", {{"type", "nope"}}}}).status == 422);
    CHECK(server.put("/v1/jobs/jobs-dry?dry_run=maybe", {{"handler", noop}}).status == 422);
}

TEST_CASE("a refused definition lists all of its errors at once, by field, with the value and a message", "[e2e][jobs]")
{
    auto& server = open_server();
    const auto reply = server.put("/v1/jobs/jobs-refused", {{"handler", {{"type", "sleep"}, {"seconds", -1}}},
                                                            {"timeout_seconds", "soon"},
                                                            {"colour", "red"},
                                                            {"retry_policy", {{"max_attempts", 0}, {"jitter_mode", "SOME"}}},
                                                            {"tags", json::array{1}}});
    INFO(reply.body);
    REQUIRE(reply.status == 422);
    CHECK(reply.field("Content-Type").find("application/problem+json") == 0);
    const auto problem = reply.json();
    for (const char* member : {"type", "title", "status", "detail", "code"}) CHECK(problem.as_object().contains(member));
    CHECK(problem.at("status") == 422);
    const auto fields = refused_fields(reply);
    for (const char* field : {"handler.seconds", "timeout_seconds", "colour", "retry_policy.max_attempts", "retry_policy.jitter_mode", "tags"}) {
        INFO(field);
        CHECK(fields.count(field) == 1);
    }
    for (const auto& one : problem.at("errors").as_array()) {
        if (one.at("field") == "timeout_seconds") CHECK(one.at("value") == "soon");
        if (one.at("field") == "retry_policy.max_attempts") CHECK(one.at("value") == 0);
    }
    CHECK(server.get("/v1/jobs/jobs-refused").status == 404);
}

TEST_CASE("definitions that cannot be meant are refused", "[e2e][jobs]")
{
    struct row {
        const char* why;
        json::value body;
        const char* field;
    };
    const auto& r = GENERATE(values<row>({
        {"a handler is needed", json::object{}, "handler"},
        {"a handler has a type", {{"handler", json::object{}}}, "handler.type"},
        {"the type is one of those that exist", {{"handler", {{"type", "teleport"}}}}, "handler.type"},
        {"a process has a command", {{"handler", {{"type", "process"}}}}, "handler.command"},
        {"a command is not empty", {{"handler", {{"type", "process"}, {"command", json::array{}}}}}, "handler.command"},
        {"a word of a command is text", {{"handler", {{"type", "process"}, {"command", json::array{"a", 1}}}}}, "handler.command[1]"},
        {"an http call has a url", {{"handler", {{"type", "http"}, {"completion", "reply"}}}}, "handler.url"},
        {"a field of another handler is unknown", {{"handler", {{"type", "noop"}, {"seconds", 1}}}}, "handler.seconds"},
        {"the body's id is the path's", {{"job_id", "another"}, {"handler", {{"type", "noop"}}}}, "job_id"},
        {"a time-out is positive", {{"handler", {{"type", "noop"}}}, {"timeout_seconds", 0}}, "timeout_seconds"},
        {"a NUL is in no text", {{"handler", {{"type", "noop"}}}, {"name", json::string("a\0b", 3)}}, "name"},
        {"a first delay is not negative", {{"handler", {{"type", "noop"}}}, {"retry_policy", {{"initial_delay_seconds", -1}}}}, "retry_policy.initial_delay_seconds"},
        {"delays do not shrink", {{"handler", {{"type", "noop"}}}, {"retry_policy", {{"backoff_multiplier", 0.5}}}}, "retry_policy.backoff_multiplier"},
        {"the cap is not below the first delay",
         {{"handler", {{"type", "noop"}}}, {"retry_policy", {{"initial_delay_seconds", 20}, {"max_delay_seconds", 10}}}},
         "retry_policy.max_delay_seconds"},
        {"a pattern is a regular expression",
         {{"handler", {{"type", "noop"}}}, {"retry_policy", {{"retryable_error_patterns", json::array{"("}}}}},
         "retry_policy.retryable_error_patterns[0]"},
        {"an extension needs a time-out", {{"handler", {{"type", "noop"}}}, {"timeout_action", "EXTEND"}}, "timeout_action"},
        {"a failure rate is a part of something", {{"handler", {{"type", "noop"}}}, {"circuit_breaker", {{"failure_rate", 1.5}}}}, "circuit_breaker.failure_rate"},
        {"a heartbeat is missed at least once", {{"handler", {{"type", "noop"}}}, {"missed_heartbeat_limit", 0}}, "missed_heartbeat_limit"},
        {"enabled is true or false", {{"handler", {{"type", "noop"}}}, {"enabled", "yes"}}, "enabled"},
    }));
    INFO(r.why);
    const auto reply = open_server().put("/v1/jobs/jobs-meaningless", r.body);
    INFO(reply.body);
    REQUIRE(reply.status == 422);
    CHECK(refused_fields(reply).count(r.field) == 1);
}

TEST_CASE("an id that is no slug names no job and cannot become one", "[e2e][jobs]")
{
    for (const char* path : {"/v1/jobs/Upper", "/v1/jobs/-x", "/v1/jobs/a%20b", "/v1/jobs/a%2Fb", "/v1/jobs/%C3%A4"}) {
        INFO(path);
        const auto put = open_server().put(path, {{"handler", noop}});
        CHECK((put.status == 404 || put.status == 422));
        CHECK(open_server().get(path).status == 404);
    }
    const std::string longest(128, 'j');
    CHECK(open_server().put("/v1/jobs/" + longest, {{"handler", noop}}).status == 201);
    CHECK(open_server().get("/v1/jobs/" + longest).status == 200);
    CHECK(open_server().get("/v1/jobs/" + longest + "j").status == 404);
}

TEST_CASE("a disabled job takes no submissions until it is enabled, and a new version keeps it so", "[e2e][jobs]")
{
    auto& server = open_server();
    server.define("jobs-switch", noop);
    const auto off = server.post("/v1/jobs/jobs-switch/disable", json::object{});
    INFO(off.body);
    REQUIRE(off.status == 200);
    CHECK(off.json().at("enabled") == false);
    const auto refused = server.post("/v1/executions", {{"job_id", "jobs-switch"}});
    CHECK(refused.status == 409);
    CHECK(refused.json().at("code") == "JOB_DISABLED");
    CHECK(server.put("/v1/jobs/jobs-switch", {{"handler", noop}, {"name", "changed"}}).json().at("enabled") == false);
    CHECK(server.post("/v1/executions", {{"job_id", "jobs-switch"}}).status == 409);
    CHECK(server.post("/v1/jobs/jobs-switch/enable", json::object{}).json().at("enabled") == true);
    CHECK(server.post("/v1/executions", {{"job_id", "jobs-switch"}}).status == 201);
    CHECK(server.put("/v1/jobs/jobs-switch", {{"handler", noop}, {"enabled", false}}).json().at("enabled") == false);
    CHECK(server.post("/v1/executions", {{"job_id", "jobs-switch"}}).status == 409);
    CHECK(server.post("/v1/jobs/jobs-nobody/disable", json::object{}).status == 404);
    // Without a body, as curl -X POST does it.
    CHECK(server.process().pid() > 0);
    CHECK(http_request(server.address(), "POST", "/v1/jobs/jobs-switch/enable").status == 200);
}

TEST_CASE("a new definition holds for what is submitted after it, and an old version can be asked for by number", "[e2e][jobs]")
{
    auto& server = open_server();
    server.define("jobs-fresh", {{"type", "fail"}, {"error_code", "OLD"}, {"times", 9}}, {{"retry_policy", {{"max_attempts", 1}}}});
    CHECK(server.run("jobs-fresh").at("status") == "FAILED");
    server.define("jobs-fresh", noop);
    CHECK(server.run("jobs-fresh").at("status") == "COMPLETED");
    const auto old = server.post("/v1/executions", {{"job_id", "jobs-fresh"}, {"job_version", 1}});
    REQUIRE(old.status == 201);
    CHECK(old.json().at("job_version") == 1);
    const auto end = server.ended(text_at(old.json(), "/execution_id"));
    CHECK(end.at("status") == "FAILED");
    CHECK(end.at("job_version") == 1);
    CHECK(end.at_pointer("/result/error_code") == "OLD");
}

TEST_CASE("the list of jobs comes in pages of which none overlap and none is missing", "[e2e][jobs]")
{
    auto& server = open_server();
    std::set<std::string> made;
    for (int i = 0; i < 7; ++i) {
        made.insert("jobs-page-" + std::to_string(i));
        server.define("jobs-page-" + std::to_string(i), noop);
    }
    std::set<std::string> seen;
    std::string cursor;
    do {
        const auto page = server.get("/v1/jobs?limit=3" + (cursor.empty() ? "" : "&cursor=" + cursor));
        REQUIRE(page.status == 200);
        const auto body = page.json();
        CHECK(body.at("items").as_array().size() <= 3);
        for (const auto& one : body.at("items").as_array()) CHECK(seen.insert(text_at(one, "/job_id")).second);
        cursor = body.at("next_cursor").is_null() ? "" : text_at(body, "/next_cursor");
    } while (!cursor.empty());
    for (const auto& id : made) CHECK(seen.count(id) == 1);
}

TEST_CASE("a program that may not be run is a warning when the job is defined and PERMISSION_DENIED when it starts", "[e2e][jobs]")
{
    const test_database database;
    server_process server({"serve", "--auth", "none", "--database", database.url()},
                          {{"ROWLOCK_PROCESS_HANDLER_ENABLED", "true"}, {"ROWLOCK_PROCESS_ALLOWED_PROGRAMS", "echo,/bin/true"}});
    const auto put = server.put("/v1/jobs/barred", {{"handler", {{"type", "process"}, {"command", json::array{"/bin/cat"}}}}, {"retry_policy", {{"max_attempts", 5}}}});
    INFO(put.body);
    REQUIRE(put.status == 201);
    CHECK(put.json().at("warnings").as_array().size() == 1);
    const auto end = server.run("barred");
    CHECK(end.at("status") == "FAILED");
    CHECK(end.at("attempt_number") == 1);
    CHECK(end.at_pointer("/result/error_code") == "PERMISSION_DENIED");
    for (const char* allowed : {"echo", "/bin/true"}) {
        server.define("allowed", {{"type", "process"}, {"command", json::array{allowed}}});
        CHECK(server.run("allowed").at("status") == "COMPLETED");
    }
    CHECK(server.terminate() == 0);
}
