#include "storage/failure_store.hpp"

#include "storage/rows.hpp"

namespace rowlock::storage {

namespace {

retry_refusal refusal_of(std::string_view name)
{
    if (name == "NOT_FOUND") return retry_refusal::not_found;
    if (name == "LIVE") return retry_refusal::live;
    if (name == "ENDED") return retry_refusal::ended;
    if (name == "DUPLICATE") return retry_refusal::duplicate;
    return retry_refusal::none;
}

}

constexpr statement record_error_statement{"record_error", "select record_error_1($1::int2, $2::uuid, $3::int2, $4, $5, $6::jsonb)"};

void record_error(session& s, const error_record& what)
{
    s.exec(record_error_statement, static_cast<int>(what.queue), what.id.str(), static_cast<int>(what.category), what.code, what.message, what.details_json);
}

retry_answer retry_answer_of(const pqxx::field& next, const pqxx::field& refusal)
{
    if (next.is_null()) return {refusal_of(refusal.c_str()), {}};
    return {retry_refusal::none, id_of(next)};
}

constexpr statement retry_statement{"retry", "select next, refusal from retry_1($1, array[$2::uuid], $3, $4)"};

retry_answer retry(session& s, tenant_key tenant, execution_id id, const std::string& actor, std::chrono::milliseconds priority_age)
{
    const auto row = s.exec(retry_statement, tenant.value, id.str(), actor, as_age(priority_age))[0];
    return retry_answer_of(row[0], row[1]);
}

constexpr statement find_last_attempt_statement{"find_last_attempt", R"sql(
    select v.execution_id, v.status
    from (select a.execution_id from executions e, attempts_of(e.run_id) a
          where e.execution_id = $2 and e.tenant_key = $1 order by a.attempt_number desc limit 1) last
    cross join lateral (select * from v_executions v where v.execution_id = last.execution_id limit 1) v)sql"};

std::optional<last_attempt> find_last_attempt(session& s, tenant_key tenant, execution_id any_of_the_run)
{
    const auto rows = s.exec(find_last_attempt_statement, tenant.value, any_of_the_run.str());
    if (rows.empty()) return std::nullopt;
    return last_attempt{id_of(rows[0][0]), parse_execution_status(rows[0][1].c_str()).value()};
}

constexpr statement find_job_of_statement{"find_job_of", "select job_key, job_version from executions where execution_id = $2 and tenant_key = $1"};

std::optional<job_of_execution> find_job_of(session& s, tenant_key tenant, execution_id id)
{
    const auto rows = s.exec(find_job_of_statement, tenant.value, id.str());
    if (rows.empty()) return std::nullopt;
    return job_of_execution{{rows[0][0].as<int>()}, rows[0][1].as<int>()};
}

constexpr statement find_original_statement{"find_original", R"sql(
    select j.job_id, e.job_version, e.parameters, e.priority, e.correlation_id, e.tags
    from executions e join jobs j using (job_key) where e.execution_id = $2 and e.tenant_key = $1)sql"};

std::optional<original_execution> find_original(session& s, tenant_key tenant, execution_id id)
{
    const auto rows = s.exec(find_original_statement, tenant.value, id.str());
    if (rows.empty()) return std::nullopt;
    const auto& row = rows[0];
    const auto text = [](const pqxx::field& f) { return f.is_null() ? std::string() : std::string(f.c_str()); };
    return original_execution{text(row[0]), row[1].as<int>(), row[2].is_null() ? "{}" : text(row[2]), row[3].as<int>(), text(row[4]), text(row[5])};
}

}
