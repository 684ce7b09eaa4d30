#include "bench/load/stream_connection.hpp"

#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>
#include <stdexcept>
#include <utility>

namespace rowlock::bench {

namespace asio = boost::asio;

namespace {

constexpr std::size_t read_size = 256 * 1024;
constexpr std::string_view end_of_head = "\r\n\r\n";
constexpr unsigned char whole_text = 0x81;

std::size_t big_endian(std::string_view bytes)
{
    std::size_t n = 0;
    for (const char c : bytes) n = (n << 8) | static_cast<unsigned char>(c);
    return n;
}

}

std::string frame_bytes(std::string_view text)
{
    std::string frame(1, static_cast<char>(whole_text));
    const int length_bytes = text.size() < 126 ? 0 : text.size() <= 0xffff ? 2 : 8;
    frame.push_back(static_cast<char>(0x80u | (length_bytes == 0 ? text.size() : length_bytes == 2 ? 126u : 127u)));
    for (int shift = 8 * (length_bytes - 1); shift >= 0; shift -= 8) frame.push_back(static_cast<char>((text.size() >> shift) & 0xffu));
    frame.append(4, '\0');
    return frame.append(text);
}

runtime::awaitable<void> stream_connection::read_more()
{
    in_.use(std::exchange(used_, 0));
    const auto room = in_.room(read_size);
    in_.came(co_await socket_.async_read_some(asio::buffer(room.data(), room.size()), runtime::use_awaitable));
}

runtime::awaitable<std::size_t> stream_connection::open(const std::string& credentials)
{
    co_await socket_.async_connect(server_, runtime::use_awaitable);
    socket_.set_option(asio::ip::tcp::no_delay{true});
    const std::string handshake = "GET /v1/stream HTTP/1.1\r\nHost: rowlock\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: cm93bG9jayBsb2FkIHRlcw==\r\n" + credentials + "\r\n";
    co_await send(handshake);
    while (in_.bytes().find(end_of_head) == std::string::npos) co_await read_more();
    const std::string_view head = in_.bytes().substr(0, in_.bytes().find(end_of_head));
    if (!head.starts_with("HTTP/1.1 101 ")) throw std::runtime_error(fmt::format("no WebSocket: {}", head.substr(0, 40)));
    used_ = head.size() + end_of_head.size();
    const auto welcome = boost::json::parse(boost::json::string_view(co_await receive()));
    co_return welcome.at("max_in_flight").to_number<std::size_t>();
}

runtime::awaitable<void> stream_connection::send(std::string_view frames)
{
    co_await asio::async_write(socket_, asio::buffer(frames.data(), frames.size()), runtime::use_awaitable);
}

std::size_t stream_connection::header_size() const
{
    if (rest().size() < 2) return 2;
    const auto length = static_cast<unsigned char>(rest()[1]);
    return length < 126 ? 2 : length == 126 ? 4 : 10;
}

std::size_t stream_connection::message_size() const
{
    const std::size_t head = header_size();
    if (rest().size() < head) return 0;
    const std::size_t length = head == 2 ? static_cast<unsigned char>(rest()[1]) : big_endian(rest().substr(2, head - 2));
    return rest().size() < head + length ? 0 : head + length;
}

runtime::awaitable<std::string_view> stream_connection::receive()
{
    while (message_size() == 0) co_await read_more();
    const std::size_t size = message_size();
    if (static_cast<unsigned char>(rest()[0]) != whole_text) throw std::runtime_error("the server has sent something else than text");
    const std::string_view message = rest().substr(header_size(), size - header_size());
    used_ += size;
    co_return message;
}

}
