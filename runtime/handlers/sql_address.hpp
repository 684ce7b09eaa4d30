#pragma once

#include "runtime/async/types.hpp"
#include "runtime/handlers/failure.hpp"

#include <boost/asio/ip/address.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rowlock::runtime {

// One of the databases that sql jobs may use: what libpq is told to reach it, and what nobody else is told. Immutable, for any thread.
class sql_address {
public:
    // `url` as libpq takes it, in either form.
    sql_address(std::string name, const std::string& url);

    const std::string& name() const { return name_; }
    // For one of its hosts.
    std::chrono::milliseconds connect_timeout() const { return connect_timeout_; }

    // Where a connection may be tried; in turns, in this order.
    struct host {
        std::string name;                            // empty: libpq's own choice
        std::string address{};                       // empty: `name` is a folder or an address, or libpq's own choice
        std::string port{};
        bool needs_lookup = false;                   // libpq would look it up by itself, and block meanwhile
    };
    const std::vector<host>& hosts() const { return hosts_; }
    // Passes over the hosts: what target_session_attrs is in each. Where any would do and a standby is preferred, there are two.
    const std::vector<std::string>& passes() const { return passes_; }

    // Keywords and values for PQconnectStartParams.
    std::vector<std::pair<std::string, std::string>> parameters(const host& at, const std::string& session_attrs) const;

    // What libpq or the server says, without the secrets of the connection.
    std::string scrubbed(std::string_view text) const;

private:
    std::string name_;
    std::vector<std::pair<std::string, std::string>> given_;     // but for hosts and ports
    std::vector<host> hosts_;
    std::vector<std::string> passes_;
    std::vector<std::string> secrets_;               // the longest first
    std::chrono::milliseconds connect_timeout_{5'000};
};

}
