#include "api/request_parser.hpp"

#include <boost/asio/buffer.hpp>
#include <catch2/catch.hpp>
#include <optional>

using namespace rowlock::api;
namespace http = boost::beast::http;

namespace {

struct outcome {
    boost::system::error_code error;
    bool done = false;
    std::size_t used = 0;
};

// Gives the parser `text` in pieces of `step` bytes, as a connection does.
outcome parse(request& into, std::string_view text, std::size_t step = 1'000'000, std::size_t header_limit = 1024, std::size_t body_limit = 64)
{
    request_parser parser(into, header_limit, body_limit);
    outcome o;
    std::size_t end = 0;
    while (!parser.is_done() && end < text.size()) {
        end = std::min(end + step, text.size());
        o.used += parser.put(boost::asio::buffer(text.data() + o.used, end - o.used), o.error);
        if (o.error && o.error != http::error::need_more) return o;
    }
    o.done = parser.is_done();
    return o;
}

}

TEST_CASE("a request is read whole, in whatever pieces it comes", "[unit][api]")
{
    const std::string text = "POST /v1/executions?wait_seconds=1 HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 5\r\n\r\nhello";
    const std::size_t step = GENERATE(values<std::size_t>({1, 2, 7, 1000}));
    request rq;
    const auto o = parse(rq, text + "GET ", step);
    CHECK(o.done);
    CHECK(o.used == text.size());
    CHECK(rq.verb() == method::post);
    CHECK(rq.path() == "/v1/executions");
    CHECK(rq.query() == "wait_seconds=1");
    CHECK(rq.header("X-a") == "1");
    CHECK(rq.header_count("X-A") == 2);
    CHECK_FALSE(rq.header("X-B"));
    CHECK(rq.body() == "hello");
}

TEST_CASE("a chunked body is put together, and its trailers are ignored", "[unit][api]")
{
    request rq;
    const auto o = parse(rq, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;e=1\r\nde\r\n0\r\nAuthorization: Bearer x\r\n\r\n", GENERATE(values<std::size_t>({1, 1000})));
    CHECK(o.done);
    CHECK(rq.body() == "abcde");
    CHECK_FALSE(rq.header("Authorization"));
}

TEST_CASE("a target may be a whole URL", "[unit][api]")
{
    request rq;
    CHECK(parse(rq, "GET http://h:1/healthz?a=/b HTTP/1.1\r\nHost: h:1\r\n\r\n").done);
    CHECK(rq.path() == "/healthz");
    CHECK(rq.query() == "a=/b");
}

TEST_CASE("what is no sound HTTP/1.1 is refused", "[unit][api]")
{
    const char* text = GENERATE("nonsense\r\n\r\n", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "GET / HTTP/1.1\r\nHost x\r\n\r\n",
                                "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                                "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    INFO(text);
    request rq;
    const auto o = parse(rq, text);
    CHECK(o.error);
    CHECK(o.error != http::error::need_more);
}

TEST_CASE("headers and bodies have their limits", "[unit][api]")
{
    request rq;
    CHECK(parse(rq, "GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(2000, 'a') + "\r\n\r\n").error == http::error::header_limit);
    rq.clear();
    CHECK(parse(rq, "GET /" + std::string(2000, 'a')).error == http::error::header_limit);
    rq.clear();
    CHECK(parse(rq, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65\r\n\r\n").error == http::error::body_limit);
    rq.clear();
    CHECK(parse(rq, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n" + std::string(64, 'a') + "\r\n1\r\nb\r\n0\r\n\r\n").error == http::error::body_limit);
    rq.clear();
    CHECK(parse(rq, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 64\r\n\r\n" + std::string(64, 'a')).done);
}

TEST_CASE("headers that are small each have the limit together, in whatever pieces they come", "[unit][api]")
{
    const std::size_t step = GENERATE(values<std::size_t>({1, 100, 1'000'000}));
    const auto head_of = [](int fields) {
        std::string text = "GET / HTTP/1.1\r\nHost: x\r\n";
        for (int i = 0; i < fields; ++i) text += "X-Field: v\r\n";
        return text + "\r\n";
    };
    request rq;
    CHECK(parse(rq, head_of(80), step).done);
    rq.clear();
    CHECK(parse(rq, head_of(90), step).error == http::error::header_limit);
    rq.clear();
    std::string trailers = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    for (int i = 0; i < 90; ++i) trailers += "X-Field: v\r\n";
    CHECK(parse(rq, trailers + "\r\n", step).error == http::error::header_limit);
}
