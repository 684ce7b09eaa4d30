#pragma once

#include "storage/model/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace rowlock::api {

// How those sign who have a secret in place of a token: X-Rowlock-Signature is sha256=HEX of an HMAC-SHA256 over `timestamp "." body`, with
// the text of the secret as its key; X-Rowlock-Timestamp is in Unix seconds.
struct signed_message {
    std::string signature;                           // 32 bytes
    std::int64_t timestamp = 0;
    std::string timestamp_text;                      // as it was sent, and so as it was signed
};

inline constexpr std::int64_t signature_tolerance = 300;    // seconds, to both sides

// Reads the headers; a missing one is "". Error unauthenticated. Pure.
result<signed_message> read_signature(std::string_view signature_header, std::string_view timestamp_header);

// Is it signed with this secret, at about `now` (Unix seconds)? Takes as long whatever is wrong with the signature. Error unauthenticated. Pure.
result<void> check_signature(const signed_message& message, std::string_view body, std::string_view secret, std::int64_t now);

}
