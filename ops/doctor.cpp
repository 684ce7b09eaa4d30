#include "ops/doctor.hpp"

#include "ops/first_line.hpp"
#include "storage/migrations.hpp"
#include "storage/migrator.hpp"
#include "storage/model/time.hpp"
#include "storage/session.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace rowlock::ops {

namespace {

using storage::session;
using storage::statement;

// What one instance takes at the least, with something left for people.
constexpr int connections_for_an_instance = 20;
constexpr std::chrono::minutes old_transaction{5};
constexpr std::chrono::seconds tolerable_skew{2};
constexpr int oldest_version = 15;
constexpr int newest_version = 17;

constexpr statement read_version{"doctor_version", "SELECT current_setting('server_version_num')::int / 10000, current_setting('server_version')"};

finding check_version(session& s)
{
    const auto rows = s.exec(read_version);
    const int major = rows[0][0].as<int>();
    const auto text = rows[0][1].as<std::string>();
    if (major < oldest_version) {
        return {severity::problem, "database.version", fmt::format("PostgreSQL {} is too old", text), "Use PostgreSQL 15, 16 or 17"};
    }
    if (major > newest_version) {
        return {severity::warning, "database.version", fmt::format("PostgreSQL {} is newer than what Rowlock was tried on", text), "Use PostgreSQL 15, 16 or 17"};
    }
    return {severity::fine, "database.version", "PostgreSQL " + text};
}

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
    {"default_transaction_isolation", "read committed", severity::problem, "claims fail with serialization errors",
     "ALTER DATABASE ... SET default_transaction_isolation = 'read committed'"},
    {"default_transaction_read_only", "off", severity::problem, "nothing can be written", "Name the primary, not a standby, or ALTER DATABASE ... SET default_transaction_read_only = off"},
};

constexpr statement read_setting{"doctor_setting", "SELECT current_setting($1)"};

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

finding check_setting(session& s, const expected_setting& expected)
{
    const auto value = s.exec(read_setting, expected.name)[0][0].as<std::string>();
    const std::string check = std::string{"database."} + expected.name;
    if (is_wanted(expected.wanted, value)) return {severity::fine, check, value};
    return {expected.level, check, fmt::format("is {}: {}", value, expected.otherwise), expected.remedy};
}

constexpr statement read_recovery{"doctor_recovery", "SELECT pg_is_in_recovery()"};

finding check_recovery(session& s)
{
    if (!s.exec(read_recovery)[0][0].as<bool>()) return {severity::fine, "database.primary", "is the primary"};
    return {severity::problem, "database.primary", "is a standby, which takes no writes", "Name the primary in the URL, or several hosts with target_session_attrs=read-write"};
}

constexpr statement read_connections{"doctor_connections", R"sql(
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
           (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'))sql"};

finding check_connections(session& s)
{
    const auto rows = s.exec(read_connections);
    const int available = rows[0][0].as<int>();
    const int used = rows[0][1].as<int>();
    const std::string detail = fmt::format("{} of {} connections are in use", used, available);
    if (available < connections_for_an_instance) {
        return {severity::problem, "database.connections", fmt::format("{}; one instance needs up to {}", detail, connections_for_an_instance),
                "Raise max_connections and restart PostgreSQL"};
    }
    if (available - used < connections_for_an_instance) {
        return {severity::warning, "database.connections", fmt::format("{}; the next instance needs up to {} more", detail, connections_for_an_instance),
                "Raise max_connections, or stop what holds them"};
    }
    return {severity::fine, "database.connections", detail};
}

constexpr statement read_oldest_transaction{"doctor_oldest_transaction", R"sql(
    SELECT pid, coalesce(application_name, ''), extract(epoch FROM clock_timestamp() - xact_start)::bigint
      FROM pg_stat_activity
     WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'
     ORDER BY xact_start LIMIT 1)sql"};

finding check_oldest_transaction(session& s)
{
    const auto rows = s.exec(read_oldest_transaction);
    if (rows.empty()) return {severity::fine, "database.oldest_transaction", "no other transaction is open"};
    const auto age = rows[0][2].as<std::int64_t>();
    const std::string detail = fmt::format("the oldest open one is {} s old (pid {}, {})", age, rows[0][0].as<int>(), rows[0][1].as<std::string>());
    if (age < std::chrono::seconds{old_transaction}.count()) return {severity::fine, "database.oldest_transaction", detail};
    return {severity::warning, "database.oldest_transaction", detail + "; it keeps dead rows from being removed, and the queue becomes slow",
            fmt::format("End it: SELECT pg_terminate_backend({})", rows[0][0].as<int>())};
}

// Through the migrator's own eyes: the role that the service works under may not read its table.
finding check_migrations(const std::string& url)
{
    const auto migrated = storage::check_migrated(url);
    if (migrated) return {severity::fine, "database.migrations", fmt::format("all {} are applied", storage::all_migrations().size())};
    return {severity::problem, "database.migrations", migrated.error().detail, "Run `rowlock migrate --database URL` with the newest version of Rowlock that works here"};
}

constexpr statement read_clock{"doctor_clock", "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"};

finding check_clock(session& s)
{
    using std::chrono::milliseconds;
    const auto before = std::chrono::floor<milliseconds>(wall_clock());
    const milliseconds database{s.exec(read_clock)[0][0].as<std::int64_t>()};
    const auto after = std::chrono::floor<milliseconds>(wall_clock());
    // Half of the round trip is the most that the way there can have taken.
    const milliseconds skew = database - (before + (after - before) / 2).time_since_epoch();
    const std::string detail = fmt::format("{} ms apart", std::abs(skew.count()));
    if (std::abs(skew.count()) <= milliseconds{tolerable_skew}.count() + (after - before).count()) return {severity::fine, "database.clock", detail};
    return {severity::warning, "database.clock", detail + "; leases and schedules go by the database's clock, logs by this machine's", "Synchronise both with NTP"};
}

finding unreachable(const std::exception& e)
{
    return {severity::problem, "database.reachable", first_line(e.what()), "Start PostgreSQL, or correct --database"};
}

constexpr std::chrono::minutes longest_invariant_check{10};
constexpr statement find_violations_function{"doctor_violations_function", "SELECT to_regproc('rowlock.violations') IS NOT NULL"};
constexpr statement read_violations{"doctor_violations", "SELECT rule::text, detail::text FROM rowlock.violations() LIMIT 100"};

}

std::string_view to_string(severity level)
{
    switch (level) {
    case severity::fine: return "ok";
    case severity::warning: return "warning";
    case severity::problem: return "problem";
    }
    return "";
}

std::vector<finding> check_database(const std::string& url)
{
    session s({.url = url, .application_name = "rowlock doctor"});
    std::vector<finding> found;
    try {
        s.connect();
        // The role of the service sees nothing of other sessions; who asks the doctor may see more.
        s.run("reset role");
    } catch (const std::exception& e) {
        return {unreachable(e)};
    }
    // A check that the database refuses (a missing privilege) is a finding, and the others go on.
    const auto check = [&](const char* name, auto examine) {
        try {
            found.push_back(examine());
        } catch (const std::exception& e) {
            found.push_back({severity::problem, name, "cannot be checked: " + first_line(e.what()), "Connect as the owner of the database"});
        }
    };
    check("database.version", [&] { return check_version(s); });
    check("database.primary", [&] { return check_recovery(s); });
    for (const expected_setting& expected : expected_settings) {
        check(expected.name, [&] { return check_setting(s, expected); });
    }
    check("database.connections", [&] { return check_connections(s); });
    check("database.oldest_transaction", [&] { return check_oldest_transaction(s); });
    check("database.migrations", [&] { return check_migrations(url); });
    check("database.clock", [&] { return check_clock(s); });
    return found;
}

std::vector<finding> check_invariants(const std::string& url)
{
    session s({.url = url, .application_name = "rowlock doctor", .statement_timeout = longest_invariant_check});
    try {
        if (!s.exec(find_violations_function)[0][0].as<bool>()) {
            return {{severity::problem, "invariants", "rowlock.violations() is not there", "Run `rowlock migrate --database URL`"}};
        }
        std::vector<finding> found;
        for (const auto& row : s.exec(read_violations)) {
            found.push_back({severity::problem, "invariants." + row[0].as<std::string>(""), row[1].as<std::string>(""),
                             "Keep the database as it is and report this: it is a defect of Rowlock, or rows were changed by hand"});
        }
        if (found.empty()) found.push_back({severity::fine, "invariants", "all hold"});
        return found;
    } catch (const std::exception& e) {
        return {unreachable(e)};
    }
}

}
