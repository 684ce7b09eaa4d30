#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace rowlock::runtime {

// What an instance can run short of (004: Resource Exhaustion Errors), and what it does then. Pure: figures and the time come in, a decision goes out.

enum class resource : std::uint8_t { memory, cpu, disk, connections, queue };
inline constexpr std::array all_resources{resource::memory, resource::cpu, resource::disk, resource::connections, resource::queue};
std::string_view to_string(resource r);              // "MEMORY", ...: 004's resource_type

enum class pressure_action : std::uint8_t {
    queue_all,               // this instance starts nothing: what comes is queued
    reject_low_priority,     // submissions below a priority are refused
    pause_scheduling         // this instance fires no schedules and flushes no triggers
};
inline constexpr std::array all_pressure_actions{pressure_action::queue_all, pressure_action::reject_low_priority, pressure_action::pause_scheduling};
std::string_view to_string(pressure_action a);       // "QUEUE_ALL", ...
std::optional<pressure_action> parse_pressure_action(std::string_view text);

class action_set {
public:
    constexpr action_set() = default;
    constexpr explicit action_set(unsigned bits) : bits_(bits) {}

    constexpr bool has(pressure_action a) const { return (bits_ & bit(a)) != 0; }
    constexpr action_set with(pressure_action a) const { return action_set(bits_ | bit(a)); }
    constexpr action_set without(pressure_action a) const { return action_set(bits_ & ~bit(a)); }
    constexpr unsigned bits() const { return bits_; }
    bool operator==(const action_set&) const = default;

private:
    static constexpr unsigned bit(pressure_action a) { return 1U << static_cast<unsigned>(a); }
    unsigned bits_ = 0;
};

template <class T>
class by_resource {
public:
    T& operator[](resource r) { return all_[static_cast<std::size_t>(r)]; }
    const T& operator[](resource r) const { return all_[static_cast<std::size_t>(r)]; }

private:
    std::array<T, all_resources.size()> all_{};
};

// In percent of what there is.
struct pressure_bounds {
    double high = 0;                                 // at this or above it is short; 0: nobody looks
    double low = 0;                                  // below this it is not any more
    std::int64_t enough_mb = 0;                      // so much that is left is enough, whatever the percentage; 0: the percentage alone decides
    bool watched() const { return high > 0; }
};

struct pressure_rules {
    by_resource<pressure_bounds> of{};
    std::chrono::milliseconds after{10'000};         // so long without a break at `high` or above, until it counts
    std::chrono::milliseconds clear_after{10'000};   // so long without a break below `low`, until it is over
    action_set actions{};
};

struct resource_sample {
    std::optional<double> usage{};                   // percent; nullopt: it could not be found out
    std::optional<std::int64_t> left_mb{};
};
using resource_samples = by_resource<resource_sample>;

using pressure_time = std::chrono::steady_clock::time_point;

struct resource_state {
    resource_sample last{};
    bool pressed = false;
    pressure_time since{};                           // it has been so, or has not
    std::optional<pressure_time> turning_since{};    // all samples since have said the opposite
};
using pressure_state = by_resource<resource_state>;

struct pressure_change {
    resource what{};
    bool pressed = false;
    double usage = 0;
    std::chrono::milliseconds lasted{0};             // of what is over
};

struct pressure_decision {
    pressure_state state{};
    std::vector<pressure_change> changes{};
};

// What cannot be measured keeps nobody waiting: it counts as below `low`.
pressure_decision decide(const pressure_rules& rules, pressure_state state, const resource_samples& samples, pressure_time now);

// What is done about all of it. A full queue is emptied by starting: for that alone nothing is kept from starting.
action_set actions_of(const pressure_rules& rules, const pressure_state& state);

// How soon all of it can be over, at the earliest: at least a second, at most a minute. For Retry-After.
std::chrono::seconds earliest_recovery(const pressure_rules& rules, const pressure_state& state, pressure_time now);

}
