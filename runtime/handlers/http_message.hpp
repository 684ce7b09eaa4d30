#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rowlock::runtime {

using http_headers = std::vector<std::pair<std::string, std::string>>;

// Names are compared without regard to case. nullptr: it is not there.
const std::string* find_header(const http_headers& headers, std::string_view name);
bool same_header(std::string_view a, std::string_view b);

// A request but for its address. Host, Content-Length and Connection are the connection's affair.
struct http_request {
    std::string method;
    http_headers headers;
    std::string body;
};

struct http_reply {
    int status = 0;
    std::string reason;
    http_headers headers;
    std::string body;
};

}
