#pragma once

#include "tests/support/http_client.hpp"

#include <boost/json/value.hpp>
#include <cstdint>
#include <string>

namespace rowlock::test {

// Where a target was told to report, and with which secret.
struct callback {
    std::string url;                         // http://ADDR:PORT/PATH
    std::string secret;
};
// Of a request body of the contract.
callback callback_of(const std::string& request_body);

std::int64_t unix_now();
// The headers of a signed message.
http_fields signed_with(const std::string& secret, const std::string& body, std::int64_t timestamp = unix_now());

// Reports as a target does. `address`: of another instance than the one that the callback names.
http_reply report(const callback& to, const boost::json::value& body, std::int64_t timestamp = unix_now(), const std::string& address = "");
// The path of the callback alone.
std::string path_of(const callback& to);

}
