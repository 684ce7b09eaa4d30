#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace rowlock::api {

// What one core counts of its requests. Written on that core with relaxed order, read by /metrics from any. A core has its own, so that
// two never write to one line of memory.
struct alignas(64) http_figures {
    using count = std::atomic<std::uint64_t>;

    static constexpr std::size_t most_routes = 128;          // the last one stands for paths that are no route
    static constexpr std::size_t status_classes = 5;         // 1xx .. 5xx
    static constexpr std::array<std::uint32_t, 12> bounds_us{100, 250, 500, 1'000, 2'500, 5'000, 10'000, 25'000, 100'000, 500'000, 2'500'000, 30'000'000};

    std::array<std::array<count, status_classes>, most_routes> requests{};
    std::array<count, bounds_us.size() + 1> durations{};      // of requests that do not wait on purpose
    count duration_sum_us{0};
    count connections_accepted{0};
    count connections_refused{0};
    std::atomic<std::int64_t> connections{0};
    std::atomic<std::int64_t> waiting{0};                    // requests that are held until a run ends, and logs that are followed

    std::atomic<std::int64_t> streams{0};                    // WebSockets that are open
    count stream_frames_received{0};
    count stream_events{0};                                  // that were told
    count streams_cut_off{0};                                // because they were read too slowly

    // Only this core writes, so no locked instruction is needed.
    template <class Number>
    static void add(std::atomic<Number>& to, Number n)
    {
        to.store(to.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }

    void answered(std::size_t route, int status, std::chrono::microseconds took, bool held);
};

}
