#include "ops/doctor/checks.hpp"

#include <fmt/format.h>

namespace rowlock::ops {

namespace {

using storage::statement;

// What one instance takes at the least, with something left for people.
constexpr int connections_for_an_instance = 20;

constexpr statement read_recovery{"doctor_recovery", "SELECT pg_is_in_recovery()"};

constexpr statement read_connections{"doctor_connections", R"sql(
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
           (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'))sql"};

// Sessions of other databases hold back nothing here.
constexpr statement read_open_transactions{"doctor_open_transactions", R"sql(
    SELECT pid, coalesce(nullif(application_name, ''), 'no application_name'), coalesce(usename, ''), coalesce(state, ''),
           floor(extract(epoch FROM clock_timestamp() - xact_start))::bigint
      FROM pg_stat_activity
     WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND datname = current_database()
     ORDER BY xact_start LIMIT 5)sql"};

constexpr statement read_prepared_transactions{"doctor_prepared_transactions", R"sql(
    SELECT gid, quote_literal(gid), owner, floor(extract(epoch FROM clock_timestamp() - prepared))::bigint
      FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared LIMIT 5)sql"};

constexpr statement read_replication_slots{"doctor_replication_slots", R"sql(
    SELECT slot_name, quote_literal(slot_name), active, kept, pg_size_pretty(kept), greatest(coalesce(age(xmin), 0), coalesce(age(catalog_xmin), 0))
      FROM (SELECT *, coalesce(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn), 0)::bigint AS kept
              FROM pg_replication_slots) s
     ORDER BY kept DESC)sql"};

}

void check_primary(examination& e)
{
    if (!e.s.exec(read_recovery)[0][0].as<bool>()) return e.add(severity::fine, "database.primary", "is the primary");
    e.add(severity::problem, "database.primary", "is a standby, which takes no writes", "Name the primary in the URL, or several hosts with target_session_attrs=read-write");
}

void check_connections(examination& e)
{
    const auto rows = e.s.exec(read_connections);
    const int available = rows[0][0].as<int>();
    const int used = rows[0][1].as<int>();
    const std::string detail = fmt::format("{} of {} connections are in use", used, available);
    if (available < connections_for_an_instance) {
        return e.add(severity::problem, "database.connections", fmt::format("{}; one instance needs up to {}", detail, connections_for_an_instance),
                     "Raise max_connections and restart PostgreSQL");
    }
    if (available - used < connections_for_an_instance) {
        return e.add(severity::warning, "database.connections", fmt::format("{}; the next instance needs up to {} more", detail, connections_for_an_instance),
                     "Raise max_connections, or stop what holds them");
    }
    e.add(severity::fine, "database.connections", detail);
}

void check_open_transactions(examination& e)
{
    constexpr const char* check = "database.oldest_transaction";
    const auto rows = e.s.exec(read_open_transactions);
    if (rows.empty()) return e.add(severity::fine, check, "no other transaction is open");
    bool old = false;
    for (const auto& row : rows) {
        const auto age = row[4].as<std::int64_t>();
        if (age < e.limits.old_transaction.count()) continue;
        old = true;
        const auto pid = row[0].as<int>();
        e.add(severity::warning, check,
              fmt::format("a transaction is open for {} s (pid {}, {}, user {}, {}); it keeps dead rows from being removed, and the queue becomes slow", age, pid,
                          row[1].as<std::string>(), row[2].as<std::string>(), row[3].as<std::string>()),
              fmt::format("End it: SELECT pg_terminate_backend({})", pid));
    }
    if (!old) e.add(severity::fine, check, fmt::format("the oldest open one is {} s old", rows[0][4].as<std::int64_t>()));
}

void check_prepared_transactions(examination& e)
{
    constexpr const char* check = "database.prepared_transactions";
    bool old = false;
    for (const auto& row : e.s.exec(read_prepared_transactions)) {
        const auto age = row[3].as<std::int64_t>();
        if (age < e.limits.old_transaction.count()) continue;
        old = true;
        e.add(severity::warning, check,
              fmt::format("the transaction {} of {} is prepared for {} s; it holds its locks, and keeps dead rows from being removed", row[0].as<std::string>(),
                          row[2].as<std::string>(), age),
              fmt::format("End it: ROLLBACK PREPARED {0}, or COMMIT PREPARED {0} if its coordinator says so", row[1].as<std::string>()));
    }
    if (!old) e.add(severity::fine, check, "none is old");
}

void check_replication_slots(examination& e)
{
    constexpr const char* check = "database.replication_slots";
    const auto rows = e.s.exec(read_replication_slots);
    bool harmful = false;
    for (const auto& row : rows) {
        const auto name = row[0].as<std::string>();
        const bool active = row[2].as<bool>();
        const bool keeps_wal = row[3].as<std::int64_t>() >= e.limits.slot_bytes;
        const auto held = row[5].as<std::int64_t>();
        // A consumer that is connected moves on by itself, unless it does not keep up.
        if (!keeps_wal && (active || held == 0)) continue;
        harmful = true;
        std::string detail = fmt::format("the slot {}, {}, keeps {} of WAL", name, active ? "in use" : "which nobody uses", row[4].as<std::string>());
        if (held > 0) detail += fmt::format(" and what was deleted in the last {} transactions", held);
        e.add(severity::warning, check, detail + "; the disk fills up, or tables grow",
              active ? std::string("Find out why its consumer does not keep up, and set max_slot_wal_keep_size")
                     : fmt::format("Connect its consumer, or: SELECT pg_drop_replication_slot({})", row[1].as<std::string>()));
    }
    if (!harmful) e.add(severity::fine, check, rows.empty() ? "there is none" : fmt::format("{}; none holds much", rows.size()));
}

}
