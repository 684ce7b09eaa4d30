#pragma once

#include "api/context.hpp"
#include "storage/event_store.hpp"

namespace rowlock::api {

// A payload may have so many bytes: it goes into the parameters of every execution that it makes.
inline constexpr std::size_t most_payload_bytes = 1u << 20;
// And so many levels of arrays and objects: it stands three levels deep in parameters, which may have 63.
inline constexpr std::size_t most_payload_levels = 60;

// 202 with what an event that was taken in has done, or why it was not.
response answer_event(request_context& rq, const result<storage::taken_event>& taken);

}
