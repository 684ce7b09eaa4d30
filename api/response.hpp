#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace rowlock::api {

inline constexpr std::string_view json_type = "application/json";
inline constexpr std::string_view problem_type = "application/problem+json";
inline constexpr std::string_view text_type = "text/plain; charset=utf-8";

// What a handler answers with. `body` and `headers` come from the connection's buffers where the context makes it (see
// request_context::reply), and go back there after they were written.
struct response {
    int status = 200;
    std::string_view content_type = json_type;        // a constant; empty where there is no body
    std::string body{};
    std::string headers{};                            // whole lines: "Location: /v1/...\r\n"
    bool close = false;                               // the connection ends after this
    bool sent = false;                                // the handler has streamed its answer itself

    // `value` must not hold a line break: what comes from outside is checked or encoded before.
    void add_header(std::string_view name, std::string_view value)
    {
        headers.append(name).append(": ").append(value).append("\r\n");
    }
};

struct reply_frame {
    std::string_view request_id;
    std::string_view date;                            // as the Date header has it
    bool keep_alive = true;
    bool http_1_0 = false;
    bool head = false;                                // the body is counted, not sent
};

// Appends the whole reply to `out`: one buffer, one write.
void append_reply(std::string& out, const response& reply, const reply_frame& frame);
// The head of a reply whose length is not known: chunked, or until the connection closes for HTTP/1.0.
void append_stream_head(std::string& out, int status, std::string_view content_type, const reply_frame& frame);
void append_chunk(std::string& out, std::string_view part);
inline constexpr std::string_view last_chunk = "0\r\n\r\n";

std::string_view reason_phrase(int status);
void append_count(std::string& out, std::size_t number);

}
