#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace rowlock::test {

// Counts from outside what runs: an HTTP server on a loopback port and a thread of its own, whose calls are the work. POST /NAME lasts some milliseconds, and counts for NAME and
// for `all` from its arrival until it is answered, or until whoever called is gone.
//
// What runs is at least what is counted here, as an execution runs before its call arrives and until its end is stored. So of a limit that was lowered no more may be counted
// than it allowed before, less one for each call that has ended since.
class call_counter {
public:
    struct figures {
        int running = 0;
        int limit = 0;                       // in force
        int allowed = 0;                     // the limit; more, while what ran when it was lowered drains
        int most = 0;                        // that ever ran at a time
        int full = 0;                        // how often as many ran as were allowed
        int ended = 0;
        std::string exceeded{};              // the first time
    };

    // limits: of each name; others are not counted.
    call_counter(std::map<std::string, int> limits, std::uint64_t seed);
    ~call_counter();
    call_counter(const call_counter&) = delete;
    call_counter& operator=(const call_counter&) = delete;

    std::string url() const;
    figures of(const std::string& name) const;
    // Changes a limit: `put` does, and returns when it is in force.
    void change(const std::string& name, int limit, const std::function<void()>& put);

private:
    struct state;
    std::unique_ptr<state> state_;
};

}
