#pragma once

#include <chrono>
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
    std::string detail;                          // with the figure that was looked at
    std::string remedy{};
};

// From where on something is worth a word.
struct doctor_limits {
    std::chrono::seconds old_transaction = std::chrono::minutes{5};     // open, or prepared
    std::chrono::seconds late_takeover = std::chrono::minutes{1};       // of what a dead instance owned
    std::int64_t dead_rows = 100'000;                                   // in one table, and more than live ones
    std::int64_t table_bytes = 256LL << 20;                             // of a hot table that could be a tenth of that
    std::int64_t slot_bytes = 1LL << 30;                                // of WAL that a replication slot keeps
    std::int64_t transaction_ids = 1'000'000'000;                       // since the oldest that is not frozen, of 2^31
};

// Examines the PostgreSQL server behind `url`, and what Rowlock has in it: what stands between (a pooler), version, settings, sessions and
// what they hold, tables, room on the disk, migrations, partitions, instances, clock. Read-only. Blocks for seconds at most; a database that
// cannot be reached is a finding. Throws nothing of libpqxx.
std::vector<finding> check_database(const std::string& url, const doctor_limits& limits = {});

// The violations of the invariants that the rows must keep, as rowlock.violations() reports them: one problem each, the first hundred. Reads every
// table, for up to ten minutes.
std::vector<finding> check_invariants(const std::string& url);

}
