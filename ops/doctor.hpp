#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::ops {

enum class severity : std::uint8_t {
    fine,
    warning,     // works, but something is lost in a fault, or will be slow
    problem,     // does not work, or loses what was acknowledged
};
std::string_view to_string(severity level);      // "ok", "warning", "problem"

// What one check has found. `remedy` says what to do; empty where nothing is to be done.
struct finding {
    severity level = severity::fine;
    std::string check;                           // "database.fsync"
    std::string detail;
    std::string remedy{};
};

// Examines the PostgreSQL server behind `url`: version, durability settings, autovacuum, room for connections, old transactions, isolation,
// migrations, clock. Read-only. Blocks for seconds at most; a database that cannot be reached is a finding. Throws nothing of libpqxx.
std::vector<finding> check_database(const std::string& url);

// The violations of the invariants that the rows must keep, as rowlock.violations() reports them: one problem each, the first hundred. Reads every
// table, for up to ten minutes.
std::vector<finding> check_invariants(const std::string& url);

}
