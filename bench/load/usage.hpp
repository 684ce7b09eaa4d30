#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <sys/types.h>

namespace rowlock::bench {

// Processor time that a process has used so far, its children not counted. nullopt: there is no such process. Counted in clock ticks, so
// differences are exact to 20 ms.
std::optional<std::chrono::microseconds> cpu_of(pid_t pid);

// The same of a PostgreSQL cluster: the postmaster, its children, and the children that have ended.
std::optional<std::chrono::microseconds> cpu_of_cluster(pid_t postmaster);

// Processor time of this program.
std::chrono::microseconds own_cpu();

// Resident memory, in bytes.
std::optional<std::size_t> rss_of(pid_t pid);

// The postmaster of the private cluster of `rowlock dev` in this folder.
std::optional<pid_t> postmaster_in(const std::filesystem::path& data);

}
