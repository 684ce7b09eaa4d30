#pragma once

#include "tests/pg/queue/stress_world.hpp"

namespace rowlock::test {

// What goes wrong around the instances: sessions are terminated, lanes paused, limits put on lanes and taken off again. It checks that
// a pause that has returned holds.
struct stress_chaos {
    std::map<std::string, int> counts{};
    std::vector<std::string> failures{};

    // Until it is over. Never throws.
    void run(const stress_world& world, std::stop_token over);
};

// Looks at whole snapshots while all that goes on.
struct stress_watcher {
    int snapshots = 0;
    std::vector<std::string> failures{};

    // Until it is over. Never throws.
    void run(const stress_world& world, std::stop_token over);
};

}
