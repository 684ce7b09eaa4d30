#include "ops/postgres/leftovers.hpp"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fstream>
#include <poll.h>
#include <sstream>
#include <unistd.h>

namespace rowlock::ops {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// /proc/N/cmdline is all that root may read of another account's process in a container. The postmaster's names the cluster as an argument
// (see dev_postgres.cpp), its children's in their title, and initdb's by the folder that it fills.
bool belongs(const data_folder& folder, std::string_view cmdline)
{
    if (cmdline.starts_with(fmt::format("postgres: {}:", folder.name))) return true;
    const std::string as_argument = "cluster_name=" + folder.name;
    const std::string half_made = folder.half_made().string();
    bool first = true;
    bool of_postgres = false;
    while (!cmdline.empty()) {
        const auto end = std::min(cmdline.find('\0'), cmdline.size());
        const auto argument = cmdline.substr(0, end);
        if (first) of_postgres = argument.ends_with("/postgres") || argument.ends_with("/initdb");
        if (of_postgres && (argument == as_argument || argument == half_made)) return true;
        first = false;
        cmdline.remove_prefix(std::min(end + 1, cmdline.size()));
    }
    return false;
}

void wait_for_end(pid_t process, steady_clock::time_point until)
{
    const int fd = open_pidfd(process);
    if (fd < 0) return;
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    const auto left = std::chrono::duration_cast<milliseconds>(until - steady_clock::now());
    ::poll(&waiting, 1, static_cast<int>(std::max<milliseconds::rep>(left.count(), 0)));
    ::close(fd);
}

struct step {
    int signal;
    milliseconds patience;
};

// What PostgreSQL understands: SIGINT fast, SIGQUIT immediate.
constexpr step steps[] = {{SIGINT, 60s}, {SIGQUIT, 10s}, {SIGKILL, 5s}};

}

std::vector<pid_t> leftover_processes(const data_folder& folder)
{
    std::vector<pid_t> found;
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator("/proc", failed)) {
        const std::string name = entry.path().filename().string();
        pid_t process = 0;
        if (std::from_chars(name.data(), name.data() + name.size(), process).ptr != name.data() + name.size()) continue;
        // One that ends meanwhile cannot be read: << takes that for the end, where an iterator would throw.
        std::ostringstream cmdline;
        cmdline << std::ifstream(entry.path() / "cmdline", std::ios::binary).rdbuf();
        if (belongs(folder, cmdline.view())) found.push_back(process);
    }
    return found;
}

result<void> end_leftovers(const data_folder& folder)
{
    auto left = leftover_processes(folder);
    for (const auto& step : steps) {
        const auto until = steady_clock::now() + step.patience;
        // The fast shutdown is the postmaster's to lead; a backend whose postmaster is gone ends its query by the same signal.
        for (const pid_t process : left) ::kill(process, step.signal);
        while (!left.empty() && steady_clock::now() < until) {
            wait_for_end(left.front(), until);
            left = leftover_processes(folder);
        }
    }
    if (!left.empty())
        return error{errc::database_unavailable, fmt::format("The database of {} still runs and cannot be stopped (processes {}). End them and start again.",
                                                             folder.root.string(), fmt::join(left, ", "))};
    // Whatever process bears its number now, nobody works in the cluster any more.
    std::error_code failed;
    fs::remove(folder.cluster() / "postmaster.pid", failed);
    return {};
}

}
