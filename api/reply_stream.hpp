#pragma once

#include "api/connection.hpp"
#include "api/response.hpp"

#include <string_view>

namespace rowlock::api {

// An answer that is sent while it is made: chunked, or until the connection closes for HTTP/1.0 clients. The handler that has begun one
// returns a response with `sent`.
class reply_stream {
public:
    explicit reply_stream(connection& c) : connection_(c) {}

    // The session's, before each request.
    void prepare(const reply_frame& frame) { frame_ = frame; begun_ = broken_ = false; }

    // Each is false once the peer takes no more. A peer that takes too little is cut off.
    runtime::awaitable<bool> begin(std::string_view content_type);
    runtime::awaitable<bool> write(std::string_view part);
    runtime::awaitable<bool> end();

    bool begun() const { return begun_; }
    // The connection cannot go on: the answer is not whole, or its end is the end of the connection.
    bool must_close() const { return broken_ || (begun_ && frame_.http_1_0); }
    // The handler has failed in the middle.
    void abandon() { broken_ = true; }

private:
    connection& connection_;
    reply_frame frame_;
    bool begun_ = false;
    bool broken_ = false;
};

}
