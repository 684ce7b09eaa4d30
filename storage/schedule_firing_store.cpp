#include "storage/schedule_firing_store.hpp"

#include "storage/rows.hpp"

namespace rowlock::storage {

namespace {

std::optional<timestamp> time_or_none(const pqxx::field& f)
{
    if (f.is_null()) return std::nullopt;
    return time_of(f);
}

}

constexpr statement look_statement{"look_at_schedules", R"sql(
    select clock(), (select s.look_at from schedules s where s.look_at is not null order by s.look_at limit 1),
           (select w.look_at from lane_windows w order by w.look_at limit 1), exists (select from waits w where w.on_running),
           exists (select from lanes l where l.skips_outside and clock() < l.window_from),
           (select count(*) from schedules s where s.error_code is not null))sql"};

schedule_outlook look_at_schedules(session& s)
{
    const auto row = s.exec(look_statement)[0];
    return {time_of(row[0]), time_or_none(row[1]), time_or_none(row[2]), row[3].as<bool>(), row[4].as<bool>(), row[5].as<std::int64_t>()};
}

#define ROWLOCK_DUE_SCHEDULE \
    "select clock(), s.job_key, s.revision, s.schedule_id, j.job_id, s.spec::text, s.registered_at, s.decided_to, s.passed_to, s.passed_why"

// Each job by its key (limit 1): joined, all jobs that there are would be read for a few schedules.
constexpr statement due_schedules_statement{"due_schedules", ROWLOCK_DUE_SCHEDULE
    " from (select * from schedules s where s.look_at <= clock() order by s.look_at limit $1 offset $2) s"
    " cross join lateral (select j.job_id from jobs j where j.job_key = s.job_key limit 1) j"};
constexpr statement due_schedule_statement{"due_schedule", ROWLOCK_DUE_SCHEDULE
    " from jobs j join schedules s on s.job_key = j.job_key where j.tenant_key = $1 and j.job_id = $2 and s.look_at <= clock()"};

namespace {

due_schedules due_of(const pqxx::result& rows)
{
    due_schedules due;
    for (const auto& row : rows) {
        due.now = time_of(row[0]);
        due.all.push_back({{row[1].as<int>()}, row[2].as<std::int64_t>(), row[3].c_str(), row[4].c_str(), row[5].c_str(), time_of(row[6]), time_of(row[7]), time_or_none(row[8]),
                           row[9].c_str()});
    }
    return due;
}

}

due_schedules read_due_schedules(session& s, int most, int leave_out)
{
    return due_of(s.exec(due_schedules_statement, most, leave_out));
}

due_schedules read_due_schedule(session& s, tenant_key tenant, const std::string& job_id)
{
    return due_of(s.exec(due_schedule_statement, tenant.value, job_id));
}

constexpr statement fire_statement{"fire", R"sql(
    select of_, tick_at, outcome, reason, execution_id
    from fire_1($1::int[], $2::int8[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::int[], $7::timestamptz[], $8::int2[], $9::text[], $10::timestamptz[], $11::int8[]))sql"};

decided fire(session& s, fire_batch& b)
{
    const auto rows = s.exec(fire_statement, b.job.parameter(), b.revision.parameter(), b.decided.parameter(), b.next.parameter(), b.look.parameter(), b.of.parameter(),
                             b.tick.parameter(), b.outcome.parameter(), b.reason.column(), b.last.column(), b.ticks.column());
    decided all;
    all.ticks.reserve(static_cast<std::size_t>(rows.size()));
    for (const auto& row : rows) {
        if (row[1].is_null()) {
            all.schedules = row[0].as<int>();
            continue;
        }
        all.ticks.push_back({row[0].as<int>(), time_of(row[1]), static_cast<tick_outcome>(row[2].as<int>()), row[3].c_str(), std::nullopt});
        if (!row[4].is_null()) all.ticks.back().execution = id_of(row[4]);
    }
    return all;
}

constexpr statement schedule_failed_statement{"schedule_failed", "select schedule_failed_1($1, $2, $3, $4, $5, $6::timestamptz)"};

bool schedule_failed(session& s, job_key job, std::int64_t revision, std::string_view code, std::string_view type, std::string_view message, timestamp look)
{
    return s.exec(schedule_failed_statement, job.value, revision, std::string(code), std::string(type), std::string(message), to_rfc3339(look))[0][0].as<bool>();
}

constexpr statement due_windows_statement{"due_windows", R"sql(
    select clock(), w.lane_id, w.revision, w.windows::text from lane_windows w where w.look_at <= clock() order by w.look_at limit $1)sql"};
constexpr statement due_windows_of_job_statement{"due_windows_of_job", R"sql(
    select clock(), w.lane_id, w.revision, w.windows::text
    from jobs j join lanes l on l.tenant_key = j.tenant_key and l.job_key = j.job_key join lane_windows w on w.lane_id = l.lane_id
    where j.tenant_key = $1 and j.job_id = $2 and w.look_at <= clock())sql"};

namespace {

due_lanes lanes_of(const pqxx::result& rows)
{
    due_lanes due;
    for (const auto& row : rows) {
        due.now = time_of(row[0]);
        due.all.push_back({{row[1].as<int>()}, row[2].as<std::int64_t>(), row[3].c_str()});
    }
    return due;
}

}

due_lanes read_due_windows(session& s, int most)
{
    return lanes_of(s.exec(due_windows_statement, most));
}

due_lanes read_due_windows(session& s, tenant_key tenant, const std::string& job_id)
{
    return lanes_of(s.exec(due_windows_of_job_statement, tenant.value, job_id));
}

constexpr statement refresh_windows_statement{"refresh_windows", "select refresh_windows_1($1::int[], $2::int8[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[])"};

int refresh_windows(session& s, window_batch& b)
{
    return s.exec(refresh_windows_statement, b.lane.parameter(), b.revision.parameter(), b.from.parameter(), b.until.parameter(), b.look.parameter())[0][0].as<int>();
}

constexpr statement windows_failed_statement{"windows_failed", "select windows_failed_1($1, $2, $3, $4::timestamptz)"};

bool windows_failed(session& s, lane_id lane, std::int64_t revision, std::string_view message, timestamp look)
{
    return s.exec(windows_failed_statement, lane.value, revision, std::string(message), to_rfc3339(look))[0][0].as<bool>();
}

constexpr statement sweep_windows_statement{"sweep_windows", "select skipped::text, last_lane from sweep_windows_1($1, $2)"};

skipped_outside skip_outside_windows(session& s, lane_id after, int most)
{
    const auto row = s.exec(sweep_windows_statement, after.value, most)[0];
    skipped_outside skipped{ids_of(row[0])};
    if (!row[1].is_null()) skipped.go_on_after = lane_id{row[1].as<int>()};
    return skipped;
}

constexpr statement release_statement{"release_queued_ticks", "select released, last_job from release_running_1($1, $2)"};

released_ticks release_queued_ticks(session& s, job_key after, int most)
{
    const auto row = s.exec(release_statement, after.value, most)[0];
    released_ticks released{row[0].as<int>()};
    if (!row[1].is_null()) released.go_on_after = job_key{row[1].as<int>()};
    return released;
}

constexpr statement sweep_ticks_statement{"sweep_schedule_ticks", "select sweep_schedule_ticks_1($1::int8 * interval '1 millisecond', $2)"};

std::int64_t sweep_schedule_ticks(session& s, std::chrono::milliseconds kept_for, int rows)
{
    return s.exec(sweep_ticks_statement, kept_for.count(), rows)[0][0].as<std::int64_t>();
}

}
