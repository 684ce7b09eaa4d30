#include "ops/doctor/checks.hpp"

#include <fmt/format.h>

namespace rowlock::ops {

namespace {

using storage::statement;

constexpr int oldest_version = 15;
constexpr int newest_version = 17;

// A setting that must have a value, and what happens otherwise.
struct expected_setting {
    const char* name;
    const char* wanted;                          // several: with blanks between them
    severity level;
    const char* otherwise;
    const char* remedy;
};

constexpr expected_setting expected_settings[] = {
    {"fsync", "on", severity::problem, "a crash of the machine can destroy the whole database", "ALTER SYSTEM SET fsync = on, then reload"},
    {"full_page_writes", "on", severity::problem, "a crash of the machine can leave torn pages", "ALTER SYSTEM SET full_page_writes = on, then reload"},
    {"synchronous_commit", "on remote_apply remote_write local", severity::problem, "work that was acknowledged is lost in a crash",
     "ALTER SYSTEM SET synchronous_commit = on, then reload; look at ALTER ROLE and ALTER DATABASE as well"},
    {"autovacuum", "on", severity::problem, "tables grow without end, and the database stops when transaction ids run out", "ALTER SYSTEM SET autovacuum = on, then reload"},
    {"track_counts", "on", severity::problem, "autovacuum does not learn what has changed, so it cleans nothing up", "ALTER SYSTEM SET track_counts = on, then reload"},
    {"default_transaction_isolation", "read committed", severity::problem, "claims fail with serialization errors",
     "ALTER DATABASE ... SET default_transaction_isolation = 'read committed'"},
    {"default_transaction_read_only", "off", severity::problem, "nothing can be written", "Name the primary, not a standby, or ALTER DATABASE ... SET default_transaction_read_only = off"},
    {"jit", "off", severity::warning, "queries over the views may be compiled for longer than they run (Rowlock's own sessions switch it off)",
     "ALTER DATABASE ... SET jit = off"},
};

// As a session finds it that sets nothing itself.
constexpr statement read_setting{"doctor_setting", "SELECT reset_val FROM pg_settings WHERE name = $1"};

bool is_wanted(std::string_view wanted, std::string_view value)
{
    if (wanted == value) return true;
    while (!wanted.empty()) {
        const std::size_t end = wanted.find(' ');
        if (wanted.substr(0, end) == value) return true;
        wanted = end == std::string_view::npos ? std::string_view{} : wanted.substr(end + 1);
    }
    return false;
}

struct least_setting {
    const char* name;
    std::int64_t bytes;
    const char* wanted;
    const char* otherwise;
    const char* remedy;
};

constexpr least_setting least_settings[] = {
    {"shared_buffers", 128LL << 20, "128 MB or more", "pages of the queue are read and written again and again",
     "ALTER SYSTEM SET shared_buffers = '1GB' (a quarter of the memory is usual), then restart"},
    {"max_wal_size", 1LL << 30, "1 GB or more", "under load checkpoints follow each other, and each page is written to the WAL whole once more",
     "ALTER SYSTEM SET max_wal_size = '4GB', then reload"},
};

constexpr statement read_size{"doctor_size", "SELECT pg_size_bytes(current_setting($1)), current_setting($1)"};

constexpr std::int64_t longest_naptime = 60;
constexpr statement read_naptime{"doctor_naptime", "SELECT extract(epoch FROM current_setting('autovacuum_naptime')::interval)::bigint"};

constexpr statement read_version{"doctor_version", "SELECT current_setting('server_version_num')::int / 10000, current_setting('server_version')"};

}

void check_version(examination& e)
{
    const auto rows = e.s.exec(read_version);
    const int major = rows[0][0].as<int>();
    const auto text = rows[0][1].as<std::string>();
    if (major < oldest_version) return e.add(severity::problem, "database.version", fmt::format("PostgreSQL {} is too old", text), "Use PostgreSQL 15, 16 or 17");
    if (major > newest_version) {
        return e.add(severity::warning, "database.version", fmt::format("PostgreSQL {} is newer than what Rowlock was tried on", text), "Use PostgreSQL 15, 16 or 17");
    }
    e.add(severity::fine, "database.version", "PostgreSQL " + text);
}

void check_settings(examination& e)
{
    for (const auto& expected : expected_settings) {
        const auto value = e.s.exec(read_setting, expected.name)[0][0].as<std::string>();
        const std::string check = std::string("database.") + expected.name;
        if (is_wanted(expected.wanted, value)) e.add(severity::fine, check, value);
        else e.add(expected.level, check, fmt::format("is {}: {}", value, expected.otherwise), expected.remedy);
    }
    for (const auto& least : least_settings) {
        const auto rows = e.s.exec(read_size, least.name);
        const std::string check = std::string("database.") + least.name;
        const auto value = rows[0][1].as<std::string>();
        if (rows[0][0].as<std::int64_t>() >= least.bytes) e.add(severity::fine, check, value);
        else e.add(severity::warning, check, fmt::format("is {}, wanted is {}: {}", value, least.wanted, least.otherwise), least.remedy);
    }
    const auto naptime = e.s.exec(read_naptime)[0][0].as<std::int64_t>();
    if (naptime <= longest_naptime) return e.add(severity::fine, "database.autovacuum_naptime", fmt::format("{} s", naptime));
    e.add(severity::warning, "database.autovacuum_naptime", fmt::format("is {} s, wanted is 60 s or less: the queue's dead rows lie about for so long", naptime),
          "ALTER SYSTEM SET autovacuum_naptime = '1min', then reload");
}

}
