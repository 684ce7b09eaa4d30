#include "bench/load/http_connection.hpp"

#include <algorithm>
#include <boost/asio/write.hpp>
#include <cctype>
#include <charconv>
#include <fmt/format.h>
#include <stdexcept>
#include <utility>

namespace rowlock::bench {

namespace asio = boost::asio;

namespace {

constexpr std::size_t read_size = 64 * 1024;
constexpr std::string_view end_of_head = "\r\n\r\n";

bool same_name(std::string_view a, std::string_view lower)
{
    return a.size() == lower.size() &&
           std::equal(a.begin(), a.end(), lower.begin(), [](char x, char y) { return std::tolower(static_cast<unsigned char>(x)) == y; });
}

// The value of a header of `head`; "" where it is not there.
std::string_view header(std::string_view head, std::string_view lower_name)
{
    for (std::size_t line = head.find("\r\n"); line != std::string_view::npos; line = head.find("\r\n", line)) {
        line += 2;
        const std::size_t colon = head.find(':', line);
        if (colon == std::string_view::npos) return {};
        const std::size_t end = std::min(head.find("\r\n", colon), head.size());
        if (same_name(head.substr(line, colon - line), lower_name)) {
            std::string_view value = head.substr(colon + 1, end - colon - 1);
            value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
            return value;
        }
    }
    return {};
}

std::size_t number(std::string_view text, const char* what)
{
    std::size_t n = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (failed != std::errc{} || end == text.data()) throw std::runtime_error(fmt::format("an answer without {}: {}", what, text));
    return n;
}

}

runtime::awaitable<void> http_connection::connect()
{
    co_await socket_.async_connect(server_, runtime::use_awaitable);
    socket_.set_option(asio::ip::tcp::no_delay{true});
}

runtime::awaitable<void> http_connection::read_more()
{
    const auto room = in_.room(read_size);
    in_.came(co_await socket_.async_read_some(asio::buffer(room.data(), room.size()), runtime::use_awaitable));
}

runtime::awaitable<reply> http_connection::exchange(std::string_view request)
{
    in_.use(std::exchange(used_, 0));
    co_await asio::async_write(socket_, asio::buffer(request.data(), request.size()), runtime::use_awaitable);
    std::size_t head_size = std::string::npos;
    while ((head_size = in_.bytes().find(end_of_head)) == std::string::npos) co_await read_more();

    const std::string_view head = in_.bytes().substr(0, head_size);
    constexpr std::string_view version = "HTTP/1.1 ";
    if (!head.starts_with(version)) throw std::runtime_error(fmt::format("an answer that is not HTTP/1.1: {}", head.substr(0, 40)));
    const auto status = static_cast<int>(number(head.substr(version.size(), 3), "a status"));
    const std::string_view length = header(head, "content-length");
    const std::size_t body_size = length.empty() && status == 204 ? 0 : number(length, "a Content-Length");
    const std::size_t body_at = head_size + end_of_head.size();
    while (in_.bytes().size() < body_at + body_size) co_await read_more();
    used_ = body_at + body_size;
    co_return reply{status, in_.bytes().substr(body_at, body_size)};
}

}
