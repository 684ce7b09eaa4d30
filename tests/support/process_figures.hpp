#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <sys/types.h>
#include <vector>

namespace rowlock::test {

// What /proc knows of a process. Each throws where the process has gone.

// Memory that is in use, in bytes.
std::size_t resident_memory(pid_t pid);
// Processor time used so far, of all its threads.
std::chrono::milliseconds processor_time(pid_t pid);
std::size_t open_files(pid_t pid);
std::vector<pid_t> children_of(pid_t pid);

// Stops processes, until the end of this object.
class stopped_processes {
public:
    explicit stopped_processes(std::vector<pid_t> pids);
    ~stopped_processes();
    stopped_processes(const stopped_processes&) = delete;
    stopped_processes& operator=(const stopped_processes&) = delete;

private:
    std::vector<pid_t> pids_;
};

}
