#pragma once

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>

namespace rowlock::test {

// What a sanitizer build on a busy machine, which may stand still for a minute, may take for anything that it does in milliseconds alone.
inline constexpr std::chrono::seconds patience{180};

// Asks again and again, until `holds()` is true. Throws with `what` when the time is up.
template <class Predicate>
void eventually(const std::string& what, Predicate holds, std::chrono::milliseconds within = patience)
{
    const auto until = std::chrono::steady_clock::now() + within;
    while (!holds()) {
        if (std::chrono::steady_clock::now() >= until) throw std::runtime_error("this has not come true in time: " + what);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

// For what has to last so long: a trouble, a lease that runs out while the database is away, the pause of a client between two requests. Not for
// waiting until something is done.
inline void outlast(std::chrono::milliseconds trouble)
{
    std::this_thread::sleep_for(trouble);
}

}
