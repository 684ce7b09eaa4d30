#pragma once

#include "tests/support/eventually.hpp"
#include "tests/support/scratch_folder.hpp"

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace rowlock::test {

// The program under test: $ROWLOCK_BINARY, else the one that was built with the tests.
std::string rowlock_binary();

using environment_map = std::map<std::string, std::string>;

// A run of the program under test, with an environment of PATH, HOME, the sanitizers' options and what is given: nothing else of the
// tests' own. Killed at the end of this object, and when the tests die.
class program {
public:
    explicit program(std::vector<std::string> arguments, environment_map environment = {}, std::string input = {});
    program(const program&) = delete;
    program& operator=(const program&) = delete;
    ~program();

    pid_t pid() const { return pid_; }
    std::string out() const;
    std::string err() const;
    void signal(int number) const;
    // Its exit code, or -N when signal N ended it; nullopt when the time is up.
    std::optional<int> wait(std::chrono::milliseconds within = patience);
    // Everything that it wrote, for INFO.
    std::string told() const;

private:
    scratch_folder folder_;
    pid_t pid_ = -1;
    std::optional<int> code_;
};

struct ended_program {
    int code = 0;
    std::string out;
    std::string err;
};

// Runs the program under test to its end.
ended_program run_rowlock(std::vector<std::string> arguments, environment_map environment = {}, std::string input = {});

std::string text_of_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, const std::string& text);

}
