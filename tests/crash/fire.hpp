#pragma once

#include "tests/crash/balancer.hpp"
#include "tests/crash/crew.hpp"
#include "tests/crash/effects.hpp"
#include "tests/crash/postgres_pair.hpp"
#include "tests/crash/stream_load.hpp"

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace rowlock::test {

// Three servers behind HAProxy on a PostgreSQL with a synchronous standby, clients that submit with idempotency keys over HTTP and
// WebSockets until they are answered, and everything that can go wrong: one thing at a time, chosen and shaped by a seed.
class fire {
public:
    explicit fire(unsigned seed);
    ~fire();
    fire(const fire&) = delete;
    fire& operator=(const fire&) = delete;

    struct fault {
        const char* name;
        void (fire::*bring)();
    };
    // All of them. The disk cannot be filled where this process may not mount one.
    std::vector<fault> faults() const;
    // All of them, in an order of the seed's.
    std::vector<fault> shuffled_faults();

    // Brings it about under load, takes it away, waits until everything goes on by itself, and checks the rules of the database. Throws
    // where it does not go on.
    void bring(const fault& one);

    // Ends the load, waits until everything has ended, and checks all that was acknowledged.
    void finish();
    std::size_t acknowledged() const { return clients_->count() + streams_->count(); }

private:
    void kill_server();
    void crash_at_a_step();
    void freeze_server();
    void restart_server();
    void restart_database();
    void end_sessions();
    void fail_over();
    void outage();
    void fill_disk();
    void use_up_connections();

    const std::string& any_server();
    std::string any_step();
    void await_progress(std::size_t more);
    void await_recovery();

    std::mt19937 dice_;
    postgres_pair database_;
    effects done_;
    crew servers_;
    std::optional<balancer> front_;
    targets where_;
    std::optional<load> clients_;
    std::optional<stream_load> streams_;
};

}
