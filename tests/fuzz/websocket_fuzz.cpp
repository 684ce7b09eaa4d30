#include "api/stream_frames.hpp"
#include "api/websocket_frames.hpp"
#include "storage/model/json_text.hpp"

#include <boost/json/object.hpp>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using namespace rowlock;
using rowlock::api::websocket::message_reader;
using rowlock::api::websocket::received;

struct seen {
    received::kind what;
    std::string payload;
    bool operator==(const seen&) const = default;
};

// What a reader makes of the bytes when they come `piece` at a time.
std::vector<seen> read(std::string_view bytes, std::size_t piece)
{
    constexpr std::size_t max_message = 4096;
    message_reader reader(max_message);
    std::vector<seen> all;
    std::string buffer;
    for (std::size_t at = 0;;) {
        const auto next = reader.next(buffer);
        if (next.what == received::kind::nothing) {
            if (buffer.size() > reader.room()) std::abort();
            if (at == bytes.size()) return all;
            buffer.append(bytes.substr(at, piece));
            at += std::min(piece, bytes.size() - at);
            continue;
        }
        if (next.payload.size() > max_message) std::abort();
        if (next.what != received::kind::part) all.push_back({next.what, next.what == received::kind::fault ? std::to_string(static_cast<int>(next.why)) : std::string(next.payload)});
        if (next.what == received::kind::fault) return all;
        if (next.consumed == 0) std::abort();
        buffer.erase(0, next.consumed);
    }
}

// The words of a message are read, or refused with errors; the id to be given back is JSON in any case.
void read_words(std::string_view text)
{
    const auto parsed = parse_json(text);
    const auto* frame = parsed ? parsed->if_object() : nullptr;
    if (!frame) return;
    field_errors errors;
    api::stream_frame out;
    api::read_stream_frame(*frame, errors, out);
    if (out.op == api::stream_op::none && errors.empty()) std::abort();
    if (!parse_json("[" + out.id + "]")) std::abort();
    if (out.targets.size() > api::most_targets && errors.empty()) std::abort();
    std::string answer;
    api::append_rejected(answer, out.id, {errc::invalid_request, "no"});
    if (!parse_json(answer)) std::abort();
}

}

// Any bytes as what a WebSocket client sends: whatever the pieces in which they come, they mean the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto whole = read(bytes, bytes.size() + 1);
    if (read(bytes, 1) != whole || read(bytes, 7) != whole) std::abort();
    for (const auto& each : whole) {
        if (each.what == received::kind::text) read_words(each.payload);
    }
    read_words(bytes);
    return 0;
}
