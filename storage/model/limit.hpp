#pragma once

#include "storage/model/json_fields.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rowlock {

// Limits on what runs at once and on what starts (spec rules 6 and 7).

enum class limit_kind : std::uint8_t { global, job, job_type, tenant, pool };
inline constexpr std::array<std::string_view, 5> limit_kind_names{"global", "job", "job_type", "tenant", "pool"};
// nullopt: it is none of these names.
std::optional<limit_kind> limit_kind_of(std::string_view name);

inline constexpr std::int64_t most_running = 1'000'000;
inline constexpr std::int64_t most_starts = 1'000'000;
inline constexpr std::chrono::milliseconds shortest_rate_period{100};
inline constexpr std::chrono::milliseconds longest_rate_period = std::chrono::hours{24 * 7};
inline constexpr std::array<std::string_view, 2> on_limit_names{"QUEUE", "REJECT"};

// At most `starts` executions start in any span of this length.
struct start_rate {
    int starts = 0;
    std::chrono::milliseconds per{1000};
};

// What an execution asks for, or what a pool has. cpu_cores in thousandths.
struct resource_amounts {
    static constexpr std::array<std::string_view, 4> names{"cpu_cores", "memory_mb", "disk_mb", "network_bandwidth_mbps"};
    static constexpr std::int64_t most = 1'000'000'000;
    static constexpr std::int64_t most_cores = 100'000;

    std::array<std::optional<std::int32_t>, 4> amounts{};    // none: nothing is asked for, or there is as much as is wanted

    bool any() const;
};

// The four members, where they stand in an object.
resource_amounts read_resource_amounts(json_fields& fields);
// rate_limit: {"starts", "per_seconds"}, both required.
std::optional<start_rate> read_start_rate(json_fields& fields);
// on_limit, or another name for it: does it refuse what comes when it is reached?
bool read_rejects(json_fields& fields, std::string_view name);

// The body of PUT /v1/limits/{kind}/{key}.
struct limit_to_put {
    std::optional<int> max_running{};
    bool rejects = false;
    std::optional<start_rate> rate{};
    resource_amounts resources{};        // of a pool
};
// Errors: invalid_request with every field that is refused. Pure.
result<limit_to_put> parse_limit(const boost::json::object& body, limit_kind kind);

}
