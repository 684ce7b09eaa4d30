#pragma once

#include "ops/config/settings.hpp"

#include <cstddef>
#include <cstdint>

namespace rowlock::ops {

// How many files this process may have open.
struct file_limit {
    std::uint64_t before = 0;        // as it was started: what programs that it starts get, some of which cannot bear more (select)
    std::uint64_t now = 0;
};

// Raises the limit to the most that the system lets this process have.
file_limit raise_file_limit();

// MAX_CONNECTIONS, or as many as leave enough of `files` for database sessions and running jobs: who finds no file to accept a connection
// with can only leave it waiting, who finds no place for it can say so. Pure.
std::size_t connections_within(const settings& s, std::uint64_t files);

}
