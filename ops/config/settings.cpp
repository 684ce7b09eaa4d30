#include "ops/config/settings.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <cmath>
#include <fmt/format.h>

namespace rowlock::ops {

std::string listen_address::str() const
{
    return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

bool listen_address::is_loopback() const
{
    if (host == "localhost") return true;
    boost::system::error_code ec;
    const auto address = boost::asio::ip::make_address(host, ec);
    return !ec && address.is_loopback();
}

std::optional<listen_address> parse_listen_address(std::string_view text)
{
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    std::string_view host = text.substr(0, colon);
    const std::string_view port_text = text.substr(colon + 1);
    const bool bracketed = host.starts_with('[') && host.ends_with(']');
    if (bracketed) host = host.substr(1, host.size() - 2);
    const bool digits = !port_text.empty() && std::all_of(port_text.begin(), port_text.end(), [](char c) { return c >= '0' && c <= '9'; });
    std::uint16_t port = 0;
    if (!digits || std::from_chars(port_text.data(), port_text.data() + port_text.size(), port).ec != std::errc{}) return std::nullopt;
    if (host == "localhost" && !bracketed) return listen_address{"localhost", port};
    boost::system::error_code ec;
    const auto address = boost::asio::ip::make_address(host, ec);
    // Without brackets the last group of an IPv6 address would pass for a port.
    if (ec || address.is_v6() != bracketed) return std::nullopt;
    return listen_address{std::string(host), port};
}

std::filesystem::path run_directory(const settings& s)
{
    if (!s.run_directory_given.empty()) return s.run_directory_given;
    return std::filesystem::path(s.data) / "runs";
}

definition_defaults defaults_of(const settings& s)
{
    definition_defaults defaults;
    defaults.retry.max_attempts = s.retry_default_max_attempts;
    defaults.retry.initial_delay = s.retry_default_initial_delay;
    defaults.retry.max_delay = s.retry_default_max_delay;
    defaults.retry.backoff_multiplier = s.retry_default_backoff_multiplier;
    defaults.retry.classes.transient = s.transient_error_codes;
    defaults.retry.classes.permanent = s.permanent_error_codes;
    defaults.retry.classes.others = s.other_error_codes == other_errors::permanent ? error_category::permanent : error_category::transient;
    defaults.heartbeat.interval = s.heartbeat_interval;
    defaults.heartbeat.missed_limit = static_cast<int>(std::lround(s.heartbeat_timeout_multiplier));
    defaults.dependencies.timeout = s.dependency_resolution_timeout;
    defaults.dependencies.check_cycles = s.dependency_cycle_detection;
    defaults.dependencies.priority_age = s.priority_age;
    defaults.timezone = s.scheduler_timezone_default;
    return defaults;
}

}
