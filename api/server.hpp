#pragma once

#include "api/budget.hpp"
#include "api/http_figures.hpp"
#include "runtime/instance.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace rowlock::api {

struct server_options {
    std::string host = "127.0.0.1";                  // an address, or a name that has one
    std::uint16_t port = 7575;                       // 0: the system picks one
    bool auth_none = false;                          // everybody is admin; only on loopback
    std::size_t max_connections = 10'000;            // over all cores
    std::size_t max_streams = 1000;                  // followed logs and WebSockets, over all cores
    std::size_t max_body_memory_bytes = 256u << 20;  // of bodies and of what is parsed of them, over all cores
    std::size_t max_body_bytes = 32u << 20;
    std::size_t max_header_bytes = 64u << 10;
    std::size_t max_in_flight = 1000;                // submissions of one stream that wait for their commit
    std::chrono::milliseconds header_timeout{10'000};   // from the first byte of a request to the end of its headers
    std::chrono::milliseconds body_timeout{30'000};     // for a body, and then a second for each 16 KiB of it
    std::chrono::milliseconds idle_timeout{75'000};     // between two requests
    std::chrono::milliseconds stop_timeout{30'000};     // what is under way when the server stops
    runtime::process_options process;                // for the warnings of PUT /v1/jobs alone, as is
    std::vector<std::string> sql_connections{};      // the names of connections for sql jobs
};

class authenticator;

// What the handlers of one core work with. All of it outlives the requests.
struct services {
    runtime::instance& instance;
    const server_options& options;
    authenticator& callers;                          // this core's
    http_figures& figures;                           // this core's
    std::span<const http_figures* const> all_figures;
    std::atomic<bool>& stopping;                     // nobody waits for anything any more
    std::atomic<bool>& winding_down;                 // each answer is the last of its connection
    bounds& limits;                                  // of all cores
};

// Rowlock's HTTP server: on each core an acceptor of its own (SO_REUSEPORT) and the sessions that it has accepted.
class server {
public:
    // All outlive it; the cores run before start() and after stop().
    server(runtime::core_group& cores, runtime::instance& instance, server_options options);
    // Stops.
    ~server();

    server(const server&) = delete;
    server& operator=(const server&) = delete;

    // Takes the address; clients can connect from now on, but are answered after start(). Error invalid_request: the address is in use, is none
    // of this machine's, or may not be used without tokens.
    result<void> listen();
    // Listens where listen() has not been called, and answers. The instance has been started. Blocks briefly, from a thread that is no core.
    result<void> start();
    // Where it listens, "127.0.0.1:7575", with the port that was picked.
    std::string address() const;
    // A stop that loses no request has three steps, each from a thread that is no core.
    //
    // Requests are answered as before, but each answer is the last of its connection: clients make their next one elsewhere, as soon as
    // what stands between has found out.
    void wind_down();
    // Blocks until nobody is connected, and nobody has asked for anything for a second, or it is `until`, or `hurry` is true. Who asks
    // whether the server lives or is ready does not count.
    void drain(runtime::deadline until, const std::atomic<bool>& hurry);
    // Refuses new connections, without losing one that was made; closes idle ones, lets requests that are under way end, and ends what
    // is left after stop_timeout. Blocks.
    void stop();

private:
    class shard;

    // So many requests have been answered, without those with which others look after the server.
    std::uint64_t answered() const;

    runtime::core_group& cores_;
    runtime::instance& instance_;
    server_options options_;
    bounds limits_;
    std::atomic<bool> stopping_{false};
    std::atomic<bool> winding_down_{false};
    runtime::deadline wound_down_at_{};
    std::uint64_t answered_by_then_ = 0;
    bool stopped_ = false;
    std::vector<runtime::tcp_acceptor> acceptors_;   // from listen() to start()
    std::vector<std::unique_ptr<shard>> shards_;
    std::vector<const http_figures*> figures_;
    std::string address_;
};

}
