#include "ops/cli/http_client.hpp"

#include "runtime/async/types.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>
#include <optional>
#include <sys/socket.h>

namespace rowlock::ops {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::uint64_t largest_reply = 512ull << 20;
constexpr std::chrono::milliseconds longest_connect{10'000};

using tcp_stream = beast::basic_stream<tcp, runtime::io_executor>;
using tls_stream = asio::ssl::stream<tcp_stream&>;

// Parsers that have read a header and part of a body, for both ways of taking a body.
template <class Body>
http_reply head_of(const http::response_parser<Body>& parser)
{
    const auto& message = parser.get();
    http_reply reply;
    reply.status = static_cast<int>(message.result_int());
    reply.content_type = std::string{message[http::field::content_type]};
    reply.retry_after = std::string{message[http::field::retry_after]};
    reply.date = std::string{message[http::field::date]};
    return reply;
}

// What failed, and whether a byte of the reply had come before.
struct exchange_error {
    error_code code;
    bool replied = false;
};

}

struct http_client::state {
    base_url server;
    std::vector<std::pair<std::string, std::string>> headers;
    asio::io_context context{1};
    asio::ssl::context tls_context{asio::ssl::context::tls_client};
    std::optional<tcp_stream> stream{};                  // engaged: connected
    std::optional<tls_stream> tls{};
    beast::flat_buffer buffer{};

    // Runs one asynchronous operation to its end; the stream's own timer ends it where its time is up.
    template <class Start>
    error_code wait_for(Start start)
    {
        error_code outcome;
        start([&outcome](error_code ec, auto&&...) { outcome = ec; });
        context.restart();
        context.run();
        return outcome;
    }

    void disconnect()
    {
        tls.reset();
        stream.reset();
        buffer.clear();
    }

    // Whether the connection that was kept can still be used: nothing may have come on it, above all not its end.
    bool is_fresh()
    {
        if (!stream) return false;
        char byte = 0;
        const auto n = ::recv(stream->socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    }

    std::optional<transport_error> connect(std::chrono::steady_clock::time_point until)
    {
        const auto fails = [&](std::string_view what, const std::string& why) -> transport_error {
            disconnect();
            return {fmt::format("cannot {} {}: {}", what, server.text(), why)};
        };
        error_code ec;
        asio::ip::basic_resolver<tcp, runtime::io_executor> resolver{context};
        const auto addresses = resolver.resolve(server.host, server.port, ec);
        if (ec) return fails("find", ec.message());

        stream.emplace(context);
        stream->expires_at(std::min(until, std::chrono::steady_clock::now() + longest_connect));
        ec = wait_for([&](auto done) { stream->async_connect(addresses, done); });
        if (ec == beast::error::timeout) return fails("reach", "it does not answer");
        if (ec) return fails("reach", ec.message() + ". Start a server with `rowlock dev`, or name one with --url or ROWLOCK_URL");
        stream->socket().set_option(tcp::no_delay{true}, ec);
        // A stream of a log may be silent for hours: only the system can notice that the other side is gone.
        stream->socket().set_option(asio::socket_base::keep_alive{true}, ec);
        if (!server.tls) return std::nullopt;

        tls_context.set_default_verify_paths(ec);
        tls.emplace(*stream, tls_context);
        tls->set_verify_mode(asio::ssl::verify_peer, ec);
        tls->set_verify_callback(asio::ssl::host_name_verification{server.host}, ec);
        if (SSL_set_tlsext_host_name(tls->native_handle(), server.host.c_str()) != 1) return fails("secure the connection to", "no memory");
        ec = wait_for([&](auto done) { tls->async_handshake(asio::ssl::stream_base::client, done); });
        if (ec) return fails("secure the connection to", ec.message());
        return std::nullopt;
    }

    http::request<http::string_body> message_of(const http_request& request) const
    {
        http::request<http::string_body> message;
        message.version(11);
        message.method_string(request.method);
        message.target(server.prefix + request.target);
        message.set(http::field::host, server.authority());
        message.set(http::field::user_agent, "rowlock/" ROWLOCK_VERSION);
        message.set(http::field::accept, "application/json, text/plain");
        for (const auto& [name, value] : headers) message.set(name, value);
        for (const auto& [name, value] : request.headers) message.set(name, value);
        if (!request.body.empty()) message.set(http::field::content_type, "application/json");
        message.body() = request.body;
        message.prepare_payload();
        return message;
    }

    template <class Stream>
    std::optional<exchange_error> exchange(Stream& over, const http_request& request, const piece_sink* sink, http_reply& reply)
    {
        const auto message = message_of(request);
        if (const error_code ec = wait_for([&](auto done) { http::async_write(over, message, done); })) return exchange_error{ec};

        http::response_parser<http::buffer_body> parser;
        parser.body_limit(sink ? boost::none : boost::optional<std::uint64_t>{largest_reply});
        if (const error_code ec = wait_for([&](auto done) { http::async_read_header(over, buffer, parser, done); })) {
            return exchange_error{ec, parser.got_some() || buffer.size() > 0};
        }
        reply = head_of(parser);
        const bool streamed = sink && reply.status == 200;
        if (streamed) stream->expires_never();
        std::array<char, 16'384> piece;
        while (!parser.is_done()) {
            parser.get().body().data = piece.data();
            parser.get().body().size = piece.size();
            const error_code ec = wait_for([&](auto done) { http::async_read_some(over, buffer, parser, done); });
            if (ec && ec != http::error::need_buffer) return exchange_error{ec, true};
            const std::string_view read{piece.data(), piece.size() - parser.get().body().size};
            if (read.empty()) continue;
            if (streamed) (*sink)(read);
            else reply.body += read;
        }
        if (streamed || !parser.keep_alive()) disconnect();
        return std::nullopt;
    }

    boost::system::result<http_reply, transport_error> perform(const http_request& request, const piece_sink* sink)
    {
        const auto until = std::chrono::steady_clock::now() + request.time_limit;
        for (bool may_repeat = request.repeatable;; may_repeat = false) {
            const bool reused = is_fresh();
            if (!reused) {
                disconnect();
                if (const auto failed = connect(until)) return *failed;
            }
            stream->expires_at(until);
            http_reply reply;
            const auto failed = tls ? exchange(*tls, request, sink, reply) : exchange(*stream, request, sink, reply);
            if (!failed) return reply;
            disconnect();
            if (reused && !failed->replied && may_repeat && failed->code != beast::error::timeout) continue;
            return explain(request, *failed);
        }
    }

    transport_error explain(const http_request& request, const exchange_error& failed) const
    {
        if (failed.code == beast::error::timeout) {
            return {fmt::format("{} did not answer {} {} within {} s", server.text(), request.method, request.target, request.time_limit.count() / 1000)};
        }
        if (failed.code.category() == http::make_error_code(http::error::end_of_stream).category() && failed.code != http::error::end_of_stream &&
            failed.code != http::error::partial_message) {
            return {fmt::format("{} did not answer in HTTP: {}", server.text(), failed.code.message())};
        }
        return {fmt::format("the connection to {} was lost during {} {}: {}", server.text(), request.method, request.target, failed.code.message())};
    }
};

http_client::http_client(base_url server, std::vector<std::pair<std::string, std::string>> headers) : state_(std::make_unique<state>())
{
    state_->server = std::move(server);
    state_->headers = std::move(headers);
}

http_client::~http_client() = default;

boost::system::result<http_reply, transport_error> http_client::send(const http_request& request)
{
    return state_->perform(request, nullptr);
}

boost::system::result<http_reply, transport_error> http_client::stream(const http_request& request, const piece_sink& sink)
{
    return state_->perform(request, &sink);
}

const base_url& http_client::server() const
{
    return state_->server;
}

}
