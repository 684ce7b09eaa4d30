#pragma once

#include "runtime/handlers/failure.hpp"
#include "runtime/handlers/handlers.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace rowlock::runtime {

// The PATH that programs are looked for on, and that they are given: the server's, or the system's usual one.
std::string search_path();

// Decides which file a command's first word stands for, and whether the operator lets it run.
//
// A word without a slash is looked for on `path`; a relative one is taken from `directory`. On the list, a name stands for the
// program that is found by it, and an absolute path for that file. To match, both have to lead to the same file in the end AND be
// called the same: symbolic links then open no way round the list, not even where one file is many programs (busybox).
// What is executed is the file on the list, not the link that was given.
//
// Fails with PERMISSION_DENIED where it is not allowed, INVALID_CONFIG where it is not there or cannot be executed.
attempted<std::filesystem::path> find_program(const std::string& word, const std::filesystem::path& directory, std::string_view path, const process_options& options);

}
