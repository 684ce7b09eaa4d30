#include "runtime/handlers/http_connection.hpp"

#include "runtime/handlers/readable.hpp"

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>
#include <optional>
#include <sys/socket.h>

namespace rowlock::runtime {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

using plain_stream = beast::basic_stream<asio::ip::tcp, io_executor>;
using tls_stream = asio::ssl::stream<plain_stream>;

constexpr std::uint32_t header_limit = 64u << 10;
constexpr int interim_replies = 8;                   // 100, 102, 103 before the answer
constexpr std::chrono::milliseconds shortest_try{250};

// The peer has gone, as opposed to being slow or wrong.
bool is_closed(const error_code& ec)
{
    return ec == asio::error::eof || ec == asio::error::connection_reset || ec == asio::error::broken_pipe || ec == asio::error::connection_aborted ||
           ec == asio::ssl::error::stream_truncated || ec == http::error::end_of_stream;
}

std::string explained(const error_code& ec)
{
    if (ec == beast::error::timeout) return "no answer in time";
    return ec.message();
}

failure connection_failed(const url& to, std::string_view what, const error_code& ec)
{
    return {"CONNECTION_FAILED", fmt::format("{}: {}: {}", to_string(to), what, explained(ec))};
}

// The share of the time left that the next of `left` addresses gets, so that a dead one does not use it all up.
deadline share(deadline until, std::size_t left)
{
    const auto now = steady_clock::now();
    if (left <= 1 || until <= now) return until;
    return std::min(until, now + std::max<steady_clock::duration>((until - now) / static_cast<int>(left), shortest_try));
}

}

struct http_connection::state {
    state(io_executor executor, std::shared_ptr<asio::ssl::context> context) : tls(std::move(context))
    {
        if (tls) secure.emplace(plain_stream(executor), *tls);
        else open.emplace(executor);
    }

    plain_stream& lowest() { return secure ? secure->next_layer() : *open; }

    template <class Stream>
    awaitable<http_exchange> exchange(Stream& stream, const url& to, const http_request& request, std::int64_t limit, deadline until);

    std::shared_ptr<asio::ssl::context> tls;
    std::optional<plain_stream> open;
    std::optional<tls_stream> secure;
    beast::flat_buffer buffer;
    bool reusable = false;
    bool cancelled = false;
};

http_connection::http_connection(io_executor executor, std::shared_ptr<asio::ssl::context> tls) : state_(std::make_unique<state>(executor, std::move(tls))) {}

http_connection::~http_connection() = default;

awaitable<attempted<void>> http_connection::connect(const url& to, std::vector<asio::ip::address> addresses, deadline until)
{
    auto& lowest = state_->lowest();
    error_code ec = asio::error::host_not_found;
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        // A socket that was refused once cannot be connected any more, and may be of the other family.
        error_code no_matter;
        lowest.socket().close(no_matter);
        lowest.expires_at(share(until, addresses.size() - i));
        co_await lowest.async_connect(asio::ip::tcp::endpoint(addresses[i], to.port), asio::redirect_error(use_awaitable, ec));
        if (!ec || state_->cancelled) break;
    }
    if (!ec && state_->cancelled) ec = asio::error::operation_aborted;
    if (ec) co_return connection_failed(to, "cannot connect", ec);
    error_code no_matter;
    lowest.socket().set_option(asio::ip::tcp::no_delay(true), no_matter);
    if (!state_->secure) co_return attempted<void>();

    auto& secure = *state_->secure;
    error_code is_name;
    asio::ip::make_address(to.host, is_name);
    // RFC 6066: an address is no server name.
    if (is_name) SSL_set_tlsext_host_name(secure.native_handle(), to.host.c_str());
    secure.set_verify_callback(asio::ssl::host_name_verification(to.host));
    lowest.expires_at(until);
    co_await secure.async_handshake(asio::ssl::stream_base::client, asio::redirect_error(use_awaitable, ec));
    if (ec) {
        const long verdict = SSL_get_verify_result(secure.native_handle());
        auto why = connection_failed(to, "TLS handshake", ec);
        if (verdict != X509_V_OK) why.message += fmt::format(" ({})", X509_verify_cert_error_string(verdict));
        co_return why;
    }
    co_return attempted<void>();
}

template <class Stream>
awaitable<http_exchange> http_connection::state::exchange(Stream& stream, const url& to, const http_request& asked, std::int64_t limit, deadline until)
{
    reusable = false;
    http::request<http::string_body> request;
    request.version(11);
    request.method_string(asked.method);
    request.target(to.target);
    request.set(http::field::host, authority(to));
    for (const auto& [name, value] : asked.headers) request.insert(name, value);
    request.body() = asked.body;
    request.prepare_payload();

    error_code ec;
    lowest().expires_at(until);
    co_await http::async_write(stream, request, asio::redirect_error(use_awaitable, ec));
    // A server may answer and close before it has read all of the request: what it said counts, if it said anything.
    const auto write_error = ec;
    if (ec && !is_closed(ec)) co_return http_exchange{connection_failed(to, "sending the request", ec)};

    for (int replies = 0; replies <= interim_replies; ++replies) {
        http::response_parser<http::string_body> parser;
        parser.header_limit(header_limit);
        parser.body_limit(static_cast<std::uint64_t>(std::max<std::int64_t>(limit, 0)));
        parser.skip(asked.method == "HEAD");
        co_await http::async_read(stream, buffer, parser, asio::redirect_error(use_awaitable, ec));
        if (ec == http::error::body_limit) {
            co_return http_exchange{failure{"OUTPUT_LIMIT", fmt::format("{}: the reply is larger than {} bytes (handler.response_limit_bytes)", to_string(to), limit)}};
        }
        if (ec) {
            const bool nothing = replies == 0 && !parser.got_some() && buffer.size() == 0;
            co_return http_exchange{connection_failed(to, "reading the reply", write_error ? write_error : ec), nothing && is_closed(ec)};
        }
        auto message = parser.release();
        if (message.result_int() >= 100 && message.result_int() < 200 && message.result_int() != 101) continue;
        reusable = !write_error && message.keep_alive() && buffer.size() == 0;
        http_reply reply{.status = static_cast<int>(message.result_int()), .reason = std::string(message.reason())};
        for (const auto& field : message) reply.headers.emplace_back(field.name_string(), field.value());
        reply.body = std::move(message.body());
        co_return http_exchange{std::move(reply)};
    }
    co_return http_exchange{failure{"CONNECTION_FAILED", fmt::format("{}: more than {} interim replies", to_string(to), interim_replies)}};
}

awaitable<http_exchange> http_connection::exchange(const url& to, const http_request& request, std::int64_t limit, deadline until)
{
    if (state_->secure) co_return co_await state_->exchange(*state_->secure, to, request, limit, until);
    co_return co_await state_->exchange(*state_->open, to, request, limit, until);
}

void http_connection::cancel()
{
    // Closed, not only cancelled: an operation that has just ended would otherwise be followed by the next one, which knows nothing of it.
    state_->cancelled = true;
    state_->lowest().close();
}

bool http_connection::reusable() const
{
    return state_->reusable;
}

bool http_connection::still_open()
{
    char byte = 0;
    const auto n = ::recv(state_->lowest().socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n >= 0) {
        // TLS 1.3 sends session tickets after the handshake: bytes are no farewell there, their end is.
        return n > 0 && state_->secure.has_value();
    }
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

}
