#include "tests/support/process_figures.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <unistd.h>

namespace rowlock::test {

namespace {

std::string text_of(pid_t pid, const char* name)
{
    std::ifstream file("/proc/" + std::to_string(pid) + "/" + name);
    std::ostringstream text;
    text << file.rdbuf();
    if (text.str().empty()) throw std::runtime_error("process " + std::to_string(pid) + " has gone");
    return text.str();
}

}

std::size_t resident_memory(pid_t pid)
{
    std::istringstream statm(text_of(pid, "statm"));
    std::size_t all = 0;
    std::size_t resident = 0;
    statm >> all >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::chrono::milliseconds processor_time(pid_t pid)
{
    const auto stat = text_of(pid, "stat");
    // The name of the program, in parentheses, may hold blanks; user and system time are the 12th and 13th field after it.
    std::istringstream fields(stat.substr(stat.rfind(')') + 1));
    std::string skipped;
    for (int i = 0; i < 11; ++i) fields >> skipped;
    long user = 0;
    long system = 0;
    fields >> user >> system;
    return std::chrono::milliseconds((user + system) * 1000 / ::sysconf(_SC_CLK_TCK));
}

std::size_t open_files(pid_t pid)
{
    std::size_t n = 0;
    for ([[maybe_unused]] const auto& one : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) ++n;
    return n;
}

std::vector<pid_t> children_of(pid_t pid)
{
    std::ifstream file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children");
    std::vector<pid_t> all;
    for (pid_t child = 0; file >> child;) all.push_back(child);
    return all;
}

stopped_processes::stopped_processes(std::vector<pid_t> pids) : pids_(std::move(pids))
{
    for (const auto pid : pids_) ::kill(pid, SIGSTOP);
}

stopped_processes::~stopped_processes()
{
    for (const auto pid : pids_) ::kill(pid, SIGCONT);
}

}
