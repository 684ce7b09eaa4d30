#include "bench/load/usage.hpp"

#include <charconv>
#include <fmt/format.h>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <unistd.h>

namespace rowlock::bench {

namespace {

using std::chrono::microseconds;

struct process_times {
    pid_t parent = 0;
    microseconds own{};
    microseconds ended_children{};
};

microseconds of_ticks(long ticks)
{
    return microseconds{ticks * (1'000'000 / sysconf(_SC_CLK_TCK))};
}

std::optional<process_times> times_of(pid_t pid)
{
    std::ifstream file(fmt::format("/proc/{}/stat", pid));
    std::string text;
    if (!std::getline(file, text)) return std::nullopt;
    // The name, in brackets, may hold anything; the last bracket closes it. Fields 3 and on follow, see proc(5).
    const std::size_t name_end = text.rfind(')');
    if (name_end == std::string::npos) return std::nullopt;
    std::istringstream rest(text.substr(name_end + 1));
    std::string state;
    process_times times;
    long skipped = 0;
    long user = 0;
    long system = 0;
    long ended_user = 0;
    long ended_system = 0;
    rest >> state >> times.parent;
    for (int field = 5; field <= 13; ++field) rest >> skipped;
    rest >> user >> system >> ended_user >> ended_system;
    if (!rest) return std::nullopt;
    times.own = of_ticks(user + system);
    times.ended_children = of_ticks(ended_user + ended_system);
    return times;
}

}

std::optional<microseconds> cpu_of(pid_t pid)
{
    const auto times = times_of(pid);
    if (!times) return std::nullopt;
    return times->own;
}

std::optional<microseconds> cpu_of_cluster(pid_t postmaster)
{
    const auto times = times_of(postmaster);
    if (!times) return std::nullopt;
    microseconds sum = times->own + times->ended_children;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        const std::string name = entry.path().filename();
        pid_t pid = 0;
        if (std::from_chars(name.data(), name.data() + name.size(), pid).ptr != name.data() + name.size()) continue;
        const auto child = times_of(pid);
        if (child && child->parent == postmaster) sum += child->own;
    }
    return sum;
}

microseconds own_cpu()
{
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const auto of = [](const timeval& t) { return std::chrono::seconds{t.tv_sec} + microseconds{t.tv_usec}; };
    return of(used.ru_utime) + of(used.ru_stime);
}

std::optional<std::size_t> rss_of(pid_t pid)
{
    std::ifstream file(fmt::format("/proc/{}/statm", pid));
    std::size_t pages = 0;
    std::size_t resident = 0;
    if (!(file >> pages >> resident)) return std::nullopt;
    return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

std::optional<pid_t> postmaster_in(const std::filesystem::path& data)
{
    std::ifstream file(data / "pg" / "postmaster.pid");
    pid_t pid = 0;
    if (!(file >> pid)) return std::nullopt;
    return pid;
}

}
