#include "ops/postgres/child.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace rowlock::ops {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int error_fd = 3;
constexpr std::size_t kept_output = 8192;

int poll_one(int fd, milliseconds at_most)
{
    const auto until = steady_clock::now() + at_most;
    for (;;) {
        pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
        const auto left = std::chrono::duration_cast<milliseconds>(until - steady_clock::now());
        const int ready = ::poll(&waiting, 1, static_cast<int>(std::max<milliseconds::rep>(left.count(), 0)));
        if (ready >= 0 || errno != EINTR) return ready;
    }
}

std::vector<char*> pointers(std::vector<std::string>& texts)
{
    std::vector<char*> out;
    for (auto& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

// What follows runs in the child of a process with many threads: system calls only, no allocation.

[[noreturn]] void give_up()
{
    const int why = errno;
    [[maybe_unused]] const auto written = ::write(error_fd, &why, sizeof why);
    ::_exit(127);
}

bool become(const account& who, int capability)
{
    if (capability >= 0 && ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return false;
    // glibc's functions would change every thread of the process; the child has one.
    if (::syscall(SYS_setgroups, 0, nullptr) != 0 || ::syscall(SYS_setresgid, who.gid, who.gid, who.gid) != 0 ||
        ::syscall(SYS_setresuid, who.uid, who.uid, who.uid) != 0)
        return false;
    if (capability < 0) return true;
    __user_cap_header_struct head{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct sets[2]{};
    sets[0].effective = sets[0].permitted = sets[0].inheritable = 1u << capability;
    return ::syscall(SYS_capset, &head, sets) == 0 && ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0;
}

[[noreturn]] void in_child(const child_options& what, pid_t parent, int report, char* const* argv, char* const* env)
{
    ::setsid();
    struct sigaction by_default {};
    by_default.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number) ::sigaction(number, &by_default, nullptr);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);

    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    const int output = what.output >= 0 ? what.output : null;
    ::dup2(null, 0);
    ::dup2(output, 1);
    ::dup2(output, 2);
    if (report != error_fd) ::dup3(report, error_fd, O_CLOEXEC);
    ::close_range(error_fd + 1, ~0u, 0);
    ::umask(077);

    if (what.as && !become(*what.as, what.capability)) give_up();
    // After the change of account, which would forget it.
    if (::prctl(PR_SET_PDEATHSIG, SIGINT, 0, 0, 0) != 0) give_up();
    if (::getppid() != parent) ::_exit(127);
    ::execve(argv[0], argv, env);
    give_up();
}

result<child> make(child_options what)
{
    int report[2];
    if (::pipe2(report, O_CLOEXEC) != 0) return error{errc::internal, fmt::format("cannot make a pipe: {}", std::strerror(errno))};
    const auto argv = pointers(what.command);
    const auto env = pointers(what.environment);
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid == 0) in_child(what, parent, report[1], argv.data(), env.data());
    const int fork_error = errno;
    ::close(report[1]);
    int why = fork_error;
    if (pid > 0 && ::read(report[0], &why, sizeof why) != sizeof why) why = 0;
    ::close(report[0]);
    if (pid > 0 && why == 0) {
        if (const int pidfd = open_pidfd(pid); pidfd >= 0) return child(pid, pidfd);
        why = errno;
        ::kill(pid, SIGKILL);
    }
    if (pid > 0) ::waitpid(pid, nullptr, 0);
    return error{errc::internal, fmt::format("cannot start {}: {}", what.command.front(), std::strerror(why))};
}

}

int open_pidfd(pid_t process)
{
    return static_cast<int>(::syscall(SYS_pidfd_open, process, 0));
}

child::child(child&& other) noexcept : pid_(other.pid_), pidfd_(std::exchange(other.pidfd_, -1)), status_(other.status_) {}

child& child::operator=(child&& other) noexcept
{
    std::swap(pid_, other.pid_);
    std::swap(pidfd_, other.pidfd_);
    std::swap(status_, other.status_);
    return *this;
}

child::~child()
{
    if (pidfd_ < 0) return;
    if (!status_) {
        signal(SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    ::close(pidfd_);
}

bool child::running() const
{
    return !status_ && poll_one(pidfd_, milliseconds(0)) == 0;
}

void child::signal(int number) const
{
    if (!status_) ::kill(pid_, number);
}

std::optional<int> child::wait(milliseconds at_most)
{
    if (!status_ && poll_one(pidfd_, at_most) > 0) {
        // It has ended, whoever may have reaped it.
        int status = 0;
        ::waitpid(pid_, &status, 0);
        status_ = status;
    }
    return status_;
}

spawner::spawner() : thread_([this] { serve(); }) {}

spawner::~spawner()
{
    {
        const std::lock_guard held(mutex_);
        stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

result<child> spawner::spawn(child_options what)
{
    std::packaged_task<result<child>()> task([&what] { return make(std::move(what)); });
    auto made = task.get_future();
    {
        const std::lock_guard held(mutex_);
        requests_.push_back(std::move(task));
    }
    changed_.notify_one();
    return made.get();
}

void spawner::serve()
{
    std::unique_lock held(mutex_);
    for (;;) {
        changed_.wait(held, [this] { return stopping_ || !requests_.empty(); });
        if (requests_.empty()) return;
        auto task = std::move(requests_.front());
        requests_.pop_front();
        held.unlock();
        task();
        held.lock();
    }
}

result<ended> run_program(spawner& made_by, child_options what, milliseconds at_most)
{
    const auto until = steady_clock::now() + at_most;
    const auto left = [until] { return std::chrono::duration_cast<milliseconds>(until - steady_clock::now()); };
    const std::string program = what.command.front();
    int output[2];
    if (::pipe2(output, O_CLOEXEC) != 0) return error{errc::internal, fmt::format("cannot make a pipe: {}", std::strerror(errno))};
    what.output = output[1];
    auto running = made_by.spawn(std::move(what));
    ::close(output[1]);
    std::string text;
    char part[4096];
    while (running && poll_one(output[0], left()) > 0) {
        const auto got = ::read(output[0], part, sizeof part);
        if (got <= 0) break;
        text.append(part, static_cast<std::size_t>(got));
        if (text.size() > kept_output) text.erase(0, text.size() - kept_output);
    }
    ::close(output[0]);
    if (!running) return running.error();
    const auto status = running->wait(left());
    if (!status) return error{errc::internal, fmt::format("{} did not end within {} s and was killed", program, at_most.count() / 1000)};
    return ended{*status, std::move(text)};
}

}
