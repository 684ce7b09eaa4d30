#include "ops/doctor/checks.hpp"

#include <filesystem>
#include <fmt/format.h>

namespace rowlock::ops {

namespace {

using storage::statement;

// History is only ever inserted into; these are not. A row of them is shorter than a kilobyte.
constexpr statement read_hot_tables{"doctor_hot_tables", R"sql(
    SELECT relname, n_live_tup, n_dead_tup, bytes, pg_size_pretty(bytes)
      FROM (SELECT *, pg_table_size(relid) AS bytes FROM pg_stat_user_tables
             WHERE schemaname = 'rowlock' AND relname NOT SIMILAR TO '(executions|results)(\_[0-9]+)?') t
     ORDER BY n_dead_tup DESC, bytes DESC)sql"};
constexpr std::int64_t longest_row = 1024;
constexpr std::int64_t bloat_factor = 10;

constexpr statement read_tables_without_vacuum{"doctor_tables_without_vacuum", R"sql(
    SELECT coalesce(string_agg(c.oid::regclass::text, ', ' ORDER BY c.relname), '')
      FROM pg_class c WHERE c.relnamespace = to_regnamespace('rowlock') AND c.reloptions && array['autovacuum_enabled=false', 'autovacuum_enabled=off'])sql"};

constexpr statement read_transaction_ids{"doctor_transaction_ids", "SELECT greatest(age(datfrozenxid), mxid_age(datminmxid)) FROM pg_database WHERE datname = current_database()"};
// Where PostgreSQL is about to refuse writes; it does so 3 million before 2^31.
constexpr std::int64_t too_many_transaction_ids = 2'000'000'000;

// The folder is told to superusers and members of pg_read_all_settings; only on the server's own machine does it mean anything.
constexpr statement read_data_folder{"doctor_data_folder", R"sql(
    SELECT CASE WHEN pg_has_role(current_user, 'pg_read_all_settings', 'usage') THEN current_setting('data_directory') ELSE '' END,
           coalesce(inet_server_addr() << inet '127.0.0.0/8' OR inet_server_addr() = inet '::1', true))sql"};

constexpr std::uint64_t mebibyte = 1024 * 1024;

}

void check_bloat(examination& e)
{
    constexpr const char* check = "database.bloat";
    const auto rows = e.s.exec(read_hot_tables);
    bool bloated = false;
    for (const auto& row : rows) {
        const auto name = "rowlock." + row[0].as<std::string>();
        const auto live = row[1].as<std::int64_t>();
        const auto dead = row[2].as<std::int64_t>();
        const auto bytes = row[3].as<std::int64_t>();
        const auto size = row[4].as<std::string>();
        if (dead > e.limits.dead_rows && dead > live) {
            bloated = true;
            e.add(severity::warning, check, fmt::format("{} has {} dead rows beside {} live ones, {}; reading it becomes slow", name, dead, live, size),
                  fmt::format("End what keeps them (old transactions, slots), then: VACUUM (ANALYZE) {}", name));
        } else if (bytes > e.limits.table_bytes && bytes > bloat_factor * longest_row * (live + dead)) {
            bloated = true;
            e.add(severity::warning, check, fmt::format("{} takes {} for {} rows; most of it is empty", name, size, live + dead),
                  fmt::format("In a quiet minute, as it locks the table: VACUUM FULL {}", name));
        }
    }
    if (bloated) return;
    e.add(severity::fine, check, rows.empty() ? std::string("there are no tables yet") : fmt::format("{} dead rows at most in a table of the queue", rows[0][2].as<std::int64_t>()));
}

void check_switched_off_vacuum(examination& e)
{
    constexpr const char* check = "database.autovacuum_of_tables";
    const auto names = e.s.exec(read_tables_without_vacuum)[0][0].as<std::string>();
    if (names.empty()) return e.add(severity::fine, check, "on for every table");
    e.add(severity::warning, check, fmt::format("is switched off for {}: they grow without end", names), "ALTER TABLE ... RESET (autovacuum_enabled)");
}

void check_transaction_ids(examination& e)
{
    constexpr const char* check = "database.transaction_ids";
    const auto age = e.s.exec(read_transaction_ids)[0][0].as<std::int64_t>();
    const std::string detail = fmt::format("the oldest that is not frozen is {} transactions old", age);
    if (age < e.limits.transaction_ids) return e.add(severity::fine, check, detail);
    e.add(age < too_many_transaction_ids ? severity::warning : severity::problem, check, detail + "; at about 2,100 million PostgreSQL takes no more writes",
          "End old transactions, prepared ones and slots, then: VACUUM (FREEZE)");
}

severity verdict_of_space(std::uint64_t available, std::uint64_t capacity)
{
    if (available < 256 * mebibyte || available < capacity / 50) return severity::problem;
    if (available < 2048 * mebibyte || available < capacity / 10) return severity::warning;
    return severity::fine;
}

void check_disk(examination& e)
{
    constexpr const char* check = "database.disk";
    const auto rows = e.s.exec(read_data_folder);
    const auto folder = rows[0][0].as<std::string>();
    if (folder.empty()) return e.add(severity::fine, check, "is not known: this role may not see where the data are");
    if (!rows[0][1].as<bool>()) return e.add(severity::fine, check, "is not known: the database is on another machine");
    std::error_code ec;
    const auto space = std::filesystem::space(folder, ec);
    if (ec) return e.add(severity::fine, check, fmt::format("is not known: {} cannot be seen from here", folder));
    const auto level = verdict_of_space(space.available, space.capacity);
    e.add(level, check, fmt::format("{} MiB of {} MiB are free below {}", space.available / mebibyte, space.capacity / mebibyte, folder),
          level == severity::fine ? "" : "Give it more room: without any, nothing is committed. See the runbook disk-full");
}

}
