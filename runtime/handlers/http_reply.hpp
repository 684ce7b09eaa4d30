#pragma once

#include "runtime/handlers/http_message.hpp"
#include "storage/model/execution.hpp"
#include "storage/model/time.hpp"

#include <string>

namespace rowlock::runtime {

// What a reply comes to.
struct http_conclusion {
    rowlock::outcome outcome;
    std::string log{};                               // the body, bounded, where it is not the result
};

// 2xx is success, 429 RATE_LIMITED, anything else HTTP_<status>. A JSON object is the outputs, or has them, metrics and record
// counts as members (api.md, "http reply"). `now` is what a Retry-After date counts from. Pure.
http_conclusion conclude(const http_reply& reply, timestamp now);

}
