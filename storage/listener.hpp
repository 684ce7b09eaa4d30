#pragma once

#include "storage/session.hpp"

#include <atomic>
#include <functional>
#include <string>
#include <thread>

namespace rowlock::storage {

// Listens on one channel with a session and a thread of its own, reconnecting by itself. A notification only wakes: what is missed
// while the database is away is found by polling.
class listener {
public:
    // `heard` is called on the listening thread with each payload, and with "" after a connection was made anew.
    listener(std::string url, std::string channel, std::function<void(const std::string& payload)> heard);
    ~listener() { stop(); }

    listener(const listener&) = delete;
    listener& operator=(const listener&) = delete;

    // Returns within a second.
    void stop();

private:
    void work();
    void listen_once();

    session session_;
    std::string channel_;
    std::function<void(const std::string&)> heard_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

}
