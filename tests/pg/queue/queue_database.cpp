#include "tests/pg/queue/queue_database.hpp"

#include <fmt/format.h>

namespace rowlock::test {

queue_database::queue_database() : service_(service_options()), superuser_(std::make_unique<pqxx::connection>(url()))
{
    rows("set search_path = rowlock, pg_temp; set client_min_messages = warning");
    storage::make_partitions(service_, 1);
}

queue_job queue_database::job(std::string_view job_id, queue_job_options o)
{
    const auto made = rows(fmt::format("select job_key, version, lane_of({0}, job_key) from put_job_1({0}, '{1}', '{{}}', "
                                       "jsonb_build_object('max_attempts', {2}, 'idempotent', {3}) || '{4}', true, 'test', '', null)",
                                       o.tenant.value, job_id, o.max_attempts, o.idempotent, o.rules));
    return {o.tenant, {made[0][0].as<int>()}, {made[0][2].as<int>()}, made[0][1].as<int>()};
}

tenant_key queue_database::tenant(std::string_view tenant_id)
{
    return {std::stoi(value(fmt::format("select tenant_of('{}')", tenant_id)))};
}

instance_id queue_database::instance(std::chrono::seconds lease)
{
    return storage::join_cluster(service_, {.lease = lease});
}

int queue_database::limit(int max_running, const std::vector<queue_job>& on)
{
    const int id = std::stoi(value(fmt::format("insert into limits (scope, key, max_running) select 'lane', count(*), {} from limits returning limit_id", max_running)));
    for (const auto& job : on) {
        rows(fmt::format("update lanes set limit_ids = array(select unnest(limit_ids) union select {} order by 1) where lane_id = {}", id, job.lane.value));
    }
    return id;
}

pqxx::result queue_database::rows(const std::string& sql)
{
    return pqxx::nontransaction(*superuser_).exec(sql);
}

std::string queue_database::value(const std::string& sql)
{
    return rows(sql).at(0)[0].c_str();
}

std::string queue_database::sqlstate(const std::string& sql)
{
    try {
        rows(sql);
        return {};
    } catch (const pqxx::insufficient_privilege&) {
        return "42501";                                // libpqxx 6 does not pass this one on
    } catch (const pqxx::sql_error& e) {
        return storage::sqlstate_of(e);
    }
}

std::string queue_database::status(const execution_id& id)
{
    return value(fmt::format("select status from v_executions where execution_id = '{}'", id.str()));
}

std::string queue_database::violations()
{
    return value("select string_agg(rule || ': ' || detail, E'\\n') from violations()");
}

void queue_database::move_clock(std::chrono::milliseconds ahead)
{
    if (!clock_moves_) {
        rows("create table test_clock as select interval '0' as ahead; grant select on test_clock to rowlock_app;"
             "create or replace function clock() returns timestamptz language sql stable as $$ select now() + ahead from rowlock.test_clock $$");
        clock_moves_ = true;
    }
    rows(fmt::format("update test_clock set ahead = {} * interval '1 millisecond'", ahead.count()));
}

}
