#include "tests/support/database_proxy.hpp"
#include "tests/support/database_rows.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/stream_client.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <csignal>
#include <map>
#include <set>

using namespace rowlock::test;
using namespace std::chrono_literals;
namespace json = boost::json;

namespace {

json::object one_of(const std::string& job, json::object more = {})
{
    more["job_id"] = job;
    return more;
}

json::object submit_frame(const json::value& id, json::array executions)
{
    return {{"op", "submit"}, {"id", id}, {"executions", std::move(executions)}};
}

server_process& server_with_jobs()
{
    auto& server = open_server();
    static const bool defined = [&server] {
        server.define("streamed", {{"type", "noop"}}, {{"parameters", {{"a", 1}}}});
        server.define("streamed-off", {{"type", "noop"}}, {{"enabled", false}});
        return true;
    }();
    CHECK(defined);
    return server;
}

}

TEST_CASE("a submitted frame is accepted after its commit, in the order given, and runs", "[e2e][stream]")
{
    auto& server = server_with_jobs();
    stream_client stream(server);
    json::array list;
    for (int i = 0; i < 50; ++i) list.push_back(one_of("streamed", {{"parameters", {{"i", i}}}, {"priority", i % 3}}));
    const auto reply = stream.ask(submit_frame("1", list));
    INFO(json::serialize(reply));
    REQUIRE(reply.at("op") == "accepted");
    CHECK(reply.at("id") == "1");
    const auto& items = reply.at("executions").as_array();
    REQUIRE(items.size() == 50);
    for (std::size_t i = 0; i < items.size(); i += 7) {
        CHECK(items[i].at("job_id") == "streamed");
        CHECK(items[i].at("job_version").is_int64());
        CHECK(items[i].at("replayed") == false);
        CHECK(items[i].at("run_id") == items[i].at("execution_id"));
        // Committed: another connection sees it at once.
        CHECK(server.execution(text_at(items[i], "/execution_id")).at_pointer("/parameters/i") == i);
        const auto end = server.ended(text_at(items[i], "/execution_id"));
        CHECK(end.at("status") == "COMPLETED");
        CHECK(end.at_pointer("/parameters/a") == 1);
        CHECK(end.at("priority") == i % 3);
        CHECK(end.at("submitter") == "local");
    }
}

TEST_CASE("the id comes back as the client gave it", "[e2e][stream]")
{
    stream_client stream(server_with_jobs());
    for (const json::value& id : {json::value("x"), json::value(""), json::value("a \"quoted\" \\ one \xc3\xa4"), json::value(7), json::value(-1), json::value(18446744073709551615u), json::value(nullptr)}) {
        const auto accepted = stream.ask(submit_frame(id, {one_of("streamed")}));
        CHECK(accepted.at("op") == "accepted");
        CHECK(accepted.at("id") == id);
        const auto rejected = stream.ask(submit_frame(id, {one_of("nobody-knows")}));
        CHECK(rejected.at("op") == "rejected");
        CHECK(rejected.at("id") == id);
    }
    const auto without = stream.ask({{"op", "submit"}, {"executions", json::array{one_of("streamed")}}});
    CHECK(without.at("op") == "accepted");
    CHECK(without.at("id").is_null());
    for (const json::value& id : {json::value(json::object{}), json::value(true), json::value(1.5), json::value(std::string(300, 'i'))}) {
        const auto refused = stream.ask(submit_frame(id, {one_of("streamed")}));
        CHECK(refused.at("op") == "rejected");
        CHECK(refused.at("id").is_null());
        CHECK(text_at(refused, "/problem/errors/0/field") == "id");
    }
}

TEST_CASE("many frames are in flight at once, and each has its own answer", "[e2e][stream]")
{
    auto& server = server_with_jobs();
    stream_client stream(server);
    const std::size_t frames = std::min<std::size_t>(stream.max_in_flight, 500);
    for (std::size_t i = 0; i < frames; ++i) stream.socket.send(submit_frame(i, json::array(1 + i % 3, one_of("streamed", {{"correlation_id", "in-flight"}}))));
    std::set<std::size_t> answered;
    std::set<std::string> ids;
    for (std::size_t i = 0; i < frames; ++i) {
        const auto reply = stream.socket.receive();
        INFO(json::serialize(reply));
        REQUIRE(reply.at("op") == "accepted");
        const auto id = reply.at("id").to_number<std::size_t>();
        answered.insert(id);
        CHECK(reply.at("executions").as_array().size() == 1 + id % 3);
        for (const auto& one : reply.at("executions").as_array()) ids.insert(text_at(one, "/execution_id"));
    }
    CHECK(answered.size() == frames);
    CHECK(ids.size() == frames / 3 * 6 + (frames % 3 == 2 ? 3 : frames % 3));
    server.await_status(*ids.rbegin(), "COMPLETED");
}

TEST_CASE("what a batch over HTTP refuses a frame refuses, with the same problem", "[e2e][stream]")
{
    auto& server = server_with_jobs();
    stream_client stream(server);
    struct row {
        const char* why;
        json::value executions;
    };
    const json::object fine = one_of("streamed");
    const std::vector<row> rows{
        {"no list", json::object{}},
        {"an empty list", json::array{}},
        {"too many", json::array(10'001, fine)},
        {"not an object", json::array{fine, 7}},
        {"an unknown job", json::array{fine, one_of("nobody-knows"), one_of("nobody-knows-either")}},
        {"a disabled job", json::array{one_of("streamed-off")}},
        {"an unknown version", json::array{one_of("streamed", {{"job_version", 99}})}},
        {"wrong fields", json::array{one_of("streamed", {{"priority", 5000}}), one_of("No Slug"), one_of("streamed", {{"colour", "red"}}), json::object{}}},
        {"a NUL", json::array{one_of("streamed", {{"parameters", {{"a", json::string("x\0y", 3)}}}})}},
        {"a key twice", json::array{one_of("streamed", {{"idempotency_key", "twice"}}), one_of("streamed", {{"idempotency_key", "twice"}})}},
    };
    for (const auto& r : rows) {
        INFO(r.why);
        const auto over_http = server.post("/v1/executions/batch", {{"executions", r.executions}});
        stream.socket.send({{"op", "submit"}, {"id", r.why}, {"executions", r.executions}});
        const auto rejected = stream.socket.receive();
        CHECK(rejected.at("op") == "rejected");
        CHECK(rejected.at("id") == r.why);
        CHECK(rejected.at("problem") == over_http.json());
    }
    const auto missing = stream.ask({{"op", "submit"}, {"id", "1"}});
    CHECK(text_at(missing, "/problem/errors/0/field") == "executions");
    CHECK(stream.ask(submit_frame("still", {fine})).at("op") == "accepted");
}

TEST_CASE("idempotency keys hold over frames, batches and sockets alike", "[e2e][stream]")
{
    auto& server = server_with_jobs();
    stream_client stream(server);
    const auto keyed = submit_frame("1", {one_of("streamed", {{"idempotency_key", "stream-own"}}), one_of("streamed")});
    const auto first = stream.ask(keyed);
    REQUIRE(first.at("op") == "accepted");
    stream_client other(server);
    const auto again = other.ask(keyed);
    REQUIRE(again.at("op") == "accepted");
    CHECK(again.at_pointer("/executions/0/execution_id") == first.at_pointer("/executions/0/execution_id"));
    CHECK(again.at_pointer("/executions/0/replayed") == true);
    CHECK(again.at_pointer("/executions/1/replayed") == false);
    const auto reused = stream.ask(submit_frame("2", {one_of("streamed", {{"idempotency_key", "stream-own"}, {"priority", 5}})}));
    CHECK(reused.at("op") == "rejected");
    CHECK(reused.at_pointer("/problem/status") == 409);
    CHECK(reused.at_pointer("/problem/code") == "IDEMPOTENCY_KEY_REUSED");
    CHECK(text_at(reused, "/problem/errors/0/field") == "executions[0].idempotency_key");

    // A key of the whole frame is a key of the whole batch.
    auto whole = submit_frame("3", {one_of("streamed"), one_of("streamed")});
    whole["idempotency_key"] = "stream-whole";
    const auto accepted = stream.ask(whole);
    REQUIRE(accepted.at("op") == "accepted");
    const auto over_http = server.post("/v1/executions/batch", {{"executions", whole.at("executions")}}, {{"Idempotency-Key", "stream-whole"}});
    CHECK(over_http.status == 200);
    CHECK(over_http.json().at_pointer("/executions/1/execution_id") == accepted.at_pointer("/executions/1/execution_id"));
    whole["executions"] = json::array{one_of("streamed", {{"idempotency_key", "beside"}})};
    const auto both = stream.ask(whole);
    CHECK(both.at_pointer("/problem/status") == 422);
    CHECK(text_at(both, "/problem/errors/0/field") == "executions[0].idempotency_key");
    whole["idempotency_key"] = "not visible";
    CHECK(text_at(stream.ask(whole), "/problem/errors/0/field") == "idempotency_key");
}

TEST_CASE("what is no frame is rejected, and the stream goes on", "[e2e][stream]")
{
    stream_client stream(server_with_jobs());
    for (const char* text : {"", "{", "nonsense", "[1]", "\"submit\"", "7", "{\"op\":\"submit\",}", "{\"op\":1e999}"}) {
        INFO(text);
        const auto reply = stream.ask_text(text);
        CHECK(reply.at("op") == "rejected");
        CHECK(reply.at("id").is_null());
        CHECK(reply.at_pointer("/problem/status") == 400);
        CHECK(reply.at_pointer("/problem/code") == "MALFORMED_JSON");
    }
    for (const char* text : {"{\"id\":\"9\"}", "{\"id\":\"9\",\"op\":\"dance\"}", "{\"id\":\"9\",\"op\":7}", "{\"id\":\"9\",\"op\":\"submit\",\"executions\":[{\"job_id\":\"streamed\"}],\"colour\":1}"}) {
        INFO(text);
        const auto reply = stream.ask_text(text);
        CHECK(reply.at("op") == "rejected");
        CHECK(reply.at("id") == "9");
        CHECK(reply.at_pointer("/problem/status") == 422);
        CHECK_FALSE(reply.at_pointer("/problem/errors").as_array().empty());
    }
    stream.socket.send_binary("{\"op\":\"submit\"}");
    const auto binary = stream.socket.receive();
    CHECK(binary.at("op") == "rejected");
    CHECK(binary.at("id").is_null());
    CHECK(binary.at_pointer("/problem/status") == 415);
    CHECK(stream.ask(submit_frame("still", {one_of("streamed")})).at("op") == "accepted");
}

namespace {

// The first tick after a job was changed makes its instance forget it, and the next frame would ask the database, which stands still by then.
void await_two_ticks(const test_database& database)
{
    const auto lease = [&] { return rows_at(database.url(), "select lease_until from instances where state = 'ALIVE'")[0][0].as<std::string>(); };
    for (int i = 0; i < 2; ++i) {
        const auto before = lease();
        eventually("the lease is renewed", [&] { return lease() != before; });
    }
}

}

TEST_CASE("past max_in_flight frames are refused, and those in flight are not touched", "[e2e][stream]")
{
    const test_database database;
    database_proxy between(database.url());
    server_process server({"serve", "--auth", "none", "--database", between.url()}, {{"ROWLOCK_STREAM_MAX_IN_FLIGHT", "3"}, {"ROWLOCK_LEASE_SECONDS", "6"}});
    server.define("held", {{"type", "noop"}});
    await_two_ticks(database);
    server.run("held");
    stream_client stream(server);
    REQUIRE(stream.max_in_flight == 3);
    between.stall();
    for (int i = 0; i < 5; ++i) stream.socket.send(submit_frame(i, {one_of("held")}));
    for (int i = 3; i < 5; ++i) {
        const auto refused = stream.socket.receive();
        INFO(json::serialize(refused));
        CHECK(refused.at("op") == "rejected");
        CHECK(refused.at("id") == i);
        CHECK(refused.at_pointer("/problem/status") == 429);
        CHECK(refused.at_pointer("/problem/retry_after").to_number<int>() >= 1);
    }
    between.go_on();
    std::set<int> accepted;
    for (int i = 0; i < 3; ++i) {
        const auto reply = stream.socket.receive();
        CHECK(reply.at("op") == "accepted");
        accepted.insert(reply.at("id").to_number<int>());
    }
    CHECK(accepted == std::set<int>{0, 1, 2});
    CHECK(stream.ask(submit_frame("more", {one_of("held")})).at("op") == "accepted");
}

TEST_CASE("what is in flight is answered before a server that stops says goodbye", "[e2e][stream]")
{
    const test_database database;
    database_proxy between(database.url());
    server_process server({"serve", "--auth", "none", "--database", between.url()}, {{"ROWLOCK_GRACEFUL_TIMEOUT_SECONDS", "0"}, {"ROWLOCK_DRAIN_SECONDS", "0"}, {"ROWLOCK_LEASE_SECONDS", "6"}});
    server.define("held", {{"type", "noop"}});
    await_two_ticks(database);
    server.run("held");
    stream_client idle(server);
    stream_client busy(server);
    between.stall();
    busy.socket.send(submit_frame("1", {one_of("held")}));
    // In flight: the figure says so, and the answer cannot come yet.
    eventually("the frame waits for its commit", [&] { return server.get("/metrics").body.find("\nrowlock_submissions_waiting 1") != std::string::npos; });
    server.process().signal(SIGTERM);
    eventually("the stop is under way", [&] { return server.process().err().find("stopping") != std::string::npos; });
    between.go_on();
    const auto reply = busy.socket.receive();
    CHECK(reply.at("op") == "accepted");
    CHECK(busy.socket.closed_with() == 1001);
    CHECK(idle.socket.closed_with() == 1001);
    CHECK_FALSE(idle.socket.close_reason().empty());
    CHECK(server.process().wait() == 0);
    server_process next({"serve", "--auth", "none", "--database", database.url()});
    CHECK(next.ended(text_at(reply, "/executions/0/execution_id")).at("status") == "COMPLETED");
}

TEST_CASE("a path that speaks WebSocket says so to who does not", "[e2e][stream]")
{
    auto& server = server_with_jobs();
    const auto plain = server.get("/v1/stream");
    CHECK(plain.status == 426);
    CHECK(plain.field("Upgrade") == "websocket");
    CHECK(plain.field("Content-Type").find("application/problem+json") == 0);
    CHECK(plain.json().at("code") == "UPGRADE_REQUIRED");
    const auto posted = server.post("/v1/stream", json::object{});
    CHECK(posted.status == 405);
    CHECK(posted.field("Allow").find("GET") != std::string::npos);
    const http_fields old{{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Version", "8"}, {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
    const auto older = server.get("/v1/stream", old);
    CHECK(older.status == 426);
    CHECK(older.field("Sec-WebSocket-Version") == "13");
    const http_fields keyless{{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Version", "13"}};
    CHECK(server.get("/v1/stream", keyless).status == 400);
    // The connection was not lost to it.
    http_connection kept(server.address());
    kept.send(request_text("GET", "/v1/stream"));
    CHECK(kept.receive().status == 426);
    kept.send(request_text("GET", "/healthz"));
    CHECK(kept.receive().status == 200);
}
