#pragma once

#include "storage/model/execution.hpp"

#include <map>
#include <string>
#include <vector>

namespace rowlock::runtime {

// Where a process job finds what belongs to its attempt.
struct attempt_paths {
    std::string parameters_file;
    std::string checkpoint_file;                     // empty: there is none
    std::string run_directory;
};

// What a process job inherits of the server's environment: PATH, HOME, LANG and TZ, as far as they are set. PATH always is.
std::map<std::string, std::string> inherited_environment();

// The whole environment of a process job, NAME=value: what is inherited, over it what the definition gives, over that the
// ROWLOCK_ variables, which no definition can forge. `deadline` is RFC 3339, or empty. Pure.
std::vector<std::string> child_environment(std::map<std::string, std::string> inherited, const std::map<std::string, std::string>& given, const assignment& work,
                                           const std::string& deadline, const attempt_paths& paths);

}
