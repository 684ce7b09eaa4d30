#include "ops/doctor/doctor.hpp"

#include "ops/doctor/checks.hpp"
#include "ops/first_line.hpp"
#include "storage/migrations.hpp"
#include "storage/migrator.hpp"

#include <fmt/format.h>

namespace rowlock::ops {

namespace {

using storage::session;
using storage::statement;

// Through the migrator's own eyes: the role that the service works under may not read its table.
finding check_migrations(const std::string& url)
{
    const auto migrated = storage::check_migrated(url);
    if (migrated) return {severity::fine, "database.migrations", fmt::format("all {} are applied", storage::all_migrations().size())};
    return {severity::problem, "database.migrations", migrated.error().detail, "Run `rowlock migrate --database URL` with the newest version of Rowlock that works here"};
}

finding unreachable(const std::exception& e)
{
    return {severity::problem, "database.reachable", first_line(e.what()), "Start PostgreSQL, or correct --database"};
}

struct named_check {
    const char* name;
    void (*examine)(examination&);
};

constexpr named_check of_postgres[] = {
    {"database.version", &check_version},
    {"database.primary", &check_primary},
    {"database.settings", &check_settings},
    {"database.connections", &check_connections},
    {"database.oldest_transaction", &check_open_transactions},
    {"database.prepared_transactions", &check_prepared_transactions},
    {"database.replication_slots", &check_replication_slots},
    {"database.transaction_ids", &check_transaction_ids},
    {"database.disk", &check_disk},
    {"database.clock", &check_clock},
};
constexpr named_check of_rowlock[] = {
    {"database.bloat", &check_bloat},
    {"database.autovacuum_of_tables", &check_switched_off_vacuum},
    {"database.partitions", &check_partitions},
    {"database.instances", &check_instances},
    {"database.retention", &check_retention},
};

// A check that the database refuses (a missing privilege) is a finding, and the others go on.
void run(const named_check& check, examination& e)
{
    try {
        check.examine(e);
    } catch (const std::exception& why) {
        e.add(severity::problem, check.name, "cannot be checked: " + first_line(why.what()), "Connect as the owner of the database");
    }
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

std::vector<finding> check_database(const std::string& url, const doctor_limits& limits)
{
    session s({.url = url, .application_name = "rowlock doctor"});
    std::vector<finding> found;
    try {
        s.connect();
        session second({.url = url, .application_name = "rowlock doctor"});
        found.push_back(check_pooling(s, second));
        // Through such a pooler nothing else that is asked would be answered rightly.
        if (found.back().level != severity::fine) return found;
        second.disconnect();
        // The role of the service sees nothing of other sessions; who asks the doctor may see more.
        s.run("reset role");
    } catch (const std::exception& e) {
        return {unreachable(e)};
    }
    examination e{s, limits, found};
    for (const auto& check : of_postgres) run(check, e);
    found.push_back(check_migrations(url));
    if (found.back().level == severity::fine) {
        for (const auto& check : of_rowlock) run(check, e);
    }
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
