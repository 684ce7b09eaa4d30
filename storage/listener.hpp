#pragma once

#include "storage/session.hpp"

#include <atomic>
#include <functional>
#include <mutex>
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

    // Whether it listens now, and why not; as long as it has not tried yet there is no reason. Any thread.
    struct standing {
        bool listens = false;
        std::string failure{};
    };
    standing how() const;

private:
    void work();
    void listen_once();
    void stands(standing now);

    session session_;
    std::string channel_;
    std::function<void(const std::string&)> heard_;
    std::atomic<bool> stopping_{false};
    mutable std::mutex mutex_;
    standing standing_;
    std::thread thread_;
};

}
