#include "runtime/handlers/spawn.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace rowlock::runtime {

namespace {

constexpr int first_free = 10;                       // above every descriptor that a program is given
constexpr rlim_t cpu_kill_after = 5;                 // seconds from SIGXCPU to SIGKILL

// What a child was doing when it failed. Travels through a pipe, which works whether or not memory is shared.
enum class step : int { limits, directory, descriptors, execute };
struct trouble {
    step at = step::execute;
    int error = 0;
};

// Everything the child needs, made before: between vfork and exec nothing may be allocated or locked.
struct prepared {
    const launch& what;
    std::vector<char*> arguments;
    std::vector<char*> environment;
    pid_t parent;
    int report;
};

std::vector<char*> pointers(std::vector<std::string>& texts)
{
    std::vector<char*> out;
    out.reserve(texts.size() + 1);
    for (auto& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

[[noreturn]] void give_up(const prepared& p, step at)
{
    const trouble t{at, errno};
    // The pipe is empty and this fits: it is written whole or the parent is gone.
    [[maybe_unused]] const auto written = ::write(p.report, &t, sizeof t);
    ::_exit(127);
}

// <sys/pidfd.h> of glibc 2.36 cannot be linked from C++ (it has no extern "C").
int open_pidfd(pid_t pid)
{
    return static_cast<int>(::syscall(SYS_pidfd_open, pid, O_NONBLOCK));
}

// The child's side. It borrows the parent's memory (vfork): only system calls, and nothing of the parent's is changed.
[[noreturn]] void become(const prepared& p)
{
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // The server may have died before the line above took effect.
    if (::getppid() != p.parent) ::_exit(127);

    // A handler of the server's must not run here, and what it ignores must not stay ignored.
    struct sigaction by_default {};
    by_default.sa_handler = SIG_DFL;
    for (int s = 1; s < NSIG; ++s) ::sigaction(s, &by_default, nullptr);

    if (::chdir(p.what.directory.c_str()) != 0) give_up(p, step::directory);
    const std::array<int, 4> sources{p.what.in.get(), p.what.out.get(), p.what.err.get(), p.what.protocol.get()};
    for (int target = 0; target < 4; ++target) {
        if (::dup2(sources[static_cast<std::size_t>(target)], target) < 0) give_up(p, step::descriptors);
    }
    // Marked rather than closed: the report pipe has to live until exec has succeeded.
    if (::close_range(4, ~0u, CLOSE_RANGE_CLOEXEC) != 0) give_up(p, step::descriptors);

    if (p.what.open_files) {
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = std::min<rlim_t>(*p.what.open_files, limit.rlim_max);
        if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) give_up(p, step::limits);
    }
    if (p.what.cpu) {
        const auto soft = static_cast<rlim_t>(p.what.cpu->count());
        const rlimit limit{soft, soft + cpu_kill_after};
        if (::setrlimit(RLIMIT_CPU, &limit) != 0) give_up(p, step::limits);
    }
    if (p.what.memory_bytes) {
        const auto bytes = static_cast<rlim_t>(*p.what.memory_bytes);
        const rlimit limit{bytes, bytes};
        if (::setrlimit(RLIMIT_AS, &limit) != 0) give_up(p, step::limits);
    }
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execve(p.what.file.c_str(), p.arguments.data(), p.environment.data());
    give_up(p, step::execute);
}

// Blocks every signal of the calling thread while it lives.
class signals_blocked {
public:
    signals_blocked()
    {
        sigset_t all;
        sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~signals_blocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    signals_blocked(const signals_blocked&) = delete;
    signals_blocked& operator=(const signals_blocked&) = delete;

private:
    sigset_t before_{};
};

std::string text_of(int error)
{
    std::array<char, 128> buffer{};
    return ::strerror_r(error, buffer.data(), buffer.size());
}

failure exhausted(std::string_view what, int error)
{
    return {"RESOURCE_EXHAUSTED", fmt::format("{}: {}", what, text_of(error))};
}

failure explained(const trouble& t, const launch& what)
{
    if (t.error == EAGAIN || t.error == ENOMEM || t.error == ENFILE || t.error == EMFILE) {
        return exhausted(fmt::format("{} could not be started", what.file), t.error);
    }
    switch (t.at) {
    case step::limits: return invalid_config(fmt::format("the limits on memory or CPU time could not be set: {}", text_of(t.error)));
    case step::directory: return invalid_config(fmt::format("the working directory {} cannot be entered: {}", what.directory, text_of(t.error)));
    case step::descriptors: return exhausted("the program's descriptors could not be set up", t.error);
    case step::execute: break;
    }
    if (t.error == ENOENT) return invalid_config(fmt::format("{} cannot be executed: it, or the interpreter its first line names, does not exist", what.file));
    if (t.error == ENOEXEC) return invalid_config(fmt::format("{} cannot be executed: it is no program, and no script whose first line names its interpreter (#!)", what.file));
    return invalid_config(fmt::format("{} cannot be executed: {}", what.file, text_of(t.error)));
}

}

attempted<file_descriptor> raised(file_descriptor fd)
{
    file_descriptor up(::fcntl(fd.get(), F_DUPFD_CLOEXEC, first_free));
    if (!up) return exhausted("no descriptor is left", errno);
    return up;
}

attempted<pipe_ends> make_pipe()
{
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return exhausted("no pipe could be made", errno);
    auto read = raised(file_descriptor(ends[0]));
    auto write = raised(file_descriptor(ends[1]));
    if (!read) return read.error();
    if (!write) return write.error();
    // Only this end: the other one is shared with programs that expect to wait when they write.
    if (::fcntl(read->get(), F_SETFL, O_NONBLOCK) != 0) return exhausted("no pipe could be made", errno);
    return pipe_ends{std::move(*read), std::move(*write)};
}

attempted<child> spawn(launch what)
{
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return exhausted("no pipe could be made", errno);
    const file_descriptor report_in(ends[0]);
    auto report_out = raised(file_descriptor(ends[1]));
    if (!report_out) return report_out.error();

    const prepared p{what, pointers(what.arguments), pointers(what.environment), ::getpid(), report_out->get()};
    pid_t pid = -1;
    int error = 0;
    {
        const signals_blocked now;
        pid = ::vfork();
        if (pid == 0) become(p);
        error = errno;
    }
    if (pid < 0) return exhausted(fmt::format("{} could not be started", what.file), error);

    child c{pid, file_descriptor(open_pidfd(pid))};
    const int no_pidfd = c.exit ? 0 : errno;
    *report_out = file_descriptor();
    trouble t;
    ssize_t got = -1;
    do {
        got = ::read(report_in.get(), &t, sizeof t);
    } while (got < 0 && errno == EINTR);
    if (got == 0 && c.exit) return c;

    if (got == 0) signal_group(c, SIGKILL);
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {}
    if (got == 0) return exhausted(fmt::format("{} could not be watched", what.file), no_pidfd);
    return explained(t, what);
}

void signal_group(const child& c, int signal)
{
    ::kill(-c.pid, signal);
}

exit_status reap(const child& c)
{
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(c.pid), &info, WEXITED) < 0 && errno == EINTR) {}
    if (info.si_code == CLD_EXITED) return {.code = info.si_status};
    return {.signal = info.si_status};
}

std::string signal_name(int signal)
{
    const char* name = ::sigabbrev_np(signal);
    return name != nullptr ? name : std::to_string(signal);
}

}
