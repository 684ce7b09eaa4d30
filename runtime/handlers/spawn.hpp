#pragma once

#include "runtime/handlers/failure.hpp"
#include "runtime/handlers/file_descriptor.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace rowlock::runtime {

// Everything a program is started with. Nothing else of the server reaches it.
struct launch {
    std::string file;                                // absolute
    std::vector<std::string> arguments;              // the name it is called by, first
    std::vector<std::string> environment;            // NAME=value
    std::string directory;
    file_descriptor in;                              // descriptors 0 to 3 of the program
    file_descriptor out;
    file_descriptor err;
    file_descriptor protocol;
    std::optional<std::int64_t> memory_bytes{};      // RLIMIT_AS
    std::optional<std::chrono::seconds> cpu{};       // RLIMIT_CPU: SIGXCPU, and SIGKILL five seconds later
    std::optional<std::uint64_t> open_files{};       // RLIMIT_NOFILE, which the program may raise again
};

// A started program, the leader of a process group of its own: `pid` is the group's id as well. It is not reaped by itself:
// until reap(), neither id can be given to another process, so signalling them is safe.
struct child {
    pid_t pid = -1;
    file_descriptor exit;                            // pidfd: readable when the leader has exited
};

// How a leader ended: an exit code, or the signal that killed it.
struct exit_status {
    int code = 0;
    int signal = 0;
};

// Both ends are closed on exec, and lie above the descriptors that a program is given. Fails with RESOURCE_EXHAUSTED.
struct pipe_ends {
    file_descriptor read;                            // does not block
    file_descriptor write;
};
attempted<pipe_ends> make_pipe();

// Moves a descriptor above those that a program is given.
attempted<file_descriptor> raised(file_descriptor fd);

// Starts the program. It dies with the thread that calls this (PR_SET_PDEATHSIG), so that must be a core's: those live as long
// as the server. Blocks until the program has taken the place of the server's image, microseconds. Fails with INVALID_CONFIG
// where the program cannot be executed, RESOURCE_EXHAUSTED where the system has no room for it.
attempted<child> spawn(launch what);

// Signals every process of the group. A group that is gone is no error.
void signal_group(const child& c, int signal);

// After the leader's exit: how it ended. From here on its ids mean nothing.
exit_status reap(const child& c);

// "TERM", "KILL", ...
std::string signal_name(int signal);

}
