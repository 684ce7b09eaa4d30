#include "storage/breaker_store.hpp"

namespace rowlock::storage {

#define ROWLOCK_BREAKER_JSON \
    "select json_build_object('key', v.key, 'tenant_id', v.tenant_id, 'state', v.state, 'failures', v.failures, 'opened_at', rfc3339(v.opened_at)," \
    " 'next_probe_at', rfc3339(v.next_probe_at), 'failure_threshold', v.failure_threshold, 'failure_rate', v.failure_rate, 'window_seconds', v.window_seconds," \
    " 'open_seconds', v.open_seconds, 'half_open_max', v.half_open_max, 'probes', v.probes," \
    " 'jobs', (select coalesce(json_agg(j.job_id order by j.job_id), '[]') from breakers b join lanes l using (breaker_id) join jobs j on j.job_key = l.job_key" \
    "          where b.tenant_key = t.tenant_key and b.key = v.key)), v.key" \
    " from v_breakers v join tenants t using (tenant_id) where t.tenant_key = $1"

constexpr statement list_breakers_statement{"list_breakers", ROWLOCK_BREAKER_JSON " and v.key > $2 order by v.key limit $3"};

page list_breakers_json(session& s, tenant_key tenant, int limit, const std::string& cursor)
{
    return page_of(s.exec(list_breakers_statement, tenant.value, cursor, limit + 1), limit);
}

constexpr statement find_breaker_statement{"find_breaker", ROWLOCK_BREAKER_JSON " and v.key = $2"};

std::optional<std::string> find_breaker_json(session& s, tenant_key tenant, const std::string& key)
{
    const auto rows = s.exec(find_breaker_statement, tenant.value, key);
    if (rows.empty()) return std::nullopt;
    return rows[0][0].c_str();
}

constexpr statement reset_breaker_statement{"reset_breaker", "select reset_breaker_1($1, $2, $3)"};

bool reset_breaker(session& s, tenant_key tenant, const std::string& key, const std::string& actor)
{
    return s.exec(reset_breaker_statement, tenant.value, key, actor)[0][0].as<bool>();
}

}
