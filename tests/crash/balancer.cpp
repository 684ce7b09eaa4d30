#include "tests/crash/balancer.hpp"

#include "tests/crash/loopback_port.hpp"
#include "tests/support/http_client.hpp"
#include "tests/support/program.hpp"

#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <sstream>
#include <unistd.h>

namespace rowlock::test {

namespace fs = std::filesystem;

namespace {

// Like ops/examples/haproxy.cfg, but that it looks more often.
constexpr std::string_view settings = R"(
global
    maxconn 1000
defaults
    mode http
    timeout connect 2s
    timeout client 75s
    timeout server 310s
    timeout check 1s
    retries 3
    retry-on conn-failure
    option redispatch 1
frontend clients
    bind {}
    stats enable
    stats uri /balancer
    default_backend rowlock
backend rowlock
    balance leastconn
    option httpchk
    http-check send meth GET uri /readyz
    http-check expect status 200
    default-server check inter 100ms fall 2 rise 1
)";

}

balancer::balancer(const std::map<std::string, std::string>& servers) : address_(unused_loopback_address())
{
    std::string text = fmt::format(fmt::runtime(settings), address_);
    for (const auto& [name, at] : servers) text += fmt::format("    server {} {}\n", name, at);
    const auto file = folder_.path() / "haproxy.cfg";
    write_file(file, text);
    const auto log = folder_.path() / "log";
    const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    auto started = children_.spawn({.command = {"/usr/sbin/haproxy", "-db", "-f", file.string()}, .environment = {"PATH=/usr/bin:/bin"}, .output = output});
    ::close(output);
    if (!started) throw std::runtime_error("HAProxy cannot be started (ops/setup installs it): " + started.error().detail);
    haproxy_ = std::move(*started);
    eventually("HAProxy listens", [&] {
        if (!haproxy_->running()) throw std::runtime_error("HAProxy has ended: " + text_of_file(log) + text);
        try {
            return http_request(address_, "GET", "/balancer;csv").status == 200;
        } catch (const std::runtime_error&) {
            return false;
        }
    });
}

balancer::~balancer()
{
    if (!haproxy_) return;
    haproxy_->signal(SIGINT);
    haproxy_->wait(std::chrono::seconds(10));
}

int balancer::up() const
{
    // proxy, server, and sixteen figures before the status.
    constexpr int status_column = 17;
    std::istringstream lines(http_request(address_, "GET", "/balancer;csv").body);
    int n = 0;
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with("rowlock,") || line.starts_with("rowlock,BACKEND,")) continue;
        std::istringstream fields(line);
        std::string field;
        for (int column = 0; column <= status_column; ++column) std::getline(fields, field, ',');
        if (field.starts_with("UP")) ++n;
    }
    return n;
}

}
