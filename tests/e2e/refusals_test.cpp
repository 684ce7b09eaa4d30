#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <limits>
#include <set>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

void check_problem(const http_reply& reply, int status)
{
    INFO(reply.body);
    CHECK(reply.status == status);
    CHECK(reply.field("Content-Type").find("application/problem+json") == 0);
    CHECK_FALSE(reply.field("X-Request-Id").empty());
    const auto body = reply.json();
    for (const char* member : {"type", "title", "detail", "code"}) CHECK(body.at(member).as_string().size() > 0);
    CHECK(body.at("status") == status);
}

std::string executions_of(const std::string& job)
{
    return json::serialize(open_server().get("/v1/executions?job_id=" + job).json().at("items"));
}

}

TEST_CASE("a body that is no JSON object is a 400, and nothing is stored", "[e2e][refusals]")
{
    struct row {
        const char* why;
        std::string body;
    };
    const std::string deep(10'000, '[');
    std::string deep_objects;
    for (int i = 0; i < 10'000; ++i) deep_objects += R"({"a":)";
    const auto r = GENERATE_COPY(values<row>({
        {"not JSON", "job_id=x"},
        {"cut off", R"({"job_id": "refusals")"},
        {"more after the end", R"({"job_id": "refusals"} x)"},
        {"an array", R"([{"job_id": "refusals"}])"},
        {"a number", "7"},
        {"null", "null"},
        {"broken UTF-8", "{\"job_id\": \"refusals\", \"correlation_id\": \"\xff\xfe\"}"},
        {"an overlong encoding", "{\"job_id\": \"refusals\", \"correlation_id\": \"\xc0\xaf\"}"},
        {"half of a surrogate pair", R"({"job_id": "refusals", "correlation_id": "\ud800"})"},
        {"a raw control character", "{\"job_id\": \"refusals\", \"correlation_id\": \"a\x01z\"}"},
        {"10,000 open arrays", deep},
        {"10,000 arrays in the parameters", R"({"job_id": "refusals", "parameters": {"a": )" + deep + std::string(10'000, ']') + "}}"},
        {"10,000 open objects", deep_objects},
        {"nothing", " "},
    }));
    INFO(r.why);
    open_server().define("refusals", {{"type", "noop"}});
    const auto before = executions_of("refusals");
    for (const char* route : {"/v1/executions", "/v1/executions/batch"}) check_problem(http_request(open_server().address(), "POST", route, r.body), 400);
    check_problem(http_request(open_server().address(), "PUT", "/v1/jobs/refusals-put", r.body), 400);
    CHECK(executions_of("refusals") == before);
    CHECK(open_server().get("/v1/jobs/refusals-put").status == 404);
}

TEST_CASE("a submission with a refused field is a 422 that names it, and nothing is stored", "[e2e][refusals]")
{
    struct row {
        const char* why;
        std::string body;
        const char* field;
    };
    const auto r = GENERATE_COPY(values<row>({
        {"no job", R"({})", "job_id"},
        {"a job that is a number", R"({"job_id": 7})", "job_id"},
        {"a job that is null", R"({"job_id": null})", "job_id"},
        {"no slug", R"({"job_id": "No Slug"})", "job_id"},
        {"a job that is not there", R"({"job_id": "refusals-unknown"})", "job_id"},
        {"a version that is not there", R"({"job_id": "refusals", "job_version": 99})", "job_version"},
        {"version 0", R"({"job_id": "refusals", "job_version": 0})", "job_version"},
        {"an unknown field", R"({"job_id": "refusals", "colour": "red"})", "colour"},
        {"parameters that are an array", R"({"job_id": "refusals", "parameters": []})", "parameters"},
        {"a priority too high", R"({"job_id": "refusals", "priority": 1001})", "priority"},
        {"a priority too low", R"({"job_id": "refusals", "priority": -1001})", "priority"},
        {"a priority that is a fraction", R"({"job_id": "refusals", "priority": 0.5})", "priority"},
        {"a priority that is text", R"({"job_id": "refusals", "priority": "1"})", "priority"},
        {"a priority out of range", R"({"job_id": "refusals", "priority": 9223372036854775807})", "priority"},
        {"a time that is none", R"({"job_id": "refusals", "scheduled_time": "tomorrow"})", "scheduled_time"},
        {"a day that does not exist", R"({"job_id": "refusals", "scheduled_time": "2026-02-30T00:00:00Z"})", "scheduled_time"},
        {"a time without a zone", R"({"job_id": "refusals", "scheduled_time": "2026-02-20T00:00:00"})", "scheduled_time"},
        {"an empty key", R"({"job_id": "refusals", "idempotency_key": ""})", "idempotency_key"},
        {"a key with a blank", R"({"job_id": "refusals", "idempotency_key": "a b"})", "idempotency_key"},
        {"a key with an umlaut", "{\"job_id\": \"refusals\", \"idempotency_key\": \"\xc3\xa4\"}", "idempotency_key"},
        {"a key too long", R"({"job_id": "refusals", "idempotency_key": ")" + std::string(256, 'k') + "\"}", "idempotency_key"},
        {"a NUL in the correlation id", R"({"job_id": "refusals", "correlation_id": "a\u0000b"})", "correlation_id"},
        {"tags that are a list", R"({"job_id": "refusals", "tags": ["a"]})", "tags"},
        {"a tag that is a number", R"({"job_id": "refusals", "tags": {"a": 1}})", "tags.a"},
    }));
    INFO(r.why);
    open_server().define("refusals", {{"type", "noop"}});
    const auto before = executions_of("refusals");
    const auto reply = http_request(open_server().address(), "POST", "/v1/executions", r.body);
    check_problem(reply, 422);
    bool named = false;
    const auto answer = reply.json();
    for (const auto& one : answer.at("errors").as_array()) {
        for (const char* member : {"field", "value", "message"}) CHECK(one.as_object().contains(member));
        named = named || one.at("field") == r.field;
    }
    CHECK(named);
    CHECK(executions_of("refusals") == before);
}

TEST_CASE("a NUL or a number out of range within the parameters is refused by name", "[e2e][refusals]")
{
    open_server().define("refusals", {{"type", "noop"}});
    for (const char* parameters : {R"({"a": {"b": ["x\u0000y"]}})", R"({"a\u0000": 1})", R"({"n": 1e999})", R"({"n": -1e999})", R"({"n": 99999999999999999999999999})"}) {
        INFO(parameters);
        const auto reply = http_request(open_server().address(), "POST", "/v1/executions", std::string(R"({"job_id": "refusals", "parameters": )") + parameters + "}");
        INFO(reply.body);
        CHECK((reply.status == 422 || reply.status == 400));
        CHECK(reply.field("Content-Type").find("application/problem+json") == 0);
    }
}

TEST_CASE("large numbers and all of Unicode in the parameters come back as they were sent", "[e2e][refusals]")
{
    open_server().define("refusals", {{"type", "noop"}});
    const std::string sent = "{\"job_id\": \"refusals\", \"parameters\": {\"a\": 9223372036854775807, \"b\": -9223372036854775808, \"c\": 18446744073709551615, "
                             "\"d\": 1e300, \"e\": 0.1, \"f\": \"\xf0\x9f\x90\xa7 \xc3\xa4\\u00e4\\ud83d\\udc27\\n\\\"\", \"\": {}, \"g\": []}}";
    const auto reply = http_request(open_server().address(), "POST", "/v1/executions", sent);
    INFO(reply.body);
    REQUIRE(reply.status == 201);
    const auto shown = open_server().execution(text_at(reply.json(), "/execution_id")).at("parameters");
    CHECK(shown.at("a") == 9223372036854775807LL);
    CHECK(shown.at("b") == std::numeric_limits<std::int64_t>::min());
    CHECK(shown.at("c") == 18446744073709551615ULL);
    CHECK(shown.at("d").to_number<double>() == 1e300);
    CHECK(shown.at("e") == 0.1);
    CHECK(shown.at("f") == "\xf0\x9f\x90\xa7 \xc3\xa4\xc3\xa4\xf0\x9f\x90\xa7\n\"");
    CHECK(shown.at("") == json::object{});
    CHECK(shown.at("g") == json::array{});
}

TEST_CASE("all errors of a submission come at once", "[e2e][refusals]")
{
    const auto reply = open_server().post("/v1/executions", {{"priority", "high"}, {"parameters", 1}, {"scheduled_time", 5}, {"tags", {{"", "v"}}}, {"x", 1}});
    check_problem(reply, 422);
    std::set<std::string> fields;
    const auto answer = reply.json();
    for (const auto& one : answer.at("errors").as_array()) fields.insert(text_at(one, "/field"));
    for (const char* field : {"job_id", "priority", "parameters", "scheduled_time", "x"}) {
        INFO(field);
        CHECK(fields.count(field) == 1);
    }
    CHECK(fields.size() == 6);
}

TEST_CASE("a path that names nothing is a 404, also a malformed id", "[e2e][refusals]")
{
    for (const char* path : {"/v1/nothing", "/v2/executions", "/v1/executions/not-an-id", "/v1/executions/0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10",
                             "/v1/executions/0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10/log", "/v1/executions/0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10/transitions",
                             "/v1/executions/0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10/checkpoints", "/v1/executions/0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10/checkpoints/1",
                             "/v1/executions/0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10/wait", "/v1/executions/x/wait", "/v1/runs/x",
                             "/v1/runs/0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10", "/v1/executions/", "//v1/jobs", "/v1/jobs/refusals/versions/0",
                             "/v1/jobs/refusals/versions/99999999999999999999"}) {
        INFO(path);
        check_problem(open_server().get(path), 404);
    }
    check_problem(open_server().post("/v1/executions/x/cancel", json::object{}), 404);
    check_problem(open_server().post("/v1/executions/0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10/cancel", json::object{}), 404);
}

TEST_CASE("a method that a path does not have is a 405 whose Allow names those that it has", "[e2e][refusals]")
{
    struct row {
        const char* method;
        const char* path;
        const char* allowed;
    };
    const auto r = GENERATE(values<row>({
        {"DELETE", "/v1/executions", "GET"},
        {"DELETE", "/v1/executions", "POST"},
        {"POST", "/healthz", "GET"},
        {"PATCH", "/v1/jobs/refusals", "PUT"},
        {"POST", "/v1/executions/0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10/log", "GET"},
    }));
    INFO(r.method << " " << r.path);
    const auto reply = http_request(open_server().address(), r.method, r.path);
    check_problem(reply, 405);
    CHECK(reply.field("Allow").find(r.allowed) != std::string::npos);
}

TEST_CASE("a body of another type than JSON is a 415", "[e2e][refusals]")
{
    open_server().define("refusals", {{"type", "noop"}});
    const std::string body = R"({"job_id": "refusals"})";
    for (const char* type : {"text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"}) {
        INFO(type);
        check_problem(http_request(open_server().address(), "POST", "/v1/executions", body, {{"Content-Type", type}}), 415);
    }
    for (const char* type : {"application/json; charset=utf-8", "APPLICATION/JSON"}) {
        INFO(type);
        CHECK(http_request(open_server().address(), "POST", "/v1/executions", body, {{"Content-Type", type}}).status == 201);
    }
}

TEST_CASE("a query parameter that means nothing is a 422 by its name", "[e2e][refusals]")
{
    open_server().define("refusals", {{"type", "noop"}});
    for (const char* query : {"limit=0", "limit=1001", "limit=x", "limit=-1", "limit=", "cursor=nonsense", "status=RUNING", "run_id=x", "since=yesterday", "until=1", "tag=x",
                              "trigger_type=MAGIC", "job_id=No%20Slug", "colour=red", "limit=1&limit=2"}) {
        INFO(query);
        const auto reply = open_server().get(std::string("/v1/executions?") + query);
        check_problem(reply, 422);
        const auto errors = reply.json().at("errors").as_array();
        REQUIRE(errors.size() >= 1);
        CHECK(text_at(errors[0], "/field") == std::string(query).substr(0, std::string(query).find('=')));
    }
    for (const char* query : {"wait_seconds=-1", "wait_seconds=301", "wait_seconds=x"}) {
        INFO(query);
        check_problem(open_server().post(std::string("/v1/executions?") + query, {{"job_id", "refusals"}}), 422);
    }
}

TEST_CASE("a body beyond MAX_BODY_BYTES is a 413, a head beyond MAX_HEADER_BYTES a 431, and both leave the server well", "[e2e][refusals]")
{
    const test_database database;
    server_process server({"serve", "--auth", "none", "--database", database.url()}, {{"ROWLOCK_MAX_BODY_BYTES", "20000"}, {"ROWLOCK_MAX_HEADER_BYTES", "8000"}});
    server.define("sized", {{"type", "noop"}});
    const auto body_of = [](std::size_t padding) { return R"({"job_id": "sized", "parameters": {"p": ")" + std::string(padding, 'x') + "\"}}"; };
    CHECK(http_request(server.address(), "POST", "/v1/executions", body_of(19'000)).status == 201);
    check_problem(http_request(server.address(), "POST", "/v1/executions", body_of(20'000)), 413);

    // Without a length, in chunks.
    http_connection chunked(server.address());
    chunked.send("POST /v1/executions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    std::string piece(8000, 'x');
    try {
        for (int i = 0; i < 4; ++i) chunked.send("1f40\r\n" + piece + "\r\n");
    } catch (const std::runtime_error&) {
        SUCCEED("the server has closed already");
    }
    check_problem(chunked.receive(), 413);
    // A length that is announced is refused before the body comes.
    http_connection announced(server.address());
    announced.send("POST /v1/executions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 999999999999\r\nExpect: 100-continue\r\n\r\n");
    check_problem(announced.receive(), 413);

    check_problem(http_request(server.address(), "GET", "/v1/jobs", {}, {{"X-Padding", std::string(9000, 'x')}}), 431);
    check_problem(http_request(server.address(), "GET", "/v1/jobs/" + std::string(9000, 'x')), 431);
    http_fields many;
    for (int i = 0; i < 1000; ++i) many.emplace_back("X-" + std::to_string(i), "value");
    check_problem(http_request(server.address(), "GET", "/v1/jobs", {}, many), 431);
    CHECK(server.run("sized").at("status") == "COMPLETED");
    CHECK(server.get("/v1/executions?job_id=sized").json().at("items").as_array().size() == 2);
    CHECK(server.terminate() == 0);
}
