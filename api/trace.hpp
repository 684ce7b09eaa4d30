#pragma once

#include <string>
#include <string_view>

namespace rowlock::api {

// The request id of the client where it is 1 to 128 of A-Z, a-z, 0-9 and -._:/+=@, else a new one: unique, cheap, not secret.
void choose_request_id(std::string_view given, std::string& out);

// A W3C traceparent (version 00, or a later one that begins alike) as it is; "" where it is not valid.
std::string_view valid_trace_parent(std::string_view given);

}
