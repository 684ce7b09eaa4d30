#include "api/response.hpp"

#include <charconv>

namespace rowlock::api {

namespace {

void append_common(std::string& out, int status, std::string_view content_type, const reply_frame& frame)
{
    out.append("HTTP/1.1 ");
    append_count(out, static_cast<std::size_t>(status));
    out.append(" ").append(reason_phrase(status)).append("\r\n");
    if (!content_type.empty()) out.append("Content-Type: ").append(content_type).append("\r\n");
    out.append("Date: ").append(frame.date).append("\r\n");
    out.append("X-Request-Id: ").append(frame.request_id).append("\r\n");
    if (!frame.keep_alive) {
        out.append("Connection: close\r\n");
    } else if (frame.http_1_0) {
        out.append("Connection: keep-alive\r\n");
    }
}

}

std::string_view reason_phrase(int status)
{
    switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    default: return "";
    }
}

void append_count(std::string& out, std::size_t number)
{
    char digits[20];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

void append_reply(std::string& out, const response& reply, const reply_frame& frame)
{
    append_common(out, reply.status, reply.body.empty() ? std::string_view{} : reply.content_type, frame);
    out.append(reply.headers);
    const bool bodiless = reply.status == 204 || reply.status == 304;
    if (!bodiless) {
        out.append("Content-Length: ");
        append_count(out, reply.body.size());
        out.append("\r\n");
    }
    out.append("\r\n");
    if (!bodiless && !frame.head) out.append(reply.body);
}

void append_stream_head(std::string& out, int status, std::string_view content_type, const reply_frame& frame)
{
    append_common(out, status, content_type, frame);
    out.append("X-Content-Type-Options: nosniff\r\n");
    out.append(frame.http_1_0 ? "\r\n" : "Transfer-Encoding: chunked\r\n\r\n");
}

void append_chunk(std::string& out, std::string_view part)
{
    if (part.empty()) return;
    char digits[16];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, part.size(), 16).ptr);
    out.append("\r\n").append(part).append("\r\n");
}

}
