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

// ops/examples/haproxy.cfg, with other addresses and fewer connections, without TLS, and with quicker checks.
std::string settings(const std::string& address, const std::map<std::string, std::string>& servers)
{
    std::istringstream example(text_of_file(fs::path(__FILE__).parent_path() / "../../ops/examples/haproxy.cfg"));
    std::string out;
    for (std::string line; std::getline(example, line);) {
        if (line.starts_with("    server ")) continue;
        if (line.starts_with("    maxconn ")) line = "    maxconn 1000";
        if (line.starts_with("    bind ")) line = fmt::format("    bind {}\n    stats enable\n    stats uri /balancer", address);
        if (const auto at = line.find("inter 1s"); at != std::string::npos) line.replace(at, 8, "inter 100ms");
        out += line + '\n';
    }
    for (const auto& [name, at] : servers) out += fmt::format("    server {} {}\n", name, at);
    return out;
}

}

balancer::balancer(const std::map<std::string, std::string>& servers) : address_(unused_loopback_address())
{
    const auto file = folder_.path() / "haproxy.cfg";
    write_file(file, settings(address_, servers));
    const auto log = folder_.path() / "log";
    const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    auto started = children_.spawn({.command = {"/usr/sbin/haproxy", "-db", "-f", file.string()}, .environment = {"PATH=/usr/bin:/bin"}, .output = output});
    ::close(output);
    if (!started) throw std::runtime_error("HAProxy cannot be started (ops/setup installs it): " + started.error().detail);
    haproxy_ = std::move(*started);
    eventually("HAProxy listens", [&] {
        if (!haproxy_->running()) throw std::runtime_error("HAProxy has ended: " + text_of_file(log));
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
