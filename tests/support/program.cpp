#include "tests/support/program.hpp"

#include "tests/support/eventually.hpp"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

// In known_leaks.cpp.
extern "C" const char* __lsan_default_suppressions();

namespace rowlock::test {

namespace fs = std::filesystem;

std::string rowlock_binary()
{
    if (const char* given = std::getenv("ROWLOCK_BINARY"); given && *given) return given;
    // build/debug/tests/e2e_tests stands beside build/debug/rowlock.
    return (fs::canonical("/proc/self/exe").parent_path().parent_path() / "rowlock").string();
}

std::string text_of_file(const fs::path& path)
{
    std::ostringstream out;
    out << std::ifstream(path, std::ios::binary).rdbuf();
    return out.str();
}

void write_file(const fs::path& path, const std::string& text)
{
    std::ofstream out(path, std::ios::binary);
    out << text;
    if (!out.flush()) throw std::runtime_error("cannot write " + path.string());
}

program::program(std::vector<std::string> arguments, environment_map environment, std::string input)
{
    for (const char* name : {"PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"}) {
        if (const char* value = std::getenv(name)) environment.emplace(name, value);
    }
    environment.emplace("HOME", folder_.path().string());
    // What the leak sanitizer is told for the tests, it is told for the program.
    write_file(folder_.path() / "known_leaks", __lsan_default_suppressions());
    environment.emplace("LSAN_OPTIONS", "print_suppressions=0:suppressions=" + (folder_.path() / "known_leaks").string());
    std::vector<std::string> pairs;
    for (const auto& [name, value] : environment) pairs.push_back(name + "=" + value);
    arguments.insert(arguments.begin(), rowlock_binary());
    std::vector<char*> argv;
    for (auto& word : arguments) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::vector<char*> envp;
    for (auto& pair : pairs) envp.push_back(pair.data());
    envp.push_back(nullptr);
    write_file(folder_.path() / "in", input);
    const auto in = (folder_.path() / "in").string();
    const auto out = (folder_.path() / "out").string();
    const auto err = (folder_.path() / "err").string();

    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("cannot fork");
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::dup2(::open(in.c_str(), O_RDONLY), 0);
        ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644), 1);
        ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644), 2);
        for (int fd = 3; fd < 256; ++fd) ::close(fd);
        ::chdir(folder_.path().c_str()) == 0 ? static_cast<void>(::execve(argv[0], argv.data(), envp.data())) : static_cast<void>(0);
        ::_exit(127);
    }
}

program::~program()
{
    if (code_) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

std::string program::out() const { return text_of_file(folder_.path() / "out"); }

std::string program::err() const { return text_of_file(folder_.path() / "err"); }

void program::signal(int number) const
{
    if (!code_) ::kill(pid_, number);
}

std::optional<int> program::wait(std::chrono::milliseconds within)
{
    const auto has_ended = [this] {
        int status = 0;
        if (!code_ && ::waitpid(pid_, &status, WNOHANG) == pid_) code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
        return code_.has_value();
    };
    try {
        eventually("the program ends", has_ended, within);
    } catch (const std::runtime_error&) {
        return std::nullopt;
    }
    return code_;
}

std::string program::told() const
{
    const auto log = err();
    return "exit code " + (code_ ? std::to_string(*code_) : "none yet") + "\nstdout: " + out() + "\nstderr: " + log.substr(log.size() - std::min<std::size_t>(log.size(), 6000));
}

ended_program run_rowlock(std::vector<std::string> arguments, environment_map environment, std::string input)
{
    program one(std::move(arguments), std::move(environment), std::move(input));
    const auto code = one.wait();
    if (!code) throw std::runtime_error("this has not ended in time: " + one.told());
    return {*code, one.out(), one.err()};
}

}
