#include "ops/dev_postgres.hpp"
#include "tests/support/process_figures.hpp"
#include "tests/support/server_process.hpp"
#include "tests/support/websocket_client.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <csignal>
#include <sys/resource.h>

using namespace rowlock::test;
using namespace std::chrono_literals;
namespace json = boost::json;

namespace {

constexpr std::size_t mebibyte = 1024 * 1024;

// What has been freed counts as used for as long as the address sanitizer holds it back.
environment_map frugal(environment_map more = {})
{
    const char* given = std::getenv("ASAN_OPTIONS");
    more["ASAN_OPTIONS"] = std::string(given ? given : "") + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64";
    return more;
}

std::string body_of(std::size_t bytes)
{
    return R"({"job_id": "bounded", "parameters": {"text": ")" + std::string(bytes, 'x') + "\"}}";
}

// The head of a submission with a body of so many bytes, and the first of them.
std::string begun(const std::string& body, std::size_t sent)
{
    return "POST /v1/executions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body.substr(0, sent);
}

// The undefined-behaviour sanitizer looks at objects through a pipe that it opens, and takes them for broken where it cannot.
bool needs_files_for_virtual_calls()
{
    return text_of_file(rowlock_binary()).find("__ubsan_handle_dynamic_type_cache_miss") != std::string::npos;
}

void check_refused(const http_reply& reply)
{
    INFO(reply.status << " " << reply.body);
    CHECK(reply.status == 503);
    CHECK(text_at(reply.json(), "/code") == "OVERLOADED");
    CHECK(std::stoi("0" + reply.field("Retry-After")) >= 1);
}

}

TEST_CASE("two thousand connections that say nothing take little memory, and the next two thousand none", "[e2e][bounds]")
{
    const test_database database;
    server_process server({"serve", "--auth", "none", "--database", database.url()}, frugal());
    const auto pid = server.process().pid();
    server.get("/healthz");
    const auto connect_all = [&] {
        std::vector<http_connection> all;
        for (int i = 0; i < 2000; ++i) {
            all.emplace_back(server.address());
            all.back().send(request_text("GET", "/healthz"));
        }
        for (auto& one : all) REQUIRE(one.receive().status == 200);
        return all;
    };
    const auto before = resident_memory(pid);
    std::size_t first = 0;
    {
        const auto held = connect_all();
        CHECK(server.metric("rowlock_http_connections") >= 2000);
        first = resident_memory(pid);
        // A sanitizer build pads every allocation; a release build takes a tenth of this.
        CHECK(first - before < 2000 * 64 * 1024);
    }
    eventually("the server has noticed that they went", [&] { return server.metric("rowlock_http_connections") < 10; });
    const auto again = connect_all();
    const auto second = resident_memory(pid);
    INFO(before / mebibyte << " MiB, " << first / mebibyte << " MiB, " << second / mebibyte << " MiB");
    CHECK(second < first + 16 * mebibyte);
}

TEST_CASE("bodies that come a byte at a time take no memory, and are cut off with 408 after BODY_TIMEOUT_SECONDS", "[e2e][bounds]")
{
    const test_database database;
    server_process server({"serve", "--auth", "none", "--database", database.url()}, frugal({{"ROWLOCK_BODY_TIMEOUT_SECONDS", "1.5"}}));
    const auto pid = server.process().pid();
    server.define("bounded", {{"type", "noop"}});
    const auto body = body_of(mebibyte);
    const auto before = resident_memory(pid);
    std::vector<http_connection> slow;
    for (int i = 0; i < 300; ++i) {
        slow.emplace_back(server.address());
        slow.back().send(begun(body, 1));
    }
    // It matters that they are not silent: each byte comes within any idle time.
    for (std::size_t sent = 1; sent < 4; ++sent) {
        for (auto& one : slow) one.send(body.substr(sent, 1));
    }
    const auto during = resident_memory(pid);
    INFO(before / mebibyte << " MiB before, " << during / mebibyte << " MiB with them");
    CHECK(during < before + 32 * mebibyte);
    for (auto& one : slow) {
        const auto reply = one.receive();
        REQUIRE(reply.status == 408);
        CHECK(text_at(reply.json(), "/code") == "REQUEST_TIMEOUT");
    }
    CHECK(slow.front().is_closed_within(20s));
    CHECK(server.get("/v1/executions").json().at("items").as_array().empty());
}

TEST_CASE("bodies that find no room in MAX_BODY_MEMORY_BYTES are answered 503 with Retry-After, and there is room again afterwards", "[e2e][bounds]")
{
    const test_database database;
    server_process server({"serve", "--auth", "none", "--database", database.url()}, frugal({{"ROWLOCK_MAX_BODY_MEMORY_BYTES", "8388608"}}));
    server.define("bounded", {{"type", "noop"}});
    const auto body = body_of(mebibyte);
    {
        // Each stops short of its last byte.
        std::vector<http_connection> held;
        int refused = 0;
        for (int i = 0; i < 12 && refused == 0; ++i) {
            held.emplace_back(server.address());
            try {
                held.back().send(begun(body, body.size() - 1));
            } catch (const std::runtime_error&) {
                // The refusal may come before all of it is sent.
            }
            const auto came = [&] { return server.metric("rowlock_http_body_memory_bytes") >= static_cast<double>((held.size()) * mebibyte); };
            const auto turned_away = [&] { return held.back().is_readable(); };
            eventually("the body has come, or is refused", [&] { return turned_away() || came(); });
            if (!turned_away()) continue;
            check_refused(held.back().receive());
            ++refused;
        }
        CHECK(refused == 1);
        CHECK(server.metric("rowlock_http_body_memory_bytes") <= 8.0 * mebibyte);
        // Small requests go on all the while.
        CHECK(server.post("/v1/executions", {{"job_id", "bounded"}}).status == 201);
        held.front().send(body.substr(body.size() - 1));
        const auto whole = held.front().receive();
        // What it becomes when it is parsed needs room as well, and may not find it.
        CHECK((whole.status == 201 || whole.status == 503));
    }
    eventually("the memory is given back", [&] { return server.metric("rowlock_http_body_memory_bytes") == 0; });
    CHECK(http_request(server.address(), "POST", "/v1/executions", body).status == 201);

    // What would find no room alone either is too large, now and later.
    http_connection too_large(server.address());
    too_large.send(begun(std::string(9 * mebibyte, ' '), 0));
    CHECK(too_large.receive().status == 413);
    std::string values = R"({"job_id": "bounded", "parameters": {"n": [0)";
    for (int i = 0; i < 700'000; ++i) values += ",0";
    CHECK(http_request(server.address(), "POST", "/v1/executions", values + "]}}").status == 413);
    // The answer goes out before what it was about is let go.
    eventually("what was refused gives its memory back", [&] { return server.metric("rowlock_http_body_memory_bytes") == 0; });
}

TEST_CASE("messages of a WebSocket find room in MAX_BODY_MEMORY_BYTES, or are refused, and leave nothing behind", "[e2e][bounds]")
{
    const test_database database;
    server_process server({"serve", "--auth", "none", "--database", database.url()}, {{"ROWLOCK_MAX_BODY_MEMORY_BYTES", "8388608"}});
    server.define("bounded", {{"type", "noop"}});
    websocket_client stream(server.address());
    CHECK(stream.receive().at("op") == "welcome");
    const auto submit = [](const std::string& executions) { return R"({"op": "submit", "id": "1", "executions": [)" + executions + "]}"; };
    stream.send_text(submit(body_of(mebibyte)));
    CHECK(stream.receive().at("op") == "accepted");
    std::string values = R"({"job_id": "bounded", "parameters": {"n": [0)";
    for (int i = 0; i < 700'000; ++i) values += ",0";
    stream.send_text(submit(values + "]}}"));
    const auto refused = stream.receive();
    CHECK(refused.at("op") == "rejected");
    CHECK(text_at(refused, "/problem/code") == "BODY_TOO_LARGE");
    stream.send_text(submit(R"({"job_id": "bounded"})"));
    CHECK(stream.receive().at("op") == "accepted");
    stream.close();
    eventually("nothing is left of it", [&] { return server.metric("rowlock_http_body_memory_bytes") == 0; });

    // A message that comes in part and finds no room ends its stream.
    auto raw = raw_websocket(server.address());
    raw.send(client_frame(1, std::string(9 * mebibyte, ' '), false));
    std::string buffer;
    CHECK(next_frame(raw, buffer)->opcode == 1);
    const auto closed = next_frame(raw, buffer);
    REQUIRE(closed.has_value());
    CHECK(closed->code() == 1013);
}

TEST_CASE("a request that waits for its run keeps no body", "[e2e][bounds]")
{
    const test_database database;
    server_process server({"serve", "--auth", "none", "--database", database.url()});
    server.define("bounded", {{"type", "sleep"}, {"seconds", 600}});
    http_connection waiting(server.address());
    waiting.send(request_text("POST", "/v1/executions?wait_seconds=300", body_of(mebibyte)));
    eventually("it waits", [&] { return server.metric("rowlock_http_requests_waiting") == 1; });
    CHECK(server.metric("rowlock_http_body_memory_bytes") == 0);
}

TEST_CASE("followed logs and WebSockets are bounded by MAX_STREAMS together", "[e2e][bounds]")
{
    const test_database database;
    server_process server({"serve", "--auth", "none", "--database", database.url(), "--max-streams", "3"});
    server.define("bounded", {{"type", "sleep"}, {"seconds", 600}});
    const auto id = server.submit("bounded");
    const auto follow = request_text("GET", "/v1/executions/" + id + "/log?follow=true");
    {
        std::vector<http_connection> followers;
        for (int i = 0; i < 2; ++i) {
            followers.emplace_back(server.address());
            followers.back().send(follow);
            CHECK(followers.back().receive_some().rfind("HTTP/1.1 200", 0) == 0);
        }
        websocket_client stream(server.address());
        CHECK(stream.receive().at("op") == "welcome");
        CHECK(server.metric("rowlock_http_streams") == 3);
        http_connection one_more(server.address());
        one_more.send(follow);
        check_refused(one_more.receive());
        CHECK_THROWS_AS(websocket_client(server.address()), std::runtime_error);
        // A log that is not followed is no stream.
        CHECK(server.get("/v1/executions/" + id + "/log").status == 200);
    }
    eventually("their places are free again", [&] { return server.metric("rowlock_http_streams") == 0; });
}

TEST_CASE("while the database does not answer, at most MAX_QUEUED_SUBMISSIONS wait, the rest is refused, and none is lost", "[e2e][bounds]")
{
    const scratch_folder folder;
    auto cluster = rowlock::ops::dev_postgres::start({.data_dir = folder.path() / "data", .settings = {{"fsync", "off"}}});
    REQUIRE(cluster.has_value());
    server_process server({"serve", "--auth", "none", "--database", cluster->url(), "--max-queued-submissions", "40"}, frugal());
    server.define("bounded", {{"type", "noop"}});
    server.run("bounded");
    const auto pid = server.process().pid();
    const auto body = body_of(16 * 1024);
    const auto before = resident_memory(pid);
    std::vector<http_connection> callers;
    std::vector<http_connection*> waiting;
    std::size_t refused = 0;
    {
        const auto postmaster = std::stoi(text_of_file(folder.path() / "data" / "pg" / "postmaster.pid"));
        auto all = children_of(postmaster);
        all.push_back(postmaster);
        const stopped_processes stopped(std::move(all));
        for (int i = 0; i < 200; ++i) {
            callers.emplace_back(server.address());
            callers.back().send(request_text("POST", "/v1/executions", body));
        }
        // The first is being committed, and 40 wait behind it; a few more may have gone into the same commit.
        eventually("the rest is refused", [&] {
            refused = static_cast<std::size_t>(std::count_if(callers.begin(), callers.end(), [](http_connection& one) { return one.is_readable(); }));
            return refused + static_cast<std::size_t>(server.metric("rowlock_submissions_waiting")) == callers.size();
        });
        CHECK(refused >= 100);
        CHECK(refused <= 160);
        for (auto& one : callers) {
            if (one.is_readable()) check_refused(one.receive());
            else waiting.push_back(&one);
        }
        const auto during = resident_memory(pid);
        INFO(before / mebibyte << " MiB before, " << during / mebibyte << " MiB with them");
        CHECK(during < before + 48 * mebibyte);
    }
    for (auto* one : waiting) {
        const auto reply = one->receive();
        INFO(reply.status << " " << reply.body);
        CHECK(reply.status == 201);
    }
    CHECK(server.get("/v1/executions?limit=1000").json().at("items").as_array().size() == waiting.size() + 1);
}

TEST_CASE("without a free file descriptor the server accepts nothing, does not spin, and goes on when there is one", "[e2e][bounds]")
{
    if (needs_files_for_virtual_calls()) {
        WARN("run with ROWLOCK_BINARY of a build without the undefined-behaviour sanitizer");
        return;
    }
    const test_database database;
    server_process server({"serve", "--auth", "none", "--database", database.url()});
    const auto pid = server.process().pid();
    REQUIRE(server.get("/healthz").status == 200);
    rlimit limit{};
    REQUIRE(::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit) == 0);
    // The server takes all that the system lets it have.
    CHECK(limit.rlim_cur == limit.rlim_max);
    limit.rlim_cur = open_files(pid) + 4;
    REQUIRE(::prlimit(pid, RLIMIT_NOFILE, &limit, nullptr) == 0);
    std::vector<http_connection> callers;
    for (int i = 0; i < 30; ++i) {
        callers.emplace_back(server.address());
        callers.back().send(request_text("GET", "/healthz"));
    }
    const std::string said = "no connection can be accepted";
    eventually("it has said so", [&] { return server.process().err().find(said) != std::string::npos; });
    const auto used = processor_time(pid);
    outlast(1s);
    CHECK(processor_time(pid) - used < 500ms);
    const auto log = server.process().err();
    // Once for each core at the most, not for each try.
    std::size_t times = 0;
    for (auto at = log.find(said); at != std::string::npos; at = log.find(said, at + 1)) ++times;
    CHECK(times <= 64);
    limit.rlim_cur = limit.rlim_max;
    REQUIRE(::prlimit(pid, RLIMIT_NOFILE, &limit, nullptr) == 0);
    for (auto& one : callers) CHECK(one.receive().status == 200);
}

TEST_CASE("programs get the limit on open files that the server was started with", "[e2e][bounds]")
{
    rlimit mine{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &mine) == 0);
    if (mine.rlim_max < 512) return;
    const rlimit lowered{300, mine.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &lowered) == 0);
    const test_database database;
    server_process server({"serve", "--auth", "none", "--database", database.url()}, any_program());
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &mine) == 0);
    server.define("files", {{"type", "process"}, {"command", {"/bin/sh", "-c", "echo \"{\\\"output\\\": {\\\"files\\\": $(ulimit -Sn)}}\" >&3"}}});
    CHECK(server.run("files").at_pointer("/result/outputs/files") == 300);
}
