#include "ops/doctor/checks.hpp"

#include <fmt/format.h>

namespace rowlock::ops {

namespace {

using storage::statement;

// What the instances enforce stands in retention_state, noted by the one that sweeps.
constexpr statement read_sweeper{"doctor_sweeper", R"sql(
    SELECT coalesce(error_capacity, -1), coalesce(floor(extract(epoch FROM rowlock.clock() - swept_at))::bigint, -1), coalesce(history_kept > interval '0', false),
           (SELECT count(*) FROM rowlock.instances WHERE state = 'ALIVE' AND lease_until > rowlock.clock() AND started_at < rowlock.clock() - interval '1 hour'),
           (SELECT count(*) FROM rowlock.jobs WHERE history_retention > interval '0')
      FROM rowlock.retention_state)sql"};

// No more is counted of each queue than says that it is too much.
constexpr statement read_full_queues{"doctor_full_queues", R"sql(
    SELECT coalesce(string_agg(name, ', ' ORDER BY queue), '')
      FROM unnest(array['scheduling_errors', 'dependency_errors', 'execution_errors']) WITH ORDINALITY q (name, queue)
     WHERE (SELECT count(*) FROM (SELECT FROM rowlock.errors e WHERE e.queue = q.queue LIMIT 2 * $1::bigint + 1) x) > 2 * $1::bigint)sql"};

// Days that the sweeper should have looked at again long ago, or could have dropped but for readers.
constexpr statement read_late_days{"doctor_late_days", R"sql(
    SELECT count(*) FILTER (WHERE h.pinned_by IS DISTINCT FROM 'a reader'), count(*) FILTER (WHERE h.pinned_by = 'a reader'), coalesce(min(h.day)::text, '')
      FROM rowlock.history_days h, (SELECT min(kept) AS shortest FROM (SELECT nullif(history_kept, interval '0') AS kept FROM rowlock.retention_state
             UNION ALL SELECT min(history_retention) FROM rowlock.jobs WHERE history_retention > interval '0') k) s
     WHERE h.dropped_at IS NULL AND h.ends_at + s.shortest < rowlock.clock() - interval '2 days'
           AND (h.look_at < rowlock.clock() - interval '2 days' OR h.pinned_by = 'a reader'))sql"};

constexpr std::int64_t late_round = 3600;

}

void check_retention(examination& e)
{
    constexpr const char* check = "database.retention";
    const auto sweeper = e.s.exec(read_sweeper);
    const auto capacity = sweeper[0][0].as<std::int64_t>();
    const auto ago = sweeper[0][1].as<std::int64_t>();
    bool late = false;
    if (sweeper[0][3].as<int>() > 0 && (ago < 0 || ago > late_round)) {
        late = true;
        e.add(severity::warning, check, ago < 0 ? std::string("nothing has been swept yet, although an instance runs") : fmt::format("nothing has been swept for {} s, although an instance runs", ago),
              "Look into the logs of the instances why retention does not get through");
    }
    if (capacity >= 0) {
        const auto full = e.s.exec(read_full_queues, capacity)[0][0].as<std::string>();
        if (!full.empty()) {
            late = true;
            e.add(severity::warning, check, fmt::format("more than twice ERROR_QUEUE_CAPACITY ({}) is in {}: errors come faster than they are swept", capacity, full),
                  "Find out what fails so often: rowlock errors list. See the runbook retention");
        }
    }
    const auto days = e.s.exec(read_late_days);
    if (days[0][0].as<int>() > 0) {
        late = true;
        e.add(severity::warning, check, fmt::format("{} days of history, from {} on, should have been looked at more than two days ago: dropping does not keep up", days[0][0].as<int>(), days[0][2].as<std::string>()),
              "Keep jobs of one day for the same time, so that whole days can go. See the runbook retention");
    }
    if (days[0][1].as<int>() > 0) {
        late = true;
        e.add(severity::warning, check, fmt::format("{} days of history, from {} on, could be dropped, but for readers that are always there", days[0][1].as<int>(), days[0][2].as<std::string>()),
              "Let long reports read a standby, or end them for a moment. See the runbook retention");
    }
    if (late) return;
    const bool ends = sweeper[0][2].as<bool>() || sweeper[0][4].as<int>() > 0;
    e.add(severity::fine, check, ends ? "what has outlived its time goes" : "history is kept for ever");
}

}
