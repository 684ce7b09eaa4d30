#pragma once

#include "runtime/execute/change_follower.hpp"
#include "runtime/execute/submit.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/json_fields.hpp"

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::api {

// The words of /v1/stream. No I/O, no database.

enum class stream_op : std::uint8_t { none, submit, subscribe, unsubscribe };

// One frame as a client writes it. Views of the parsed frame.
struct stream_frame {
    stream_op op = stream_op::none;
    // JSON text, to be given back as it came: a string of at most 255 bytes, an integer, or null where there is none.
    std::string id = "null";
    std::string_view idempotency_key{};                  // of a submit, for all of it; "": none
    runtime::follow_targets targets{};                   // of a subscribe
};

// So much one subscription may name.
inline constexpr std::size_t most_targets = 1000;

// Reads what all frames have, and refuses members that their op does not know. What is wrong is added to `errors`; `out.id` is set wherever
// there is one to give back.
void read_stream_frame(const boost::json::object& frame, field_errors& errors, stream_frame& out);

// Each appends the JSON of one frame to a client. `id` is JSON text.
void append_welcome(std::string& out, std::size_t max_in_flight);
void append_accepted(std::string& out, std::string_view id, const std::vector<runtime::submitted>& executions);
void append_rejected(std::string& out, std::string_view id, const error& why);
void append_event(std::string& out, std::string_view id, const runtime::change& what);

}
