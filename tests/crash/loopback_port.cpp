#include "tests/crash/loopback_port.hpp"

#include <arpa/inet.h>
#include <atomic>
#include <netinet/in.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace rowlock::test {

namespace {

constexpr unsigned first = 15'000;
constexpr unsigned count = 15'000;

bool is_unused(std::uint16_t port)
{
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool free = fd >= 0 && ::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
    if (fd >= 0) ::close(fd);
    return free;
}

}

std::uint16_t unused_loopback_port()
{
    // Runs of the tests at the same time begin at different places.
    static std::atomic<unsigned> next{static_cast<unsigned>(::getpid()) * 97};
    for (unsigned tried = 0; tried < count; ++tried) {
        const auto port = static_cast<std::uint16_t>(first + next.fetch_add(1) % count);
        if (is_unused(port)) return port;
    }
    throw std::runtime_error("127.0.0.1 has no port left");
}

std::string unused_loopback_address()
{
    return "127.0.0.1:" + std::to_string(unused_loopback_port());
}

}
