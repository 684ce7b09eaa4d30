#include "api/websocket_frames.hpp"
#include "api/websocket_upgrade.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace rowlock;
using namespace rowlock::api::websocket;
using kind = received::kind;

namespace {

std::string client_frame(unsigned code, std::string_view payload, bool last = true, unsigned more_bits = 0)
{
    const std::array<unsigned char, 4> mask{0x37, 0xfa, 0x21, 0x3d};
    std::string frame;
    append_frame(frame, static_cast<opcode>(code), payload);
    const std::size_t head = frame.size() - payload.size();
    frame[0] = static_cast<char>((last ? 0x80u : 0u) | more_bits | code);
    frame[1] = static_cast<char>(static_cast<unsigned char>(frame[1]) | 0x80u);
    frame.insert(head, reinterpret_cast<const char*>(mask.data()), mask.size());
    unmask(std::span<char>(frame).subspan(head + mask.size()), mask);
    return frame;
}

struct seen {
    kind what;
    std::string payload;
    bool operator==(const seen&) const = default;
};

// Gives the reader `bytes` in pieces, as a connection does, and returns what it has seen; a fault is the last.
std::vector<seen> read(std::string bytes, std::size_t piece = 1'000'000, std::size_t max_message = 1000)
{
    message_reader reader(max_message);
    std::vector<seen> all;
    std::string buffer;
    for (std::size_t at = 0;;) {
        const auto next = reader.next(buffer);
        if (next.what == kind::nothing) {
            if (at == bytes.size()) return all;
            const auto n = std::min(piece, bytes.size() - at);
            buffer.append(bytes, at, n);
            at += n;
            continue;
        }
        if (next.what == kind::fault) {
            all.push_back({kind::fault, std::to_string(static_cast<int>(next.why))});
            return all;
        }
        if (next.what != kind::part) all.push_back({next.what, std::string(next.payload)});
        buffer.erase(0, next.consumed);
    }
}

}

TEST_CASE("messages are read whole, in whatever pieces they and their bytes come", "[unit][websocket]")
{
    const std::string long_text(500, 'x');
    const std::string bytes = client_frame(1, "hello") + client_frame(1, "") + client_frame(2, std::string("\0\xff", 2)) + client_frame(9, "p") + client_frame(1, "one ", false) +
                              client_frame(10, "q") + client_frame(0, "two ", false) + client_frame(0, "", false) + client_frame(0, "three") + client_frame(1, long_text) +
                              client_frame(8, std::string("\x03\xe8") + "bye");
    const std::vector<seen> expected{{kind::text, "hello"},          {kind::text, ""},       {kind::binary, std::string("\0\xff", 2)}, {kind::ping, "p"}, {kind::pong, "q"},
                                     {kind::text, "one two three"}, {kind::text, long_text}, {kind::close, std::string("\x03\xe8") + "bye"}};
    const std::size_t piece = GENERATE(values<std::size_t>({1, 2, 3, 7, 100, 100'000}));
    CHECK(read(bytes, piece) == expected);
}

TEST_CASE("what breaks the protocol is a fault with its code", "[unit][websocket]")
{
    struct row {
        const char* why;
        std::string bytes;
        int code;
    };
    const auto r = GENERATE(values<row>({
        {"a frame that is not masked", std::string("\x81\x01x", 3), 1002},
        {"a reserved bit", client_frame(1, "x", true, 0x40), 1002},
        {"an opcode that does not exist", client_frame(3, "x"), 1002},
        {"a control opcode that does not exist", client_frame(11, "x"), 1002},
        {"a ping in pieces", client_frame(9, "x", false), 1002},
        {"a ping that is too long", client_frame(9, std::string(126, 'x')), 1002},
        {"a continuation of nothing", client_frame(0, "x"), 1002},
        {"a message within a message", client_frame(1, "x", false) + client_frame(1, "y"), 1002},
        {"a close with half a code", client_frame(8, "\x03"), 1002},
        {"a close with a code that is never sent", client_frame(8, "\x03\xed"), 1002},
        {"a close with a code of nobody", client_frame(8, std::string("\0\x01", 2)), 1002},
        {"a close with a reason that is no UTF-8", client_frame(8, "\x03\xe8\xff"), 1007},
        {"a message that is too large", client_frame(1, std::string(1001, 'x')), 1009},
        {"a message that becomes too large", client_frame(1, std::string(600, 'x'), false) + client_frame(0, std::string(600, 'x')), 1009},
        {"a length of 2^63", std::string("\x81\xff\x80\0\0\0\0\0\0\0mask", 14), 1009},
        {"a length that says too much in two bytes", std::string("\x81\xfe\0\x05maskxxxxx", 13), 1002},
        {"a length that says too much in eight bytes", std::string("\x81\xff\0\0\0\0\0\0\0\x05maskxxxxx", 19), 1002},
    }));
    INFO(r.why);
    const auto all = read(r.bytes, GENERATE(values<std::size_t>({1, 1000})));
    REQUIRE_FALSE(all.empty());
    CHECK(all.back() == seen{kind::fault, std::to_string(r.code)});
}

TEST_CASE("a message that is too large is refused before it has come", "[unit][websocket]")
{
    const auto head = client_frame(1, std::string(1001, 'x')).substr(0, 4);
    CHECK(read(head) == std::vector<seen>{{kind::fault, "1009"}});
}

TEST_CASE("frames of the server carry their length in the fewest bytes", "[unit][websocket]")
{
    const auto head = [](std::size_t length) {
        std::string out;
        append_frame(out, opcode::text, std::string(length, 'x'));
        return out.substr(0, out.size() - length);
    };
    CHECK(head(125) == std::string("\x81\x7d"));
    CHECK(head(126) == std::string("\x81\x7e\x00\x7e", 4));
    CHECK(head(0xffff) == std::string("\x81\x7e\xff\xff", 4));
    CHECK(head(0x10000) == std::string("\x81\x7f\0\0\0\0\0\x01\0\0", 10));
    std::string close;
    append_close(close, close_code::going_away, std::string(500, 'r'));
    CHECK(close.size() == 2 + 125);
    CHECK(close.substr(0, 4) == std::string("\x88\x7d\x03\xe9"));
}

TEST_CASE("the answer to a key is that of RFC 6455", "[unit][websocket]")
{
    CHECK(accept_of("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST_CASE("a handshake is what it has to be, or refused", "[unit][websocket]")
{
    using fields = std::vector<std::pair<std::string, std::string>>;
    const fields right{{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
    const auto ask = [](const fields& given, std::string_view verb = "GET", int version = 11) {
        api::request rq;
        rq.set_line(verb, "/v1/stream", version);
        for (const auto& [name, value] : given) rq.add_header(name, value);
        return read_upgrade(rq);
    };
    const auto with = [&right](const std::string& name, const std::string& value) {
        fields changed;
        for (const auto& field : right) {
            if (field.first != name) changed.push_back(field);
        }
        if (!value.empty()) changed.emplace_back(name, value);
        return changed;
    };
    REQUIRE(ask(right).has_value());
    CHECK(ask(right)->accept == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    CHECK(ask(right)->protocol.empty());
    CHECK(ask(with("Connection", "keep-alive, Upgrade")).has_value());
    CHECK(ask(with("Upgrade", "h2c, WebSocket")).has_value());
    CHECK(ask(with("Sec-WebSocket-Protocol", "chat, rowlock.bearer.rl_1_2"))->protocol == "rowlock.bearer.rl_1_2");
    CHECK(ask(with("Sec-WebSocket-Protocol", "chat"))->protocol.empty());
    fields two_lines = right;
    two_lines.emplace_back("Sec-WebSocket-Protocol", "chat");
    two_lines.emplace_back("Sec-WebSocket-Protocol", "rowlock.bearer.x");
    CHECK(ask(two_lines)->protocol == "rowlock.bearer.x");

    for (const char* missing : {"Upgrade", "Connection", "Sec-WebSocket-Version"}) {
        INFO(missing);
        REQUIRE(ask(with(missing, "")).has_error());
        CHECK(ask(with(missing, "")).error().code == errc::upgrade_required);
    }
    CHECK(ask(with("Sec-WebSocket-Version", "8")).error().code == errc::upgrade_required);
    CHECK(ask(right, "POST").error().code == errc::upgrade_required);
    CHECK(ask(right, "GET", 10).error().code == errc::upgrade_required);
    for (const char* key : {"", "x", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ==x", "c2hvcnQ="}) {
        INFO(key);
        REQUIRE(ask(with("Sec-WebSocket-Key", key)).has_error());
        CHECK(ask(with("Sec-WebSocket-Key", key)).error().code == errc::malformed_http);
    }
}
