#pragma once

#include "bench/load/outcome.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace rowlock::bench {

// Where an instance answers HTTP without TLS.
struct place {
    std::string host;
    std::string port;
};

// How to find the running server, and what may be looked at beside it. Several places are instances of one database, which share the load.
struct server_options {
    std::vector<place> instances;
    std::string credentials{};               // header lines that every request has, each with its "\r\n"
    std::string tenant{};                    // whom the requests are for; empty: as the credentials say
    std::string database{};                  // URL; empty: that of `data`, if there is one
    std::filesystem::path data{};            // of `rowlock dev`; empty: unknown
    std::vector<pid_t> pids{};               // empty: as the server says
};

// The server does not do what a measurement needs.
struct refused : std::runtime_error {
    refused(const std::string& what_for, int code, std::string answer) : runtime_error(what_for), status(code), body(std::move(answer)) {}

    int status;
    std::string body;
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

// The server under load, between the measurements: one blocking connection, and looks at its processes. Failures throw `refused`, system_error,
// or runtime_error with a sentence. Every call ends within a minute.
class server {
public:
    explicit server(server_options options);
    ~server();
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    // Of a connection: they go round the instances.
    const boost::asio::ip::tcp::endpoint& endpoint(std::size_t connection = 0) const;

    // A request as the bytes that go out. Built once and sent many times: the load program must cost less than the server it measures.
    std::string request(std::string_view method, std::string_view target, std::string_view body = {}) const;
    const std::string& credentials() const;
    // Empty where none was given.
    const std::string& database_url() const;
    const std::string& tenant() const;

    // Defines a job. `handler` is JSON.
    // `more`: further members, as ", \"name\": value".
    void define(std::string_view job_id, std::string_view handler, std::string_view more = "");
    boost::json::value get(const std::string& target);
    // The sum of a metric over its labels and the instances.
    double metric(std::string_view name);
    double ended() { return metric(ended_metric); }
    // Returns when a metric has come to `count`; `seen` is called with how far it is by now. Throws when it has not risen for as long as `limit`.
    void wait_until(std::string_view name, double count, std::chrono::seconds limit, std::chrono::milliseconds between_looks, const std::function<void(double)>& seen = {});
    // The same for how many executions have ended.
    void wait_until_ended(double count, std::chrono::seconds limit, std::chrono::milliseconds between_looks, const std::function<void(double)>& seen = {})
    {
        wait_until(ended_metric, count, limit, between_looks, seen);
    }

    snapshot look();
    // Resident memory in MB of the largest instance; nullopt where the processes cannot be seen.
    std::optional<double> rss_mb() const;

private:
    static constexpr std::string_view ended_metric = "rowlock_executions_ended_total";

    std::string text(const std::string& bytes, int& status, std::size_t instance = 0);

    struct state;
    std::unique_ptr<state> state_;
};

// Adds what was used between two moments for each of `jobs`.
void add_usage(outcome& to, const snapshot& before, const snapshot& after, double jobs);

}
