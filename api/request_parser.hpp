#pragma once

#include "api/request.hpp"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <cstddef>
#include <string_view>

namespace rowlock::api {

// Beast's HTTP/1 parser, filling a request whose memory is used again. For session.cpp and its tests alone: this header costs a second of
// compile time. A parser takes one message; the session makes a new one in place for the next.
class request_parser final : public boost::beast::http::basic_parser<true> {
public:
    request_parser(request& into, std::size_t max_header_bytes, std::size_t max_body_bytes) : into_(into), header_room_(max_header_bytes)
    {
        eager(true);
        header_limit(static_cast<std::uint32_t>(max_header_bytes));
        body_limit(max_body_bytes);
    }

private:
    using string_view = boost::beast::string_view;
    using error_code = boost::beast::error_code;

    void on_request_impl(boost::beast::http::verb, string_view method_text, string_view target, int version, error_code& ec) override
    {
        take_room(method_text.size() + target.size() + line_overhead, ec);
        into_.set_line(method_text, target, version);
        if (version != 10 && version != 11) ec = boost::beast::http::error::bad_version;
    }
    void on_response_impl(int, string_view, int, error_code& ec) override { ec = boost::beast::http::error::bad_version; }
    void on_field_impl(boost::beast::http::field, string_view name, string_view value, error_code& ec) override
    {
        take_room(name.size() + value.size() + field_overhead, ec);
        // Trailers come after the headers were judged, so they may not add to them.
        if (!headers_done_) into_.add_header(name, value);
    }
    void on_header_impl(error_code& ec) override
    {
        headers_done_ = true;
        const auto hosts = into_.header_count("Host");
        if (hosts > 1 || (hosts == 0 && into_.version() == 11)) ec = boost::beast::http::error::bad_field;
        // An encoding other than chunked would hide where the message ends.
        const auto encodings = into_.header_count("Transfer-Encoding");
        const bool chunked_alone = encodings == 1 && into_.version() == 11 && same_ignoring_case(*into_.header("Transfer-Encoding"), "chunked");
        if (encodings > 0 && !chunked_alone) ec = boost::beast::http::error::bad_transfer_encoding;
    }
    void on_body_init_impl(boost::optional<std::uint64_t> const& size, error_code&) override
    {
        // What a client announces is believed only in part: memory follows what has come.
        if (size) into_.reserve_body(static_cast<std::size_t>(std::min<std::uint64_t>(*size, 4 * 1024)));
    }
    std::size_t on_body_impl(string_view part, error_code&) override
    {
        into_.append_body(part);
        return part.size();
    }
    void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, string_view part, error_code&) override
    {
        into_.append_body(part);
        return part.size();
    }
    void on_finish_impl(error_code&) override {}

    // header_limit() bounds what is not parsed yet; a head that comes field by field is bounded here, trailers with it.
    void take_room(std::size_t bytes, error_code& ec)
    {
        if (bytes > header_room_) ec = boost::beast::http::error::header_limit;
        header_room_ -= std::min(bytes, header_room_);
    }

    static constexpr std::size_t line_overhead = 12;      // two blanks, HTTP/1.1, CR LF
    static constexpr std::size_t field_overhead = 4;      // colon, blank, CR LF

    request& into_;
    std::size_t header_room_;
    bool headers_done_ = false;
};

}
