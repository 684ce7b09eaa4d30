#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace rowlock::api::websocket {

// RFC 6455 §5.2.
enum class opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

// RFC 6455 §7.4.1 and its registry: those that this server closes with.
enum class close_code : std::uint16_t {
    normal = 1000,
    going_away = 1001,       // the server stops
    protocol_error = 1002,
    not_utf8 = 1007,
    policy = 1008,
    too_big = 1009,
    internal = 1011,
    try_again_later = 1013,  // cut off: the client reads too slowly
};

// Appends one whole frame as a server sends it: not masked.
void append_frame(std::string& out, opcode what, std::string_view payload);
// `reason` is at most 123 bytes of UTF-8.
void append_close(std::string& out, close_code why, std::string_view reason);

// What the bytes that a client has sent begin with.
struct received {
    enum class kind : std::uint8_t {
        nothing,             // more bytes are needed
        part,                // a piece of a message in pieces, kept
        text,                // a whole message; its UTF-8 is not checked
        binary,
        ping,
        pong,
        close,
        fault,               // the connection cannot go on
    };
    kind what = kind::nothing;
    std::string_view payload{};      // until the next call, and while the bytes are there
    std::size_t consumed = 0;        // so many of the bytes are done with
    close_code why = close_code::normal;         // of a fault; of a close: what to answer it with
    std::string_view explanation{};              // of a fault; a constant
};

// Reads a client's frames, and puts messages that come in pieces together. Does no I/O; what comes in one frame is not copied: it
// is unmasked where it lies. Memory is bounded by max_message, and follows what has come rather than what is announced.
class message_reader {
public:
    explicit message_reader(std::size_t max_message) : max_message_(max_message) {}

    // After a fault it must not be called again.
    received next(std::span<char> bytes);

    // So many bytes may have to lie there at once before one step can be made.
    std::size_t room() const { return max_message_ + largest_header; }
    // Bytes of an unfinished message that are kept here.
    std::size_t kept() const { return in_message_ ? message_.size() : 0; }
    bool in_message() const { return in_message_; }

private:
    struct header {
        bool last = false;
        opcode what{};
        std::uint64_t length = 0;
        std::array<unsigned char, 4> mask{};
        std::size_t size = 0;        // of the header itself; 0: more bytes are needed
    };
    static constexpr std::size_t largest_header = 14;

    received read_header(std::span<const char> bytes, header& out) const;
    received take(const header& frame, std::string_view payload);

    std::size_t max_message_;
    std::string message_{};          // the pieces so far; also the last message in pieces, until the next call
    opcode message_kind_ = opcode::text;
    bool in_message_ = false;
};

// XORs with the mask of RFC 6455 §5.3, which begins at the first byte.
void unmask(std::span<char> bytes, std::array<unsigned char, 4> mask);

// Is this the payload of a close frame: empty, or a code that may be sent and a reason in UTF-8? `why`: what to close with.
bool is_close_payload(std::string_view payload, close_code& why);

}
