#include "tests/support/stream_client.hpp"

#include <catch2/catch.hpp>

using namespace rowlock::test;
using namespace std::chrono_literals;
namespace json = boost::json;

namespace {

constexpr int text = 1;
constexpr int binary = 2;
constexpr int closing = 8;
constexpr int ping = 9;
constexpr int pong = 10;

std::string submission(std::size_t padding = 0)
{
    return R"({"op":"submit","id":"1","executions":[{"job_id":"hostile","parameters":{"x":")" + std::string(padding, 'x') + R"("}}]})";
}

// Short of patience and of room, so that tests need neither.
struct strict_server {
    test_database database;
    server_process server{{"serve", "--auth", "none", "--database", database.url()}, {{"ROWLOCK_IDLE_TIMEOUT_SECONDS", "1.5"}, {"ROWLOCK_MAX_BODY_BYTES", "100000"}}};
    strict_server() { server.define("hostile", {{"type", "noop"}}); }
};

server_process& strict()
{
    private_postgres::of_this_run();
    static strict_server one;
    return one.server;
}

// A connection on which anything may be sent, after the welcome.
struct raw_stream {
    explicit raw_stream(const server_process& at) : connection(raw_websocket(at.address()))
    {
        REQUIRE(next().payload.find("welcome") != std::string::npos);
    }

    server_frame next()
    {
        auto frame = next_frame(connection, buffer);
        if (!frame) throw std::runtime_error("the server has closed without a word");
        return *frame;
    }
    // The code that the server closes with; frames before it are dropped.
    int closed_with()
    {
        for (;;) {
            const auto frame = next();
            if (frame.opcode == closing) return frame.code();
        }
    }

    http_connection connection;
    std::string buffer{};
};

}

TEST_CASE("a message may come in pieces, with pings between them", "[e2e][stream][hostile]")
{
    raw_stream stream(strict());
    const auto whole = submission();
    const auto middle = whole.size() / 2;
    stream.connection.send(client_frame(text, whole.substr(0, 1), false) + client_frame(0, "", false) + client_frame(0, whole.substr(1, middle - 1), false));
    stream.connection.send(client_frame(ping, "between"));
    const auto answer = stream.next();
    CHECK(answer.opcode == pong);
    CHECK(answer.payload == "between");
    for (const char c : client_frame(0, whole.substr(middle))) stream.connection.send(std::string(1, c));
    CHECK(stream.next().payload.find("\"accepted\"") != std::string::npos);
}

TEST_CASE("what breaks the protocol is closed with its code, and the server goes on", "[e2e][stream][hostile]")
{
    struct row {
        const char* why;
        std::string bytes;
        int code;
    };
    std::string unmasked = submission();
    unmasked.insert(0, std::string("\x81") + static_cast<char>(unmasked.size()));
    const auto r = GENERATE_COPY(values<row>({
        {"a frame that is not masked", unmasked, 1002},
        {"noise", std::string(64, '\xff'), 1002},
        {"an unknown opcode", client_frame(7, "x"), 1002},
        {"a continuation of nothing", client_frame(0, "x"), 1002},
        {"a message within a message", client_frame(text, "{", false) + client_frame(text, "}"), 1002},
        {"a ping in pieces", client_frame(ping, "x", false), 1002},
        {"text that is no UTF-8", client_frame(text, "{\"op\":\"\xff\"}"), 1007},
        {"text that ends in the middle of a character", client_frame(text, "\"\xc3"), 1007},
        {"a message that is too large", client_frame(text, submission(100'000)).substr(0, 20), 1009},
        {"pieces that are too large together", client_frame(text, submission(60'000), false) + client_frame(0, std::string(60'000, ' ')), 1009},
        {"a length of 2^63", std::string("\x81\xff\x80\0\0\0\0\0\0\0\1\2\3\4", 14), 1009},
        {"a close with a code that is never sent", client_frame(closing, "\x03\xee"), 1002},
    }));
    INFO(r.why);
    raw_stream stream(strict());
    stream.connection.send(r.bytes);
    CHECK(stream.closed_with() == r.code);
    CHECK(stream.connection.is_closed_within(20s));
    CHECK(strict().get("/healthz").status == 200);
}

TEST_CASE("a close is answered with the same, and the connection ends", "[e2e][stream][hostile]")
{
    raw_stream stream(strict());
    stream.connection.send(client_frame(text, submission()));
    CHECK(stream.next().payload.find("accepted") != std::string::npos);
    stream.connection.send(client_frame(closing, std::string("\x03\xe8") + "enough"));
    CHECK(stream.closed_with() == 1000);
    CHECK(stream.connection.is_closed_within(20s));
}

TEST_CASE("a flood of pings is answered as fast as it is read, and takes no memory", "[e2e][stream][hostile]")
{
    raw_stream stream(strict());
    std::string flood;
    for (int i = 0; i < 1000; ++i) flood += client_frame(ping, std::string(125, 'p'));
    for (int round = 0; round < 5; ++round) {
        stream.connection.send(flood);
        for (int i = 0; i < 1000; ++i) REQUIRE(stream.next().opcode == pong);
    }
    stream.connection.send(client_frame(text, submission()));
    CHECK(stream.next().payload.find("accepted") != std::string::npos);
}

TEST_CASE("binary frames and empty messages are refused kindly", "[e2e][stream][hostile]")
{
    raw_stream stream(strict());
    stream.connection.send(client_frame(binary, std::string("\0\xff", 2)) + client_frame(text, "") + client_frame(pong, "unasked") + client_frame(text, submission()));
    CHECK(stream.next().payload.find("UNSUPPORTED_MEDIA_TYPE") != std::string::npos);
    CHECK(stream.next().payload.find("MALFORMED_JSON") != std::string::npos);
    CHECK(stream.next().payload.find("accepted") != std::string::npos);
}

TEST_CASE("who is silent is pinged, and dropped when nothing comes back", "[e2e][stream][hostile]")
{
    // Beast answers pings by itself, as long as it is read from.
    stream_client alive(strict());
    raw_stream dead(strict());
    alive.socket.receive_until([&] { return alive.socket.pings() >= 3; });
    CHECK(alive.ask_text(submission()).at("op") == "accepted");
    CHECK(dead.next().opcode == ping);
    CHECK(dead.connection.is_closed_within(20s));
}

TEST_CASE("half a frame keeps nobody for ever, and half a socket is given up", "[e2e][stream][hostile]")
{
    raw_stream half_frame(strict());
    half_frame.connection.send(client_frame(text, submission()).substr(0, 30));
    CHECK(half_frame.next().opcode == ping);
    CHECK(half_frame.connection.is_closed_within(20s));
    raw_stream half_socket(strict());
    half_socket.connection.finish_sending();
    CHECK(half_socket.connection.is_closed_within(20s));
}

TEST_CASE("who does not read what it has subscribed to is cut off, and not buffered for", "[e2e][stream][hostile]")
{
    const test_database database;
    server_process server({"serve", "--auth", "none", "--database", database.url(), "--executor-parallelism", "1000"});
    const std::string large(50'000, 'x');
    server.define("large", {{"type", "noop"}}, {{"parameters", {{"x", large}}}});
    raw_stream slow(server);
    slow.connection.send(client_frame(text, R"({"op":"subscribe","id":"1","jobs":["large"]})"));
    slow.connection.send(client_frame(ping, "seen"));
    REQUIRE(slow.next().opcode == pong);
    const auto cut_off = [&] { return server.get("/metrics").body.find("\nrowlock_streams_cut_off_total 1") != std::string::npos; };
    for (int i = 0; i < 40; ++i) {
        const auto reply = server.post("/v1/executions/batch", {{"executions", json::array(20, json::object{{"job_id", "large"}})}});
        REQUIRE(reply.status == 201);
    }
    eventually("it has been cut off", cut_off);
    // What was on its way can still be read, and then the reason.
    CHECK(slow.closed_with() == 1013);
    CHECK(server.terminate() == 0);
}

TEST_CASE("what waits for a commit when its client vanishes is committed all the same", "[e2e][stream][hostile]")
{
    auto& server = strict();
    {
        raw_stream stream(server);
        stream.connection.send(client_frame(text, R"({"op":"submit","id":"1","executions":[{"job_id":"hostile","correlation_id":"vanished"}]})"));
    }
    eventually("it is there", [&] { return server.get("/v1/executions?correlation_id=vanished").json().at("items").as_array().size() == 1; });
}
