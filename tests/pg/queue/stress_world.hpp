#pragma once

#include "tests/pg/queue/queue_traffic.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <random>
#include <stop_token>
#include <string>
#include <vector>

namespace rowlock::test {

// What all actors of a stress run share. Nothing in it changes while they run.
struct stress_world {
    queue_database& db;
    std::uint64_t seed;
    std::vector<queue_job> jobs;
    // Limits that stay on their lanes all the time.
    std::vector<int> fixed_limits;
    std::chrono::seconds lease{1};
};

// Chances, reproducible as far as threads are.
class dice {
public:
    dice(std::uint64_t seed, std::uint64_t actor) : engine_(seed * 1000 + actor) {}
    int between(int low, int high) { return std::uniform_int_distribution(low, high)(engine_); }
    bool chance(double p) { return std::bernoulli_distribution(p)(engine_); }
    template <class T>
    const T& one_of(const std::vector<T>& all)
    {
        return all[static_cast<std::size_t>(between(0, static_cast<int>(all.size()) - 1))];
    }
    template <class T>
    void shuffle(std::vector<T>& all)
    {
        std::shuffle(all.begin(), all.end(), engine_);
    }

private:
    std::mt19937_64 engine_;
};

// Waits, or until it is over. What a frozen process does, and how fast the chaos strikes.
inline void idle(const std::stop_token& over, std::chrono::milliseconds span)
{
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, over, span, [] { return false; });
}

}
