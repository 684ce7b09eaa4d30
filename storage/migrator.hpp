#pragma once

#include "storage/model/error.hpp"

#include <string>
#include <vector>

namespace rowlock::storage {

struct migration_report {
    int found = 0;                       // the version that the database was at
    std::vector<std::string> applied;    // names, in order; with dry_run: what would be applied
};

// Brings a database to the version of this program, in one transaction. Safe from any number of programs at once: they take turns.
// PostgreSQL 15 to 17. Errors: database_unavailable; internal with a sentence where the server is too old, a migration that was applied
// has another checksum now, the database is newer than the program, or the role may not.
result<migration_report> migrate(const std::string& url, bool dry_run = false);

// Is the database at the version of this program? Errors as above, and internal where it is not.
result<void> check_migrated(const std::string& url);

}
