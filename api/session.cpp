#include "api/session.hpp"

#include "api/auth.hpp"
#include "api/context.hpp"
#include "api/request_parser.hpp"
#include "api/trace.hpp"
#include "api/websocket_upgrade.hpp"

#include <fmt/format.h>
#include <optional>
#include <spdlog/spdlog.h>

namespace rowlock::api {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t output_high_water = 64 * 1024;
// The rest of a refused body up to this size is read, so that the connection can be kept.
constexpr std::size_t small_body = 64 * 1024;
constexpr auto longest_linger = 10s;

class session {
public:
    session(runtime::tcp_socket socket, const services& app, connection_list& connections)
        : app_(app), connections_(connections), connection_(std::move(socket)), membership_(connections, connection_), context_(app, connection_) {}

    runtime::awaitable<void> run()
    {
        http_figures::add(app_.figures.connections, std::int64_t{1});
        const leaving on_the_way_out{app_.figures};
        while (co_await serve_next()) {
        }
        if (!reply_is_last_) co_return;
        if (co_await connection_.flush()) co_await connection_.linger(runtime::steady_clock::now() + (context_.winding_down() ? 1s : longest_linger));
    }

private:
    struct leaving {
        http_figures& figures;
        ~leaving() { http_figures::add(figures.connections, std::int64_t{-1}); }
    };

    enum class arrival { whole, refused, gone };

    // One request and its answer. False: the connection is at its end.
    runtime::awaitable<bool> serve_next();
    runtime::awaitable<bool> first_byte();
    // Reads a request to its end, or to the point where it is refused: then answer_ says why.
    runtime::awaitable<arrival> read_request();
    runtime::awaitable<bool> receive_more();
    // Route, caller and content type, before the body is read. Sets answer_ where the request is not to be handled.
    runtime::awaitable<void> admit();
    void refuse_misplaced(const match& m);
    bool has_body() const;
    void refuse_wrong_content();
    std::size_t most_body() const { return route_ && route_->most_body > 0 ? route_->most_body : app_.options.max_body_bytes; }
    void refuse_long_body() { set_answer({errc::body_too_large, fmt::format("The body may have {} bytes.", most_body())}); }
    bool comes_from_another_site() const;
    runtime::awaitable<response> handle();
    void set_answer(const error& e) { answer_.emplace(context_.refuse(e)); }
    reply_frame frame() const;

    const services& app_;
    connection_list& connections_;
    connection connection_;
    connection_list::membership membership_;
    request_context context_;
    std::optional<request_parser> parser_;
    std::optional<response> answer_;
    const route* route_ = nullptr;
    std::size_t route_index_ = 0;
    runtime::deadline started_{};
    bool admitted_ = false;
    bool reply_is_last_ = false;
};

error error_of(const boost::system::error_code& ec, const server_options& options)
{
    using boost::beast::http::error;
    if (ec == error::header_limit) {
        return {errc::headers_too_large, fmt::format("The request line and the headers may have {} bytes together.", options.max_header_bytes)};
    }
    if (ec == error::body_limit) return {errc::body_too_large, fmt::format("The body may have {} bytes.", options.max_body_bytes)};
    return {errc::malformed_http, fmt::format("The request is not HTTP/1.1: {}.", ec.message())};
}

bool begins_like_a_request(std::string_view text)
{
    return text.empty() || (text.front() >= 'A' && text.front() <= 'Z') || (text.front() >= 'a' && text.front() <= 'z');
}

runtime::awaitable<bool> session::first_byte()
{
    for (;;) {
        // An empty line or two between requests is forgiven, as RFC 9112 asks.
        while (connection_.received().starts_with("\r\n") || connection_.received().starts_with('\n')) {
            connection_.consume(connection_.received().front() == '\n' ? 1 : 2);
        }
        if (!connection_.received().empty() && connection_.received() != "\r") co_return true;
        if (!co_await connection_.flush() || context_.stopping()) co_return false;
        connection_.set_idle(true);
        context_.rest();
        const bool received = co_await connection_.receive_when_idle(app_.options.max_header_bytes, runtime::steady_clock::now() + app_.options.idle_timeout);
        connection_.set_idle(false);
        if (!received) co_return false;
    }
}

runtime::awaitable<bool> session::serve_next()
{
    context_.clear();
    answer_.reset();
    route_ = nullptr;
    route_index_ = http_figures::most_routes - 1;
    admitted_ = false;
    if (!co_await first_byte()) co_return false;
    started_ = runtime::steady_clock::now();
    choose_request_id({}, context_.request_id);
    parser_.emplace(context_.rq, app_.options.max_header_bytes, app_.options.max_body_bytes);
    const arrival how = co_await read_request();
    if (how == arrival::gone) co_return false;
    if (how == arrival::whole && !admitted_) co_await admit();
    if (!answer_) answer_.emplace(co_await handle());
    // A long answer lies here until its reader has taken it. What was written is told in any case.
    if (answer_->body.size() >= output_high_water && route_ && route_->verb == method::get) {
        if (const auto counted = context_.count_answer(answer_->body.size()); !counted) set_answer(counted.error());
    }
    if (how == arrival::refused) answer_->close = true;
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(runtime::steady_clock::now() - started_);
    app_.figures.answered(route_index_, answer_->status, took, context_.held);
    if (answer_->sent) co_return !context_.stream.must_close() && parser_->keep_alive();

    reply_frame f = frame();
    f.keep_alive = f.keep_alive && !answer_->close;
    append_reply(connection_.output(), *answer_, f);
    context_.recycle(std::move(*answer_));
    if (!f.keep_alive) {
        reply_is_last_ = true;
        co_return false;
    }
    // Answers to pipelined requests go out together: first_byte() sends them when there is nothing more to answer.
    if (connection_.output().size() >= output_high_water) co_return co_await connection_.flush();
    co_return true;
}

runtime::awaitable<bool> session::receive_more()
{
    const bool headers_done = parser_->is_header_done();
    const auto until = headers_done ? transfer_deadline(started_, context_.rq.body().size(), app_.options.body_timeout) : started_ + app_.options.header_timeout;
    // The parser needs a whole header block, or a whole line of a chunk, in the buffer.
    co_return co_await connection_.receive(std::max(app_.options.max_header_bytes, small_body), until);
}

runtime::awaitable<session::arrival> session::read_request()
{
    for (;;) {
        if (!parser_->is_header_done() && !begins_like_a_request(connection_.received())) {
            set_answer({errc::malformed_http, "The request is not HTTP/1.1: it does not begin with a method."});
            co_return arrival::refused;
        }
        boost::system::error_code ec;
        const auto received = connection_.received();
        if (!received.empty()) connection_.consume(parser_->put(boost::asio::buffer(received.data(), received.size()), ec));
        if (ec && ec != boost::beast::http::error::need_more) {
            set_answer(error_of(ec, app_.options));
            co_return arrival::refused;
        }
        // One that comes in chunks does not say how long it is.
        if (admitted_ && !answer_ && context_.rq.body().size() > most_body()) {
            refuse_long_body();
            co_return arrival::refused;
        }
        const bool long_body = parser_->is_header_done() && !parser_->chunked() && !parser_->is_done();
        if (const auto counted = context_.count_body(long_body ? static_cast<std::size_t>(parser_->content_length_remaining().value_or(0)) : 0); !counted) {
            set_answer(counted.error());
            co_return arrival::refused;
        }
        if (parser_->is_done()) co_return arrival::whole;

        if (parser_->is_header_done() && !admitted_) {
            co_await admit();
            const auto expect = context_.rq.header("Expect");
            const bool short_rest = !parser_->chunked() && parser_->content_length_remaining().value_or(0) <= small_body;
            if (answer_ && (expect || !short_rest)) co_return arrival::refused;
            if (expect && same_ignoring_case(*expect, "100-continue") && context_.rq.version() == 11) {
                connection_.output().append("HTTP/1.1 100 Continue\r\n\r\n");
            }
        }
        if (!co_await connection_.flush()) co_return arrival::gone;
        if (co_await receive_more()) continue;
        if (!connection_.timed_out()) co_return arrival::gone;
        set_answer({errc::request_timeout, "The request did not arrive in time."});
        co_return arrival::refused;
    }
}

bool session::has_body() const
{
    return !context_.rq.body().empty() || parser_->chunked() || parser_->content_length().value_or(0) > 0;
}

void session::refuse_misplaced(const match& m)
{
    if (m.allow.empty()) {
        set_answer(not_found(fmt::format("There is nothing at {}.", context_.rq.path().substr(0, 256))));
    } else if (context_.rq.verb() == method::options) {
        answer_.emplace(context_.reply(204));
    } else {
        set_answer({errc::method_not_allowed, fmt::format("This path takes {}.", m.allow)});
    }
    if (!m.allow.empty()) answer_->add_header("Allow", m.allow);
}

void session::refuse_wrong_content()
{
    const auto type = context_.rq.header("Content-Type");
    if (type) {
        auto media = type->substr(0, type->find(';'));
        while (media.ends_with(' ')) media.remove_suffix(1);
        if (!same_ignoring_case(media, "application/json")) {
            set_answer({errc::unsupported_media_type, "The body must be application/json in UTF-8."});
            return;
        }
    }
    const auto encoding = context_.rq.header("Content-Encoding");
    if (encoding && !same_ignoring_case(*encoding, "identity")) {
        set_answer({errc::unsupported_media_type, "The body must not be compressed: leave Content-Encoding out."});
    }
}

// Without tokens, any page in a browser of this machine could give orders: browsers say where a request comes from.
bool session::comes_from_another_site() const
{
    const auto origin = context_.rq.header("Origin");
    if (!origin) return false;
    const auto host = origin->substr(std::min(origin->find("://"), origin->size()));
    return host.size() < 3 || !same_ignoring_case(host.substr(3), context_.rq.header("Host").value_or(""));
}

runtime::awaitable<void> session::admit()
{
    admitted_ = true;
    const request& rq = context_.rq;
    choose_request_id(rq.header("X-Request-Id").value_or(""), context_.request_id);
    context_.trace_parent = valid_trace_parent(rq.header("traceparent").value_or(""));
    const match m = find_route(all_routes(), rq.verb(), rq.path(), context_.path);
    if (!m.found) {
        refuse_misplaced(m);
        co_return;
    }
    route_ = m.found;
    route_index_ = m.index;
    if (app_.options.auth_none && comes_from_another_site()) {
        set_answer({errc::forbidden, "Without tokens, pages of other sites may not use this server."});
        co_return;
    }
    if (route_->needs != permission::none) {
        std::string_view authorization = rq.header("Authorization").value_or("");
        if (route_->is_socket) {
            const auto offered = authorization.empty() ? websocket::offered_token(rq) : std::nullopt;
            context_.authorization = offered ? fmt::format("Bearer {}", *offered) : std::string(authorization);
            authorization = context_.authorization;
        }
        const authenticator::credentials given{authorization, rq.header("X-Rowlock-Tenant").value_or(""), route_->verb != method::get};
        result<void> answer;
        if (!app_.callers.identify_at_once(given, route_->needs, context_.caller, answer)) {
            answer = co_await app_.callers.identify(given, route_->needs, context_.caller);
        }
        if (!answer) {
            set_answer(answer.error());
            co_return;
        }
    }
    if (has_body() && route_->verb != method::get) refuse_wrong_content();
    if (!answer_ && parser_->content_length().value_or(0) > most_body()) refuse_long_body();
}

runtime::awaitable<response> session::handle()
{
    // The handler may wait; nobody else's answer waits with it.
    if (!connection_.output().empty() && !co_await connection_.flush()) co_return context_.refuse({errc::internal, "The client has gone."});
    context_.stream.prepare(frame());
    try {
        co_return co_await route_->handle(context_);
    } catch (const boost::system::system_error& e) {
        if (e.code() == boost::asio::error::operation_aborted) throw;
        spdlog::error("{} {} failed: {}", to_string(route_->verb), route_->pattern, e.what());
    } catch (const std::exception& e) {
        spdlog::error("{} {} failed: {}", to_string(route_->verb), route_->pattern, e.what());
    }
    context_.stream.abandon();
    auto failed = context_.refuse({errc::internal, "Something failed that should not have. The server's log says what."});
    failed.sent = context_.stream.begun();
    co_return failed;
}

reply_frame session::frame() const
{
    reply_frame f;
    f.request_id = context_.request_id;
    f.date = connections_.date();
    // Requests that have been sent already are answered still: the client could not know.
    const bool last = context_.stopping() || (context_.winding_down() && connection_.received().empty());
    f.keep_alive = parser_->is_header_done() && parser_->keep_alive() && !last;
    f.http_1_0 = context_.rq.version() == 10;
    f.head = context_.rq.verb() == method::head;
    return f;
}

}

runtime::awaitable<void> serve(runtime::tcp_socket socket, const services& app, connection_list& connections)
{
    // On the heap: a session is too large for a coroutine's frame, which asio keeps for the next.
    const auto one = std::make_unique<session>(std::move(socket), app, connections);
    co_await one->run();
}

runtime::awaitable<void> turn_away(runtime::tcp_socket socket, connection_list& connections)
{
    connection c(std::move(socket));
    const connection_list::membership membership(connections, c);
    const auto reply = problem({errc::overloaded, "There are too many connections. Try again.", {}, 1s});
    append_reply(c.output(), reply, {"none", connections.date(), false});
    if (co_await c.flush()) co_await c.linger(runtime::steady_clock::now() + 1s);
}

}
