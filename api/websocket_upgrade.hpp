#pragma once

#include "api/request.hpp"
#include "storage/model/error.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace rowlock::api::websocket {

// What a client that asks for a WebSocket is answered with (RFC 6455 §4.2.2).
struct upgrade {
    std::string accept;              // of Sec-WebSocket-Accept
    std::string protocol{};          // of Sec-WebSocket-Protocol; "": none
};

// Errors: upgrade_required where the request does not ask for a WebSocket of version 13; malformed_http where its key is none.
result<upgrade> read_upgrade(const request& rq);

// Appends the whole 101.
void append_switching(std::string& out, const upgrade& agreed, std::string_view request_id);

// Browsers cannot send Authorization with a WebSocket: they offer the subprotocol rowlock.bearer.TOKEN. nullopt: none is offered. The view is
// of the request.
std::optional<std::string_view> offered_token(const request& rq);

// Of Sec-WebSocket-Key, which is echoed hashed so that no cache answers for us.
std::string accept_of(std::string_view key);

}
