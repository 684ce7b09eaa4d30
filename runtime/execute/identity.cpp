#include "runtime/execute/identity.hpp"

#include <random>

namespace rowlock::runtime {

namespace {

constexpr std::uint64_t counter_mask = (std::uint64_t{1} << 38) - 1;

}

// The counter starts anywhere, so that an instance that reuses a slot does not repeat the blocks of the one before.
identity::identity() : counter_(std::random_device{}() * std::uint64_t{64}) {}

identity::block identity::next_block()
{
    const auto slot = static_cast<std::uint64_t>(id().value) & 0xffff;
    // Slot 0 is for blocks made by SQL.
    const std::uint64_t number = ((slot == 0 ? 0xffff : slot) << 38) | (counter_.fetch_add(1, std::memory_order_relaxed) & counter_mask);
    return {static_cast<std::uint64_t>(std::chrono::floor<std::chrono::milliseconds>(database_now()).time_since_epoch().count()), number};
}

}
