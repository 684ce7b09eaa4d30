#pragma once

#include "ops/postgres/data_folder.hpp"

#include <vector>

namespace rowlock::ops {

// The database processes of this folder that still live: those of a server that was killed and whose database is shutting down, or
// whose postmaster was killed. Zombies do not count: they hold nothing, although their number looks alive to PostgreSQL.
std::vector<pid_t> leftover_processes(const data_folder& folder);

// Waits until none is left: asks for a fast shutdown (checkpoint included, nothing is lost), after 60 s for an immediate one (PostgreSQL
// recovers at the next start), after 10 s more it kills. Then removes the stale pid file. Error database_unavailable: some cannot be ended.
result<void> end_leftovers(const data_folder& folder);

}
