#include "ops/file_limit.hpp"

#include <algorithm>
#include <sys/resource.h>

namespace rowlock::ops {

namespace {

// Logs, cores, listening sockets, libraries.
constexpr std::uint64_t files_of_the_server = 128;
// Pipes and the handle of a program that runs; a request over HTTP takes less.
constexpr std::uint64_t files_of_a_job = 8;

}

file_limit raise_file_limit()
{
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return {};
    file_limit answer{limit.rlim_cur, limit.rlim_cur};
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) answer.now = limit.rlim_max;
    return answer;
}

std::size_t connections_within(const settings& s, std::uint64_t files)
{
    const auto wanted = static_cast<std::uint64_t>(s.max_connections);
    const std::uint64_t elsewhere = files_of_the_server + static_cast<std::uint64_t>(s.database_sessions) + files_of_a_job * static_cast<std::uint64_t>(s.executor_parallelism);
    // Most jobs may open nothing: clients keep half in any case.
    const std::uint64_t left = files - std::min(files / 2, elsewhere);
    return static_cast<std::size_t>(std::max<std::uint64_t>(1, std::min(wanted, left)));
}

}
