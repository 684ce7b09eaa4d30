#include "runtime/handlers/sql_address.hpp"

#include "storage/connection_defaults.hpp"

#include <algorithm>
#include <charconv>
#include <libpq-fe.h>
#include <memory>

namespace rowlock::runtime {

namespace {

constexpr std::string_view mask = "***";

std::vector<std::string> split(std::string_view list)
{
    std::vector<std::string> items;
    for (;;) {
        const auto comma = list.find(',');
        items.emplace_back(list.substr(0, comma));
        if (comma == std::string_view::npos) return items;
        list.remove_prefix(comma + 1);
    }
}

// A folder of sockets, an abstract socket, or an address: nothing to look up.
bool is_name(const std::string& host)
{
    if (host.empty() || host.front() == '/' || host.front() == '@') return false;
    boost::system::error_code ec;
    boost::asio::ip::make_address(host, ec);
    return ec.failed();
}

// The item for host i: lists of one count for all.
std::string item(const std::vector<std::string>& list, std::size_t i)
{
    if (list.size() == 1) return list.front();
    return i < list.size() ? list[i] : std::string();
}

}

sql_address::sql_address(std::string name, const std::string& url) : name_(std::move(name)), passes_{""}
{
    std::vector<std::string> hosts{""};
    std::vector<std::string> addresses{""};
    std::vector<std::string> ports{""};
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconninfoParse(storage::with_connection_defaults(url).c_str(), nullptr), &PQconninfoFree);
    for (const auto* one = options.get(); one != nullptr && one->keyword != nullptr; ++one) {
        if (one->val == nullptr) continue;
        const std::string_view keyword = one->keyword;
        const std::string value = one->val;
        if (keyword == "host") {
            hosts = split(value);
        } else if (keyword == "hostaddr") {
            addresses = split(value);
        } else if (keyword == "port") {
            ports = split(value);
        } else if (keyword == "connect_timeout") {
            int seconds = 0;
            std::from_chars(value.data(), value.data() + value.size(), seconds);
            // As libpq has it: at least 2 s, and no limit at all where it is 0 or less, which an attempt cannot have.
            if (seconds > 0) connect_timeout_ = std::chrono::seconds{std::max(seconds, 2)};
        } else if (keyword == "target_session_attrs") {
            passes_ = value == "prefer-standby" ? std::vector<std::string>{"standby", "any"} : std::vector<std::string>{value};
        } else if (keyword != "client_encoding") {
            given_.emplace_back(keyword, value);
        }
        if ((keyword == "password" || keyword == "sslpassword") && !value.empty()) secrets_.push_back(value);
    }
    if (!url.empty()) secrets_.push_back(url);
    std::sort(secrets_.begin(), secrets_.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
    const auto count = std::max(hosts.size(), addresses.size());
    for (std::size_t i = 0; i < count; ++i) {
        host one{item(hosts, i), item(addresses, i), item(ports, i)};
        one.needs_lookup = one.address.empty() && is_name(one.name);
        hosts_.push_back(std::move(one));
    }
}

std::vector<std::pair<std::string, std::string>> sql_address::parameters(const host& at, const std::string& session_attrs) const
{
    auto all = given_;
    all.emplace_back("client_encoding", "UTF8");
    all.emplace_back("fallback_application_name", "rowlock sql job");
    if (!at.name.empty()) all.emplace_back("host", at.name);
    if (!at.address.empty()) all.emplace_back("hostaddr", at.address);
    if (!at.port.empty()) all.emplace_back("port", at.port);
    if (!session_attrs.empty()) all.emplace_back("target_session_attrs", session_attrs);
    return all;
}

std::string sql_address::scrubbed(std::string_view text) const
{
    std::string out(text);
    for (const auto& secret : secrets_) {
        for (auto at = out.find(secret); at != std::string::npos; at = out.find(secret, at + mask.size())) out.replace(at, secret.size(), mask);
    }
    return out;
}

}
