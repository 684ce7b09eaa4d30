#pragma once

#include "runtime/async/types.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/time.hpp"

#include <atomic>
#include <cstdint>

namespace rowlock::runtime {

// Who this instance is at the moment, how long its lease surely lasts, and how the database's clock differs from ours. Written by
// the lease service, read by every thread.
class identity {
public:
    identity();

    instance_id id() const { return {id_.load(std::memory_order_acquire)}; }
    void become(instance_id id) { id_.store(id.value, std::memory_order_release); }

    // A lease counts from before the statement that renewed it was sent.
    bool holds_lease() const { return steady_clock::now().time_since_epoch().count() < lease_until_.load(std::memory_order_acquire); }
    void lease_until(deadline until) { lease_until_.store(until.time_since_epoch().count(), std::memory_order_release); }

    // Why it starts nothing of what waits, although it has a lease and slots. What runs goes on.
    enum class rest : std::uint8_t { drained = 1, pressure = 2 };
    // Whether this has changed anything. Any thread.
    bool begin_rest(rest why) { return (rests_.fetch_or(static_cast<std::uint8_t>(why)) & static_cast<std::uint8_t>(why)) == 0; }
    bool end_rest(rest why) { return (rests_.fetch_and(static_cast<std::uint8_t>(~static_cast<unsigned>(why))) & static_cast<std::uint8_t>(why)) != 0; }
    bool rests() const { return rests_.load(std::memory_order_acquire) != 0; }
    bool rests_for(rest why) const { return (rests_.load(std::memory_order_acquire) & static_cast<std::uint8_t>(why)) != 0; }
    bool may_start() const { return holds_lease() && !rests(); }

    // The database's clock, as it was last heard of. For ids and for answers, not for decisions.
    timestamp database_now() const { return wall_clock() + std::chrono::microseconds{offset_.load(std::memory_order_relaxed)}; }
    void heard_clock(timestamp database_now) { offset_.store((database_now - wall_clock()).count(), std::memory_order_relaxed); }

    // A block of execution ids that nobody else makes: `ordinal` runs from 0 to execution_id::max_ordinal.
    struct block {
        std::uint64_t milliseconds;
        std::uint64_t number;
        execution_id id(std::uint32_t ordinal) const { return execution_id::make(milliseconds, number, ordinal); }
    };
    block next_block();

private:
    std::atomic<std::int32_t> id_{0};
    std::atomic<std::uint8_t> rests_{0};
    std::atomic<steady_clock::rep> lease_until_{0};
    std::atomic<std::int64_t> offset_{0};
    std::atomic<std::uint64_t> counter_;
};

}
