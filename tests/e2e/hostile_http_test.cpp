#include "tests/support/server_process.hpp"

#include <boost/json/object.hpp>
#include <catch2/catch.hpp>

using namespace rowlock::test;
using namespace std::chrono_literals;
namespace json = boost::json;

namespace {

// Short of patience and of room, so that tests need neither.
struct strict_server {
    test_database database;
    server_process server{{"serve", "--auth", "none", "--database", database.url()},
                          {{"ROWLOCK_HEADER_TIMEOUT_SECONDS", "0.5"}, {"ROWLOCK_IDLE_TIMEOUT_SECONDS", "2"}, {"ROWLOCK_MAX_CONNECTIONS", "8"}}};
    strict_server() { server.define("strict", {{"type", "noop"}}); }
};

strict_server& strict()
{
    private_postgres::of_this_run();
    static strict_server one;
    return one;
}

// Connections of the test before are closed, but the server may not have noticed yet.
void await_room()
{
    eventually("the server takes connections", [] {
        try {
            return strict().server.get("/healthz").status == 200;
        } catch (const std::runtime_error&) {
            return false;
        }
    });
}

}

TEST_CASE("what is no HTTP is answered 400 and closed", "[e2e][hostile]")
{
    struct row {
        const char* why;
        std::string bytes;
    };
    const auto r = GENERATE(values<row>({
        {"noise", std::string("\x00\x01\x02\xff\xfe\r\n\r\n", 9)},
        {"a TLS hello", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 15)},
        {"no version", "GET /healthz\r\n\r\n"},
        {"a version that does not exist", "GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n"},
        {"a blank in a header's name", "GET /healthz HTTP/1.1\r\nHo st: x\r\n\r\n"},
        {"a header without a colon", "GET /healthz HTTP/1.1\r\nHost\r\n\r\n"},
        {"a NUL in a header", std::string("GET /healthz HTTP/1.1\r\nHost: a\0b\r\n\r\n", 37)},
        {"a NUL in the path", std::string("GET /heal\0thz HTTP/1.1\r\nHost: x\r\n\r\n", 36)},
        {"a length that is none", "POST /v1/executions HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n"},
        {"a negative length", "POST /v1/executions HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n"},
        {"two lengths", "POST /v1/executions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}"},
        {"a length and chunks", "POST /v1/executions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {"a chunk's size that is none", "POST /v1/executions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"},
        {"a chunk without an end", "POST /v1/executions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}x\r\n0\r\n\r\n"},
    }));
    INFO(r.why);
    await_room();
    http_connection connection(strict().server.address());
    connection.send(r.bytes);
    const auto reply = connection.receive();
    INFO(reply.body);
    CHECK(reply.status == 400);
    CHECK(connection.is_closed_within(10s));
    CHECK(strict().server.get("/healthz").status == 200);
}

TEST_CASE("percent signs and odd paths are answered, not obeyed", "[e2e][hostile]")
{
    for (const char* path : {"/v1/jobs/%00", "/v1/jobs/%zz", "/v1/jobs/%", "/v1/executions/%ff%fe", "/..%2f..%2fetc/passwd", "/../../etc/passwd", "/v1/jobs/..", "*", "/%2e%2e/",
                             "/v1/executions?job_id=%00", "/v1/executions?%ff=1", "/v1/executions?tag=%00:x", "/v1/executions?cursor=%00"}) {
        INFO(path);
        await_room();
        const auto status = strict().server.get(path).status;
        CHECK((status == 400 || status == 404 || status == 422));
    }
}

TEST_CASE("a head that trickles in is given up after HEADER_TIMEOUT_SECONDS", "[e2e][hostile]")
{
    await_room();
    const auto started = std::chrono::steady_clock::now();
    http_connection slow(strict().server.address());
    slow.send("GET /healthz HTTP/1.1\r\nHost: x\r\n");
    bool closed = false;
    for (int i = 0; i < 200 && !closed; ++i) {
        try {
            slow.send("X-" + std::to_string(i) + ": y\r\n");
        } catch (const std::runtime_error&) {
            closed = true;
            break;
        }
        closed = slow.is_closed_within(100ms);
    }
    CHECK(closed);
    CHECK(std::chrono::steady_clock::now() - started < 15s);

    http_connection silent(strict().server.address());
    CHECK(silent.is_closed_within(15s));
}

TEST_CASE("a connection that says no more is given up after IDLE_TIMEOUT_SECONDS", "[e2e][hostile]")
{
    await_room();
    http_connection idle(strict().server.address());
    idle.send(request_text("GET", "/healthz"));
    CHECK(idle.receive().status == 200);
    CHECK(idle.is_closed_within(30s));
}

TEST_CASE("a thousand pipelined requests are answered in their order", "[e2e][hostile]")
{
    auto& server = open_server();
    server.define("pipelined", {{"type", "noop"}});
    std::string all;
    for (int i = 0; i < 1000; ++i) {
        switch (i % 4) {
        case 0: all += request_text("GET", "/healthz"); break;
        case 1: all += request_text("GET", "/v1/nothing"); break;
        case 2: all += request_text("POST", "/v1/executions", R"({"job_id": "pipelined"})", {{"Idempotency-Key", "pipelined-" + std::to_string(i)}}); break;
        case 3: all += request_text("POST", "/v1/executions", "not json"); break;
        }
    }
    http_connection connection(server.address());
    // Everything is sent before anything is read, as far as the sockets hold it.
    connection.send(all);
    constexpr int expected[] = {200, 404, 201, 400};
    for (int i = 0; i < 1000; ++i) {
        INFO(i);
        REQUIRE(connection.receive().status == expected[i % 4]);
    }
}

TEST_CASE("a request in many small pieces is a request", "[e2e][hostile]")
{
    auto& server = open_server();
    server.define("pieces", {{"type", "noop"}});
    http_connection connection(server.address());
    for (const char c : request_text("POST", "/v1/executions", R"({"job_id": "pieces"})")) connection.send({&c, 1});
    CHECK(connection.receive().status == 201);
    connection.send("POST /v1/executions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string body = R"({"job_id": "pieces"})";
    for (const char c : body) connection.send(std::string("1;extension=1\r\n") + c + "\r\n");
    connection.send("0\r\nTrailer: x\r\n\r\n");
    CHECK(connection.receive().status == 201);
    connection.send("POST /v1/executions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 20\r\nExpect: 100-continue\r\n\r\n");
    const auto go_on = connection.receive_some();
    CHECK(go_on.rfind("HTTP/1.1 100", 0) == 0);
    connection.send(body);
    CHECK(connection.receive().status == 201);
    // HTTP/1.0 without keep-alive is closed after its answer.
    http_connection old(server.address());
    old.send("GET /healthz HTTP/1.0\r\n\r\n");
    CHECK(old.receive().status == 200);
    CHECK(old.is_closed_within(10s));
    http_connection last(server.address());
    last.send(request_text("GET", "/healthz", {}, {{"Connection", "close"}}));
    CHECK(last.receive().status == 200);
    CHECK(last.is_closed_within(10s));
    http_connection head(server.address());
    head.send(request_text("HEAD", "/healthz") + request_text("GET", "/healthz"));
    CHECK(head.receive(true).status == 200);
    CHECK(head.receive().body.size() > 0);
}

TEST_CASE("a connection beyond MAX_CONNECTIONS is answered 503 with Retry-After, and there is room again afterwards", "[e2e][hostile]")
{
    await_room();
    {
        std::vector<http_connection> held;
        int refused = 0;
        for (int i = 0; i < 20 && refused == 0; ++i) {
            held.emplace_back(strict().server.address());
            held.back().send(request_text("GET", "/v1/executions"));
            const auto reply = held.back().receive();
            if (reply.status == 200) continue;
            CHECK(reply.status == 503);
            CHECK_FALSE(reply.field("Retry-After").empty());
            ++refused;
        }
        CHECK(refused == 1);
        CHECK(held.size() <= 10);
    }
    await_room();
}

TEST_CASE("a client that goes away within a long wait costs nothing", "[e2e][hostile]")
{
    auto& server = open_server();
    server.define("left", {{"type", "sleep"}, {"seconds", 300}});
    const auto id = server.submit("left");
    server.await_status(id, "RUNNING");
    for (int i = 0; i < 50; ++i) {
        http_connection leaver(server.address());
        leaver.send(request_text("GET", "/v1/executions/" + id + (i % 2 ? "/wait?timeout_seconds=300" : "/log?follow=true")));
    }
    http_connection half(server.address());
    half.send(request_text("GET", "/v1/executions/" + id + "/wait?timeout_seconds=0.2"));
    half.finish_sending();
    CHECK(half.receive().status == 200);
    CHECK(server.post("/v1/executions/" + id + "/cancel", json::object{}).status == 202);
    CHECK(server.ended(id).at("status") == "CANCELLED");
}

TEST_CASE("a submission whose client hangs up before the answer is stored whole or not at all", "[e2e][hostile]")
{
    auto& server = open_server();
    server.define("hung-up", {{"type", "noop"}});
    for (int i = 0; i < 20; ++i) {
        http_connection leaver(server.address());
        leaver.send(request_text("POST", "/v1/executions", R"({"job_id": "hung-up"})", {{"Idempotency-Key", "hung-up-" + std::to_string(i)}}));
    }
    // The same keys again are safe, and there are never two.
    for (int i = 0; i < 20; ++i) {
        const auto reply = server.post("/v1/executions", {{"job_id", "hung-up"}}, {{"Idempotency-Key", "hung-up-" + std::to_string(i)}});
        CHECK((reply.status == 200 || reply.status == 201));
    }
    CHECK(server.get("/v1/executions?job_id=hung-up&limit=1000").json().at("items").as_array().size() == 20);
}
