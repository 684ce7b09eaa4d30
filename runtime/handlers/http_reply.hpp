#pragma once

#include "runtime/handlers/http_message.hpp"
#include "storage/model/execution.hpp"
#include "storage/model/time.hpp"

#include <boost/json/object.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace rowlock::runtime {

// What a reply comes to.
struct http_conclusion {
    rowlock::outcome outcome;
    std::string log{};                               // the body, bounded, where it is not the result
};

// 2xx is success, 429 RATE_LIMITED, anything else HTTP_<status>. A JSON object is the outputs, or has them, metrics and record
// counts as members (api.md, "http reply"). `now` is what a Retry-After date counts from. Pure.
http_conclusion conclude(const http_reply& reply, timestamp now);

// The end of a job that its target has reported in a JSON object, which is taken as that of a reply. Of a failure, `error_code` and
// `error_message` are the job's own; else FAILED. Pure.
outcome reported(bool succeeded, boost::json::object body);

// A body as a JSON object that may be kept, or nullopt.
std::optional<boost::json::object> as_object(std::string_view body);

// What a target says of how long to wait: seconds, or a date after `now`; at most a day.
std::optional<std::chrono::seconds> retry_after(const http_reply& reply, timestamp now);

}
