#pragma once

#ifdef ROWLOCK_CRASH_POINTS
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#endif

namespace rowlock::runtime {

// A named durable step. In builds for tests, ROWLOCK_CRASH_AT=NAME:N kills the program, as kill -9 would, when it comes to step
// NAME for the N-th time; in all others this is nothing.
#ifdef ROWLOCK_CRASH_POINTS
inline void crash_point(const char* name)
{
    static const char* const wanted = std::getenv("ROWLOCK_CRASH_AT");
    static std::atomic<int> passed{0};
    if (!wanted) return;
    const char* const colon = std::strchr(wanted, ':');
    const auto length = colon ? static_cast<std::size_t>(colon - wanted) : std::strlen(wanted);
    if (std::strlen(name) != length || std::strncmp(wanted, name, length) != 0) return;
    if (passed.fetch_add(1) + 1 == (colon ? std::atoi(colon + 1) : 1)) std::raise(SIGKILL);
}
#else
inline void crash_point(const char*) {}
#endif

}
