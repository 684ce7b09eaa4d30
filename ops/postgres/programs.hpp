#pragma once

#include "ops/postgres/child.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace rowlock::ops {

// PostgreSQL's initdb and postgres, of one major version.
struct postgres_programs {
    std::filesystem::path folder;
    int major;
};

inline constexpr int oldest_postgres = 15;
inline constexpr int newest_postgres = 17;

// The environment of every program of PostgreSQL's: nothing of the server's own reaches it, so that PGPORT and the like do not.
std::vector<std::string> postgres_environment();

// Looks in PG_BIN (and then nowhere else), what pg_config names, /usr/lib/postgresql, PATH. `major` 0 takes the first of a version
// that is served. Error invalid_request: there is none; says what was looked for, what was found, and what to install.
result<postgres_programs> find_postgres_programs(spawner& made_by, int major);

}
