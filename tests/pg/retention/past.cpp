#include "tests/pg/retention/past.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fmt/format.h>

namespace rowlock::test {

namespace {

constexpr int first_day = 10;
constexpr int most_steps = 500;

// Tables that hang on executions, with the column that names one.
constexpr std::pair<const char*, const char*> records[] = {{"logs", "execution_id"},         {"checkpoints", "execution_id"}, {"artifacts", "execution_id"}, {"extra_transitions", "execution_id"},
                                                           {"errors", "execution_id"},       {"dead_letters", "dead_letter_id"}, {"manual_retries", "execution_id"}, {"live_notes", "execution_id"},
                                                           {"cancel_requests", "execution_id"}, {"results", "execution_id"}};

}

past::past()
{
    const auto seconds = std::stoll(db_.value("select extract(epoch from now())::bigint % 86400"));
    to_noon_ = std::chrono::seconds{12 * 3600 - seconds};
    db_.move_clock(to_noon_ - first_day * one_day);
    storage::make_partitions(db_.service(), first_day + 2);
    days_later(0);
}

void past::days_later(int days)
{
    db_.move_clock(to_noon_ + days * one_day);
}

queue_job past::job(std::string_view job_id, std::optional<int> days)
{
    const auto made = db_.job(job_id);
    if (days) db_.rows(fmt::format("update jobs set history_retention = interval '1 day' * {} where job_key = {}", *days, made.key.value));
    return made;
}

execution_id past::ended(const queue_job& job, int days_ago, like as)
{
    // Noon is what clock() says at the beginning, whatever has become of it since.
    const auto at = fmt::format("(date_trunc('day', now() at time zone 'UTC') + interval '11 hours' - interval '1 day' * {}) at time zone 'UTC'", days_ago);
    const auto id = *execution_id::parse(db_.value(fmt::format("select execution_id_of((extract(epoch from {}) * 1000)::bigint, nextval('blocks'), 0)", at)));
    const auto run = as.run.value_or(id).str();
    db_.rows(fmt::format("insert into executions (execution_id, run_id, parent_execution_id, lane_id, tenant_key, job_key, job_version, attempt_number, priority, trigger_type, submitted_at)"
                         " values ('{}', '{}', {}, {}, {}, {}, 1, {}, 0, 2, {})",
                         id.str(), run, as.run ? "'" + run + "'" : "null", job.lane.value, job.tenant.value, job.key.value, as.attempt, at));
    db_.rows(fmt::format("insert into results (execution_id, status, fence, started_at, completed_at) values ('{}', {}, 1, {}, {} + interval '1 minute' + interval '1 day' * {})", id.str(),
                         static_cast<int>(as.status), at, at, as.ended_days_later));
    return id;
}

std::vector<execution_id> past::run(const queue_job& job, const std::vector<int>& days_ago)
{
    std::vector<execution_id> ids;
    for (const int day : days_ago) {
        const bool last = ids.size() + 1 == days_ago.size();
        ids.push_back(ended(job, day, {.attempt = static_cast<int>(ids.size()) + 1, .run = ids.empty() ? std::nullopt : std::optional(ids.front()),
                                       .status = last ? execution_status::completed : execution_status::failed}));
    }
    // As settle would have written them: nothing may change a result, so the trigger looks away.
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
        db_.rows(fmt::format("set session_replication_role = replica; update results set next_execution_id = '{}' where execution_id = '{}'; reset session_replication_role",
                             ids[i + 1].str(), ids[i].str()));
    }
    return ids;
}

void past::plan_run(const std::string& id, const std::string& rerun_of)
{
    db_.rows(fmt::format("insert into plan_runs select (jsonb_populate_record(null::plan_runs, jsonb_object_agg(c.column_name, false) || jsonb_build_object('plan_run_id', '{}', 'tenant_key', 1,"
                         " 'rerun_of', nullif('{}', ''), 'definition', '{{}}'::json, 'parameters', '{{}}'::json, 'age', 1, 'created_at', clock()))).*"
                         " from information_schema.columns c where c.table_schema = 'rowlock' and c.table_name = 'plan_runs' and c.data_type = 'boolean'", id, rerun_of));
}

void past::leave_records(const execution_id& id)
{
    const auto x = id.str();
    db_.rows(fmt::format("insert into logs (execution_id, part, stream, body) values ('{0}', 1, 1, 'a'), ('{0}', 2, 2, 'b');"
                         "insert into checkpoints (execution_id, run_id, checkpoint_number, sha256, body) select '{0}', run_id, 100 + attempt_number, '', '' from executions where execution_id = '{0}';"
                         "insert into artifacts (run_id, name, execution_id, sha256, size_bytes) select run_id, 'a' || attempt_number, '{0}', '', 0 from executions where execution_id = '{0}';"
                         "insert into extra_transitions (execution_id, from_status, to_status, actor, reason) values ('{0}', 3, 3, 'test', 'test');"
                         "insert into errors (error_id, queue, tenant_key, job_key, execution_id, category) select '{0}', 3, tenant_key, job_key, '{0}', 1 from executions where execution_id = '{0}';"
                         "select record_error_1(2::smallint, '{0}', 1::smallint, 'STATE_CORRUPTION', 'x', null);"
                         "insert into live_notes (execution_id) values ('{0}')", x));
}

std::string past::day(int days_ago)
{
    return db_.value(fmt::format("select to_char((now() at time zone 'UTC')::date - {}, 'YYYYMMDD')", days_ago));
}

bool past::has_day(int days_ago)
{
    const auto there = db_.rows(fmt::format("select to_regclass('executions_{0}') is not null, to_regclass('results_{0}') is not null", day(days_ago)));
    REQUIRE(there[0][0].as<bool>() == there[0][1].as<bool>());
    return there[0][0].as<bool>();
}

bool past::has(const execution_id& id)
{
    return db_.value(fmt::format("select count(*) from executions where execution_id = '{}'", id.str())) == "1";
}

int past::records_of(const execution_id& id)
{
    int n = 0;
    for (const auto& [table, column] : records) n += std::stoi(db_.value(fmt::format("select count(*) from {} where {} = '{}'", table, column, id.str())));
    return n;
}

std::string past::pinned_by(int days_ago)
{
    return db_.value(fmt::format("select max(pinned_by) from v_history_days where to_char(day, 'YYYYMMDD') = '{}'", day(days_ago)));
}

std::vector<storage::history_step> past::drop(int default_days, int rows)
{
    std::vector<storage::history_step> steps;
    do {
        REQUIRE(steps.size() < most_steps);
        steps.push_back(storage::drop_history(db_.service(), default_days * one_day, rows));
        REQUIRE(db_.violations() == "");
    } while (steps.back().did != storage::history_step::deed::nothing && steps.back().did != storage::history_step::deed::busy);
    return steps;
}

int count(const std::vector<storage::history_step>& steps, storage::history_step::deed did)
{
    return static_cast<int>(std::count_if(steps.begin(), steps.end(), [did](const storage::history_step& s) { return s.did == did; }));
}

}
