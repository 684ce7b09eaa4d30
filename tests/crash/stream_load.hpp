#pragma once

#include "tests/crash/load.hpp"

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace rowlock::test {

// Like `load`, but over WebSockets, with several submissions of a client under way at once. When a connection ends, what was not answered
// is sent again over the next one, with the same keys.
class stream_load {
public:
    stream_load(targets& where, int clients, load_style style);
    stream_load(const stream_load&) = delete;
    stream_load& operator=(const stream_load&) = delete;
    // Ends it without waiting for acknowledgements.
    ~stream_load();

    // Begins nothing new, and returns when everything that was begun is acknowledged. Throws when that takes too long, or when a client
    // was refused something that it should not have been.
    void finish();

    // Acknowledged so far: the run of each key.
    std::map<std::string, std::string> acknowledged() const;
    std::size_t count() const;

private:
    struct client;
    void work(int number);
    void note(const std::string& key, const std::string& run);

    targets& where_;
    load_style style_;
    std::atomic<bool> finishing_{false};
    std::atomic<bool> abandoned_{false};
    mutable std::mutex mutex_;
    std::map<std::string, std::string> acknowledged_;
    std::string refused_;
    std::vector<std::thread> clients_;
};

}
