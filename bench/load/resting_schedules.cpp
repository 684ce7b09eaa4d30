#include "bench/load/resting_schedules.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <pqxx/pqxx>
#include <stdexcept>
#include <string>

namespace rowlock::bench {

namespace {

constexpr std::size_t copied_at_once = 20'000;
constexpr std::string_view rarely = R"(, "schedule": {"cron_expression": "0 0 1 1 *", "start_date": "2100-01-01"})";

// The rows that defining one leaves, of others that are there already none.
constexpr const char* copy_first = R"sql(
    with first as (
        select j.tenant_key, v.definition::text as definition, v.max_attempts, v.author, l.handler, s.spec, s.registered_at, s.decided_to, s.next_fire_at, s.look_at
        from rowlock.jobs j join rowlock.tenants t on t.tenant_key = j.tenant_key join rowlock.job_versions v on v.job_key = j.job_key and v.version = j.current_version
        join rowlock.lanes l on l.tenant_key = j.tenant_key and l.job_key = j.job_key join rowlock.schedules s on s.job_key = j.job_key
        where t.tenant_id = $1 and j.job_id = 'load-rests-0'),
    made as (
        insert into rowlock.jobs (tenant_key, job_id, current_version)
        select f.tenant_key, 'load-rests-' || n, 1 from first f, generate_series($2::int, $3::int) n on conflict do nothing returning job_key, job_id),
    versions as (
        insert into rowlock.job_versions (job_key, version, definition, max_attempts, author)
        select m.job_key, 1, replace(f.definition, 'load-rests-0', m.job_id)::json, f.max_attempts, f.author from made m, first f),
    queues as (
        insert into rowlock.lanes (tenant_key, job_key, handler) select f.tenant_key, m.job_key, f.handler from made m, first f)
    insert into rowlock.schedules (job_key, tenant_key, schedule_id, spec, is_on, registered_at, decided_to, next_fire_at, look_at)
    select m.job_key, f.tenant_key, m.job_id, replace(f.spec::text, 'load-rests-0', m.job_id)::jsonb, true, f.registered_at, f.decided_to, f.next_fire_at, f.look_at from made m, first f)sql";

}

void add_resting_schedules(server& at, const load_options& options)
{
    if (options.resting == 0) return;
    if (at.database_url().empty()) throw std::runtime_error("--resting copies schedules in the database: it needs --database URL, or --data DIR");
    at.define("load-rests-0", R"({"type": "noop"})", rarely);
    pqxx::connection session(at.database_url());
    const std::string tenant = at.tenant().empty() ? "default" : at.tenant();
    session.prepare("copy", copy_first);
    for (std::size_t next = 1; next < options.resting; next += copied_at_once) {
        pqxx::work work(session);
        work.exec_prepared("copy", tenant, next, std::min(next + copied_at_once, options.resting) - 1);
        work.commit();
    }
    // What the database does by itself after so much has changed is not to be measured.
    pqxx::nontransaction(session).exec("vacuum (analyze) rowlock.jobs, rowlock.job_versions, rowlock.lanes, rowlock.schedules");
    pqxx::nontransaction(session).exec("checkpoint");
}

std::string resting_note(const load_options& options)
{
    return options.resting > 0 ? fmt::format(", beside {} schedules that rest", options.resting) : std::string();
}

}
