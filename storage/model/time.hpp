#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace rowlock {

// A point in time as the database keeps it: microseconds, UTC.
using timestamp = std::chrono::sys_time<std::chrono::microseconds>;

// RFC 3339 with microseconds in UTC: 2026-01-31T09:30:00.000000Z.
std::string to_rfc3339(timestamp at);
// Any RFC 3339 offset, at most nine digits of fraction, a real calendar date between the years 1970 and 9999; otherwise nullopt.
std::optional<timestamp> parse_rfc3339(std::string_view text);

// The wall clock of this machine. For ids and logs only: leases and schedules go by the database's clock.
timestamp wall_clock();

}
