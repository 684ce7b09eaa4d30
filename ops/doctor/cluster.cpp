#include "ops/doctor/checks.hpp"
#include "storage/model/time.hpp"

#include <fmt/format.h>

namespace rowlock::ops {

namespace {

using storage::statement;

constexpr std::chrono::seconds tolerable_skew{2};

constexpr statement read_missing_partitions{"doctor_missing_partitions", R"sql(
    SELECT coalesce(string_agg(t || '_' || to_char(day, 'YYYYMMDD'), ', ' ORDER BY day, t), ''), coalesce(bool_or(ahead = 0), false),
           (SELECT count(*) FROM rowlock.instances WHERE state = 'ALIVE' AND lease_until > rowlock.clock())
      FROM unnest(array['executions', 'results']) t, generate_series(0, 1) ahead,
           LATERAL (SELECT (rowlock.clock() AT TIME ZONE 'UTC')::date + ahead AS day) d
     WHERE NOT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                        WHERE i.inhparent = to_regclass('rowlock.' || t) AND c.relname = t || '_' || to_char(day, 'YYYYMMDD')))sql"};

constexpr statement read_late_instances{"doctor_late_instances", R"sql(
    SELECT instance_id, hostname, state, floor(extract(epoch FROM rowlock.clock() - coalesce(ended_at, lease_until)))::bigint,
           (SELECT coalesce(sum(remaining), 0) FROM rowlock.extents WHERE owner = instance_id)
      FROM rowlock.instances WHERE state = 'DEAD' OR (state = 'ALIVE' AND lease_until < rowlock.clock()) ORDER BY instance_id LIMIT 20)sql"};

constexpr statement read_workforce{"doctor_workforce", R"sql(
    SELECT (SELECT count(*) FROM rowlock.instances WHERE state = 'ALIVE' AND lease_until > rowlock.clock()),
           (SELECT coalesce(sum(remaining), 0) FROM rowlock.extents WHERE owner IS NULL AND ready),
           (SELECT count(*) FROM rowlock.instances WHERE state = 'ALIVE' AND lease_until > rowlock.clock() AND draining_at IS NOT NULL))sql"};

// Jobs whose work waits for labels that no live instance has.
constexpr statement read_misplaced{"doctor_misplaced", R"sql(
    SELECT count(*), coalesce(string_agg(m.job_id, ', ' ORDER BY m.job_id) FILTER (WHERE m.k <= 5), '')
      FROM (SELECT j.job_id, row_number() OVER (ORDER BY j.job_id) AS k FROM rowlock.lanes l JOIN rowlock.jobs j ON j.job_key = l.job_key
             WHERE l.placement IS NOT NULL AND EXISTS (SELECT FROM rowlock.extents s WHERE s.owner IS NULL AND s.ready AND s.lane_id = l.lane_id)
               AND NOT EXISTS (SELECT FROM rowlock.instances i WHERE i.state = 'ALIVE' AND i.lease_until > rowlock.clock() AND l.placement <@ i.labels)) m)sql"};

constexpr statement read_clock{"doctor_clock", "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"};

constexpr int looks = 5;

}

void check_partitions(examination& e)
{
    constexpr const char* check = "database.partitions";
    const auto rows = e.s.exec(read_missing_partitions);
    const auto missing = rows[0][0].as<std::string>();
    if (missing.empty()) return e.add(severity::fine, check, "those of today and tomorrow are there");
    // Instances make them when they start, and from then on ahead of time.
    if (rows[0][2].as<int>() == 0) return e.add(severity::fine, check, fmt::format("{} will be made by the next instance that starts", missing));
    const bool today = rows[0][1].as<bool>();
    e.add(today ? severity::problem : severity::warning, check, fmt::format("{} {}", missing, today ? "are missing: nothing can be submitted" : "will be missing tomorrow, although an instance runs"),
          "SELECT rowlock.make_partitions(3), and look into the log of an instance why it does not");
}

void check_instances(examination& e)
{
    constexpr const char* check = "database.instances";
    const auto workforce = e.s.exec(read_workforce);
    const int alive = workforce[0][0].as<int>();
    const auto waiting = workforce[0][1].as<std::int64_t>();
    bool late = false;
    for (const auto& row : e.s.exec(read_late_instances)) {
        const auto since = row[3].as<std::int64_t>();
        const auto owned = row[4].as<std::int64_t>();
        // Whoever is alive takes over within moments.
        if (since < e.limits.late_takeover.count() || (owned == 0 && row[2].as<std::string>() == "DEAD")) continue;
        late = true;
        e.add(owned > 0 ? severity::problem : severity::warning, check,
              fmt::format("instance {} ({}) is dead for {} s and still has {} executions that nobody has taken over", row[0].as<int>(), row[1].as<std::string>(), since, owned),
              alive == 0 ? "Start an instance: it takes over what dead ones have left" : "Look into the logs of the instances that run: takeover does not get through");
    }
    if (alive == 0 && waiting > 0) {
        late = true;
        e.add(severity::problem, check, fmt::format("no instance runs, and {} executions wait", waiting), "Start one: rowlock serve --database URL");
    }
    if (const int drained = workforce[0][2].as<int>(); drained > 0) {
        late = true;
        const bool all = drained == alive;
        e.add(all && waiting > 0 ? severity::problem : severity::warning, check,
              all ? fmt::format("every live instance is drained, and {} executions wait", waiting) : fmt::format("{} of {} live instances are drained", drained, alive),
              "rowlock instance list says which; rowlock instance resume ID, or restart them");
    }
    if (const auto misplaced = e.s.exec(read_misplaced); alive > 0 && misplaced[0][0].as<int>() > 0) {
        late = true;
        e.add(severity::warning, check, fmt::format("what waits of {} jobs asks for labels that no live instance has: {}", misplaced[0][0].as<int>(), misplaced[0][1].as<std::string>()),
              "Start an instance with INSTANCE_LABELS as they ask, or correct their placement");
    }
    if (!late) e.add(severity::fine, check, fmt::format("{} alive, {} executions wait", alive, waiting));
}

void check_clock(examination& e)
{
    using std::chrono::milliseconds;
    const auto before = std::chrono::floor<milliseconds>(wall_clock());
    const milliseconds database{e.s.exec(read_clock)[0][0].as<std::int64_t>()};
    const auto after = std::chrono::floor<milliseconds>(wall_clock());
    // Half of the round trip is the most that the way there can have taken.
    const milliseconds skew = database - (before + (after - before) / 2).time_since_epoch();
    const std::string detail = fmt::format("{} ms apart from this machine's", std::abs(skew.count()));
    if (std::abs(skew.count()) <= milliseconds{tolerable_skew}.count() + (after - before).count()) return e.add(severity::fine, "database.clock", detail);
    e.add(severity::warning, "database.clock", detail + "; leases and schedules go by the database's clock, logs by this machine's", "Synchronise both with NTP");
}

finding check_pooling(storage::session& one, storage::session& other)
{
    constexpr const char* check = "database.pooling";
    // As plain text: prepared statements are what such a pooler loses.
    const auto process_of = [](storage::session& s) { return s.run("SELECT pg_backend_pid()")[0][0].as<int>(); };
    const int first = process_of(one);
    for (int i = 0; i < looks; ++i) {
        if (process_of(other) == first || process_of(one) != first) {
            return {severity::problem, check, "two sessions share a server process: a pooler in transaction mode stands between, and loses prepared statements, settings and LISTEN",
                    "Connect to PostgreSQL directly, or set pool_mode = session"};
        }
    }
    return {severity::fine, check, "each session keeps its server process"};
}

}
