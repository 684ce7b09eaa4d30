#pragma once

#include "tests/crash/load.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace rowlock::test {

// The lease of a crew's servers.
inline constexpr std::chrono::seconds crew_lease{2};

// Servers that share a database and can be killed one by one. With short leases and polls, and few slots, so that work also waits.
class crew {
public:
    explicit crew(std::string database) : database_(std::move(database)) {}
    crew(const crew&) = delete;
    crew& operator=(const crew&) = delete;
    // Where an exception ends the test, the servers' last words go to stderr.
    ~crew();

    // Starts it, or starts it again where it was.
    server_process& start(const std::string& name, environment_map more = {});
    server_process& at(const std::string& name) { return *servers_.at(name); }
    void kill_hard(const std::string& name);
    // Stops it gracefully. Its exit code.
    int stop(const std::string& name);

    // Starts one that dies at ROWLOCK_CRASH_AT=`step`, offers it to clients while it listens, and waits for its end. Its exit code; throws
    // when it does not come to that step. Under the name of a server that was started before, it is found where that was.
    int run_until_crash(const std::string& step, const std::function<void()>& once_it_listens = {}, const std::string& name = "doomed");
    // ADDR:PORT of each server that was ever started, whether it runs or not.
    const std::map<std::string, std::string>& addresses() const { return addresses_; }

    targets& where() { return where_; }
    const std::string& database() const { return database_; }

private:
    std::string database_;
    targets where_;
    std::map<std::string, std::string> addresses_;
    std::map<std::string, std::unique_ptr<server_process>> servers_;
};

}
