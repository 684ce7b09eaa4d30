#include "tests/support/websocket_client.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <deque>
#include <stdexcept>

namespace rowlock::test {

namespace beast = boost::beast;
namespace ws = boost::beast::websocket;
using tcp = boost::asio::ip::tcp;

struct websocket_client::state {
    boost::asio::io_context context{1};
    ws::stream<beast::tcp_stream> stream{context};
    ws::response_type handshake;
    std::deque<boost::json::value> kept;
    beast::flat_buffer buffer;
    std::optional<beast::error_code> read;       // of the message that is being read; none: still
    bool reading = false;
    int pings = 0;
    int pongs = 0;
    bool closed = false;

    // Runs what has been started until `done()`.
    template <class Done>
    void run(Done done, std::chrono::milliseconds within)
    {
        const auto until = std::chrono::steady_clock::now() + within;
        while (!done()) {
            context.restart();
            if (context.run_one_until(until) == 0 && !done()) throw std::runtime_error("the server has not answered on its WebSocket in time");
        }
    }

    // A read that has timed out goes on with the next one.
    void start_reading()
    {
        if (std::exchange(reading, true)) return;
        buffer.clear();
        read.reset();
        stream.async_read(buffer, [this](beast::error_code ec, std::size_t) { read = ec; });
    }

    // The message that has been read; nullopt: the connection has been closed.
    std::optional<boost::json::value> take()
    {
        reading = false;
        if (*read) {
            closed = true;
            return std::nullopt;
        }
        const auto bytes = buffer.data();
        return boost::json::parse(beast::string_view(static_cast<const char*>(bytes.data()), bytes.size()));
    }

    void write(std::string_view bytes, bool text)
    {
        bool done = false;
        beast::error_code failed;
        stream.text(text);
        stream.async_write(boost::asio::buffer(bytes.data(), bytes.size()), [&](beast::error_code ec, std::size_t) {
            failed = ec;
            done = true;
        });
        run([&] { return done; }, patience);
        if (failed) throw std::runtime_error("a frame could not be sent: " + failed.message());
    }
};

websocket_client::websocket_client(const std::string& address, options how) : state_(std::make_unique<state>())
{
    const auto colon = address.rfind(':');
    auto& socket = beast::get_lowest_layer(state_->stream).socket();
    tcp::resolver resolver(state_->context);
    boost::asio::connect(socket, resolver.resolve(address.substr(0, colon), address.substr(colon + 1)));
    socket.set_option(tcp::no_delay(true));
    state_->stream.read_message_max(64u << 20);
    state_->stream.set_option(ws::stream_base::decorator([&how](ws::request_type& rq) {
        for (const auto& [name, value] : how.fields) rq.set(name, value);
    }));
    state_->stream.control_callback([this](ws::frame_type kind, beast::string_view) {
        if (kind == ws::frame_type::ping) ++state_->pings;
        if (kind == ws::frame_type::pong) ++state_->pongs;
    });
    beast::error_code ec;
    state_->stream.handshake(state_->handshake, address, how.target, ec);
    if (ec) throw std::runtime_error("the WebSocket was refused with " + std::to_string(state_->handshake.result_int()) + ": " + state_->handshake.body());
}

websocket_client::~websocket_client() = default;

std::string websocket_client::field(std::string_view name) const
{
    const auto value = state_->handshake[beast::string_view(name.data(), name.size())];
    return {value.data(), value.size()};
}

void websocket_client::send(const boost::json::value& frame)
{
    send_text(boost::json::serialize(frame));
}

void websocket_client::send_text(std::string_view text)
{
    state_->write(text, true);
}

void websocket_client::send_binary(std::string_view bytes)
{
    state_->write(bytes, false);
}

void websocket_client::ping(std::string_view payload)
{
    state_->stream.ping({payload.data(), payload.size()});
}

std::optional<boost::json::value> websocket_client::try_receive(std::chrono::milliseconds within)
{
    auto& s = *state_;
    if (!s.kept.empty()) {
        auto first = std::move(s.kept.front());
        s.kept.pop_front();
        return first;
    }
    if (s.closed) return std::nullopt;
    s.start_reading();
    s.run([&s] { return s.read.has_value(); }, within);
    return s.take();
}

void websocket_client::receive_until(const std::function<bool()>& holds, std::chrono::milliseconds within)
{
    auto& s = *state_;
    while (!holds()) {
        if (s.closed) throw std::runtime_error("the server has closed the WebSocket: " + close_reason());
        s.start_reading();
        s.run([&] { return s.read.has_value() || holds(); }, within);
        if (!s.read) return;
        if (auto message = s.take()) s.kept.push_back(std::move(*message));
    }
}

boost::json::value websocket_client::receive(std::chrono::milliseconds within)
{
    auto message = try_receive(within);
    if (!message) throw std::runtime_error("the server has closed the WebSocket: " + close_reason());
    return std::move(*message);
}

int websocket_client::closed_with(std::chrono::milliseconds within)
{
    const auto until = std::chrono::steady_clock::now() + within;
    while (try_receive(std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()))) {
    }
    return state_->stream.reason().code;
}

std::string websocket_client::close_reason() const
{
    const auto& reason = state_->stream.reason().reason;
    return {reason.data(), reason.size()};
}

int websocket_client::pings() const
{
    return state_->pings;
}

int websocket_client::pongs() const
{
    return state_->pongs;
}

void websocket_client::close()
{
    beast::error_code ignored;
    if (!state_->reading) state_->stream.close(ws::close_code::normal, ignored);
    state_->closed = true;
}

std::string client_frame(int opcode, std::string_view payload, bool fin)
{
    const std::string mask = "\x11\xa2\x03\xf4";
    std::string frame;
    frame.push_back(static_cast<char>((fin ? 0x80 : 0) | opcode));
    if (payload.size() < 126) {
        frame.push_back(static_cast<char>(0x80 | payload.size()));
    } else if (payload.size() <= 0xffff) {
        frame.push_back(static_cast<char>(0x80 | 126));
        for (const int shift : {8, 0}) frame.push_back(static_cast<char>((payload.size() >> shift) & 0xff));
    } else {
        frame.push_back(static_cast<char>(0x80 | 127));
        for (const int shift : {56, 48, 40, 32, 24, 16, 8, 0}) frame.push_back(static_cast<char>((payload.size() >> shift) & 0xff));
    }
    frame += mask;
    for (std::size_t i = 0; i < payload.size(); ++i) frame.push_back(static_cast<char>(payload[i] ^ mask[i % mask.size()]));
    return frame;
}

http_connection raw_websocket(const std::string& address, const http_fields& fields)
{
    http_connection connection(address);
    http_fields all{{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
    all.insert(all.end(), fields.begin(), fields.end());
    connection.send(request_text("GET", "/v1/stream", {}, all));
    const auto reply = connection.receive(true);
    if (reply.status != 101) throw std::runtime_error("the WebSocket was refused with " + std::to_string(reply.status));
    // The key and its answer are those of RFC 6455 §1.3.
    if (reply.field("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") throw std::runtime_error("the answer to the key is wrong");
    return connection;
}

int server_frame::code() const
{
    return payload.size() < 2 ? 0 : static_cast<unsigned char>(payload[0]) * 256 + static_cast<unsigned char>(payload[1]);
}

std::optional<server_frame> next_frame(http_connection& from, std::string& buffer, std::chrono::milliseconds within)
{
    const auto byte = [&buffer](std::size_t at) { return static_cast<std::size_t>(static_cast<unsigned char>(buffer[at])); };
    for (;;) {
        std::size_t head = 2;
        std::size_t length = buffer.size() < 2 ? 0 : byte(1);
        if (length >= 126) {
            const std::size_t extra = length == 126 ? 2 : 8;
            head += extra;
            length = 0;
            for (std::size_t i = 0; i < extra && buffer.size() >= head; ++i) length = length * 256 + byte(2 + i);
        }
        if (buffer.size() >= head && buffer.size() >= head + length) {
            server_frame frame{static_cast<int>(byte(0) & 15), buffer.substr(head, length)};
            buffer.erase(0, head + length);
            return frame;
        }
        const auto more = from.receive_some(within);
        if (more.empty()) return std::nullopt;
        buffer += more;
    }
}

}
