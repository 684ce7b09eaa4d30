#pragma once

#include "storage/model/error.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <sys/types.h>
#include <thread>
#include <vector>

namespace rowlock::ops {

// Whom a child runs as, where that is not the server's own account.
struct account {
    uid_t uid;
    gid_t gid;
    std::string name;
};

struct child_options {
    std::vector<std::string> command;         // the program's absolute path, then its arguments
    std::vector<std::string> environment{};   // all of it, NAME=VALUE
    std::optional<account> as{};
    int capability = -1;                      // kept over the change of account; -1: none
    int output = -1;                          // receives stdout and stderr; -1: /dev/null
};

// glibc 2.36 declares pidfd_open() for C only.
int open_pidfd(pid_t process);

// A child process, known by its pidfd, so that its number can never mean another process. For one thread at a time.
class child {
public:
    child(pid_t pid, int pidfd) : pid_(pid), pidfd_(pidfd) {}
    child(child&& other) noexcept;
    child& operator=(child&& other) noexcept;
    // One that still runs is killed and reaped.
    ~child();

    pid_t pid() const { return pid_; }
    // Readable once the child has ended.
    int fd() const { return pidfd_; }
    bool running() const;
    void signal(int number) const;
    // Its status as waitpid() gives it, once it has ended; nullopt when the time is up.
    std::optional<int> wait(std::chrono::milliseconds at_most);

private:
    pid_t pid_;
    int pidfd_;
    std::optional<int> status_{};
};

// Makes children that stop by themselves (SIGINT) when this process dies, however it dies. The kernel ties that signal to the
// thread that made the child, so a thread that lives as long as the spawner makes them all. Any thread may call.
class spawner {
public:
    spawner();
    spawner(const spawner&) = delete;
    spawner& operator=(const spawner&) = delete;
    ~spawner();

    // The child has its own session (Ctrl-C does not reach it), default signal handling, umask 077 and no descriptor but 0, 1 and 2.
    // Error internal: it could not be started; says why.
    result<child> spawn(child_options what);

private:
    void serve();

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::packaged_task<result<child>()>> requests_;
    bool stopping_ = false;
    std::thread thread_;
};

struct ended {
    int status;            // as waitpid() gives it
    std::string output;    // the last 8 KiB of stdout and stderr
    bool succeeded() const { return status == 0; }
};

// Runs a program to its end. Error internal: it could not be started, or had to be killed when the time was up.
result<ended> run_program(spawner& made_by, child_options what, std::chrono::milliseconds at_most);

}
