#pragma once

#include "bench/load/outcome.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace rowlock::bench {

// How to find the running server, and what may be looked at beside it. Several URLs are instances of one database, which share the load.
struct server_options {
    std::vector<std::string> urls{"http://127.0.0.1:7575"};
    std::string database{};                  // URL; empty: that of `data`, if there is one
    std::filesystem::path data{};            // of `rowlock dev`; empty: unknown
    std::vector<pid_t> pids{};               // empty: as the server says
};

// What had been used and done at one moment.
struct snapshot {
    std::chrono::steady_clock::time_point at;
    std::chrono::microseconds own{};
    std::optional<std::chrono::microseconds> server{};
    std::optional<std::chrono::microseconds> postgres{};
    std::optional<double> wal_bytes{};
    std::optional<double> transactions{};
};

// The server under load, between the measurements: one blocking connection, and looks at its processes. Failures throw runtime_error
// with a sentence. Every call ends within a minute.
class server {
public:
    explicit server(server_options options);
    ~server();
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    // Of a connection: they go round the instances.
    const boost::asio::ip::tcp::endpoint& endpoint(std::size_t connection = 0) const;

    // Defines a job. `handler` is JSON.
    void define(std::string_view job_id, std::string_view handler);
    boost::json::value get(const std::string& target);
    // The sum of a metric over its labels and the instances.
    double metric(std::string_view name);
    double ended() { return metric("rowlock_executions_ended_total"); }
    // Returns when so many have ended. Throws when none has for as long as `limit`.
    void wait_until_ended(double count, std::chrono::seconds limit, std::chrono::milliseconds between_looks);

    snapshot look();
    // Resident memory in MB of the largest instance; nullopt where the processes cannot be seen.
    std::optional<double> rss_mb() const;

private:
    std::string text(const std::string& request, int& status, std::size_t instance = 0);

    struct state;
    std::unique_ptr<state> state_;
};

// Adds what was used between two moments for each of `jobs`.
void add_usage(outcome& to, const snapshot& before, const snapshot& after, double jobs);

}
