#include "api/websocket_frames.hpp"

#include "api/query.hpp"

#include <cstring>

namespace rowlock::api::websocket {

namespace {

constexpr std::size_t largest_control = 125;
constexpr unsigned length_is_16_bits = 126;
constexpr unsigned length_is_64_bits = 127;
// What one large message leaves behind is given back.
constexpr std::size_t memory_kept = 64 * 1024;

unsigned byte_at(std::span<const char> bytes, std::size_t at)
{
    return static_cast<unsigned char>(bytes[at]);
}

std::uint64_t big_endian(std::span<const char> bytes, std::size_t at, std::size_t size)
{
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value = (value << 8) | byte_at(bytes, at + i);
    return value;
}

bool is_control(opcode what)
{
    return (static_cast<unsigned>(what) & 8u) != 0;
}

received fault(close_code why, std::string_view explanation)
{
    return {received::kind::fault, {}, 0, why, explanation};
}

}

void append_frame(std::string& out, opcode what, std::string_view payload)
{
    out.push_back(static_cast<char>(0x80u | static_cast<unsigned>(what)));
    const auto put = [&out](std::uint64_t length, int bytes) {
        for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out.push_back(static_cast<char>((length >> shift) & 0xffu));
    };
    if (payload.size() < length_is_16_bits) {
        put(payload.size(), 1);
    } else if (payload.size() <= 0xffff) {
        put(length_is_16_bits, 1);
        put(payload.size(), 2);
    } else {
        put(length_is_64_bits, 1);
        put(payload.size(), 8);
    }
    out.append(payload);
}

void append_close(std::string& out, close_code why, std::string_view reason)
{
    std::string payload;
    payload.push_back(static_cast<char>(static_cast<unsigned>(why) >> 8));
    payload.push_back(static_cast<char>(static_cast<unsigned>(why) & 0xffu));
    payload.append(reason.substr(0, largest_control - payload.size()));
    append_frame(out, opcode::close, payload);
}

void unmask(std::span<char> bytes, std::array<unsigned char, 4> mask)
{
    std::uint32_t one = 0;
    std::memcpy(&one, mask.data(), sizeof one);
    const std::uint64_t two = (static_cast<std::uint64_t>(one) << 32) | one;
    std::size_t at = 0;
    for (; at + sizeof two <= bytes.size(); at += sizeof two) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data() + at, sizeof word);
        word ^= two;
        std::memcpy(bytes.data() + at, &word, sizeof word);
    }
    for (; at < bytes.size(); ++at) bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ mask[at % mask.size()]);
}

bool is_close_payload(std::string_view payload, close_code& why)
{
    why = close_code::normal;
    if (payload.empty()) return true;
    why = close_code::protocol_error;
    if (payload.size() < 2) return false;
    const auto code = big_endian(payload, 0, 2);
    // 1004 to 1006 and 1015 stand for what is never sent; below 3000 only what is registered may be.
    const bool sent = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
    if (!sent) return false;
    why = close_code::not_utf8;
    if (!is_utf8(payload.substr(2))) return false;
    why = close_code::normal;
    return true;
}

received message_reader::read_header(std::span<const char> bytes, header& out) const
{
    if (bytes.size() < 2) return {};
    const unsigned first = byte_at(bytes, 0);
    const unsigned second = byte_at(bytes, 1);
    if ((first & 0x70u) != 0) return fault(close_code::protocol_error, "a reserved bit is set, and no extension was agreed on");
    const unsigned code = first & 0x0fu;
    if (code > 10 || (code > 2 && code < 8)) return fault(close_code::protocol_error, "there is no such opcode");
    out.last = (first & 0x80u) != 0;
    out.what = static_cast<opcode>(code);
    if ((second & 0x80u) == 0) return fault(close_code::protocol_error, "frames of a client must be masked");

    std::size_t size = 2;
    out.length = second & 0x7fu;
    if (is_control(out.what)) {
        if (!out.last) return fault(close_code::protocol_error, "a control frame may not come in pieces");
        if (out.length > largest_control) return fault(close_code::protocol_error, "a control frame may have 125 bytes");
    } else if ((out.what == opcode::continuation) != in_message_) {
        return fault(close_code::protocol_error, in_message_ ? "a new message began before the last one was whole" : "there is nothing to continue");
    }
    const std::size_t extra = out.length == length_is_16_bits ? 2 : out.length == length_is_64_bits ? 8 : 0;
    if (bytes.size() < size + extra) return {};
    if (extra > 0) {
        out.length = big_endian(bytes, size, extra);
        if (out.length < (extra == 2 ? length_is_16_bits : 0x10000u)) return fault(close_code::protocol_error, "a length must take the fewest bytes it can");
    }
    size += extra;
    if (out.length > max_message_ || out.length + kept() > max_message_) return fault(close_code::too_big, "the message is too large");
    if (bytes.size() < size + out.mask.size()) return {};
    std::memcpy(out.mask.data(), bytes.data() + size, out.mask.size());
    out.size = size + out.mask.size();
    return {};
}

received message_reader::next(std::span<char> bytes)
{
    if (!in_message_ && !message_.empty()) {
        if (message_.capacity() > memory_kept) std::string().swap(message_);
        message_.clear();
    }
    header frame;
    if (auto wrong = read_header(bytes, frame); wrong.what == received::kind::fault) return wrong;
    if (frame.size == 0 || bytes.size() - frame.size < frame.length) return {};
    const auto payload = bytes.subspan(frame.size, static_cast<std::size_t>(frame.length));
    unmask(payload, frame.mask);
    received taken = take(frame, {payload.data(), payload.size()});
    taken.consumed = frame.size + payload.size();
    return taken;
}

received message_reader::take(const header& frame, std::string_view payload)
{
    using kind = received::kind;
    switch (frame.what) {
    case opcode::ping: return {kind::ping, payload};
    case opcode::pong: return {kind::pong, payload};
    case opcode::close: {
        close_code why{};
        if (!is_close_payload(payload, why)) return fault(why, "the close frame is malformed");
        return {kind::close, payload, 0, why};
    }
    case opcode::text:
    case opcode::binary:
        message_kind_ = frame.what;
        if (frame.last) break;
        in_message_ = true;
        message_.assign(payload);
        return {kind::part};
    case opcode::continuation:
        message_.append(payload);
        if (!frame.last) return {kind::part};
        in_message_ = false;
        payload = message_;
        break;
    }
    return {message_kind_ == opcode::text ? kind::text : kind::binary, payload};
}

}
