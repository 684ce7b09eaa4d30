#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace rowlock::ops {

// How many bytes the well-formed UTF-8 sequence at the front of `text` has; 0 where there is none.
std::size_t utf8_sequence_length(std::string_view text);

// Control characters become visible escapes (\n, \x1b), so that nothing from the server can move the cursor or break a table.
// Tabs become a blank; bytes that are not UTF-8 become '?'.
std::string printable(std::string_view text);

// Code points, which is what a column of a table is counted in.
std::size_t columns_of(std::string_view utf8);

// The first `columns` code points; where something was cut off, the last of them is `…`, or the last three "..." without `unicode`.
std::string shorten(std::string_view utf8, std::size_t columns, bool unicode);

// An RFC 3339 time as "2026-01-31 09:30:00" in UTC; text that is no time comes back unchanged.
std::string human_time(std::string_view rfc3339);

// "12ms", "1.25s", "2m03s", "1h02m", "3d04h". Negative lengths, which clocks that differ can produce, are shown as 0ms.
std::string human_duration(std::chrono::milliseconds length);

// The time from one RFC 3339 time to another; nullopt where one of them is none.
std::optional<std::chrono::milliseconds> time_between(std::string_view from, std::string_view to);

// States, categories and kinds are written in capitals; `--status failed` is understood all the same.
std::string in_capitals(std::string text);

// "1 execution", "2 executions".
std::string counted(std::size_t n, std::string_view noun);

}
