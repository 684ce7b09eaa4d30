#include "storage/instance_store.hpp"

namespace rowlock::storage {

constexpr statement list_instances_statement{"list_instances", R"sql(
    select instance_json_1(i) from instances i where i.state <> 'GONE' or i.ended_at > clock() - interval '1 day' order by i.instance_id desc limit 1000)sql"};

std::vector<std::string> list_instances_json(session& s)
{
    std::vector<std::string> items;
    for (const auto& row : s.exec(list_instances_statement)) items.emplace_back(row[0].c_str());
    return items;
}

constexpr statement find_instance_statement{"find_instance", "select instance_json_1(i) from instances i where i.instance_id = $1"};

std::optional<std::string> find_instance_json(session& s, instance_id id)
{
    const auto rows = s.exec(find_instance_statement, id.value);
    if (rows.empty()) return std::nullopt;
    return rows[0][0].c_str();
}

constexpr statement drain_statement{"drain", "select drain_1($1, $2, $3, $4)"};

drain_answer drain(session& s, instance_id id, bool drains, const std::string& author, const std::string& reason)
{
    const auto rows = s.exec(drain_statement, id.value, drains, author, reason);
    if (rows[0][0].is_null()) return drain_answer::no_such_instance;
    return rows[0][0].as<bool>() ? drain_answer::done : drain_answer::not_alive;
}

// The rates are those of the latest 100,000 ends, so that asking costs the same however much history there is.
constexpr statement health_statement{"health", R"sql(
    select coalesce(sum(remaining) filter (where owner is not null), 0), coalesce(sum(remaining) filter (where owner is null and ready), 0),
           coalesce(sum(remaining) filter (where not ready), 0) from extents)sql"};
constexpr statement rates_statement{"health_rates", R"sql(
    select count(*) filter (where status in (6, 7) and completed_at > clock() - interval '1 hour'),
           count(*) filter (where completed_at > clock() - interval '1 hour'),
           count(*) filter (where status = 5 and completed_at > clock() - interval '1 day'),
           count(*) filter (where status in (5, 6, 7) and completed_at > clock() - interval '1 day')
    from (select status, completed_at from results where execution_id >= first_id_at(clock() - interval '1 day') order by execution_id desc limit 100000) recent)sql"};

health_figures read_health(session& s)
{
    health_figures figures;
    const auto now = s.exec(health_statement)[0];
    figures.active_executions = now[0].as<std::int64_t>();
    figures.queued_jobs = now[1].as<std::int64_t>();
    figures.pending_jobs = now[2].as<std::int64_t>();
    const auto ended = s.exec(rates_statement)[0];
    const auto failed_1h = ended[0].as<double>();
    const auto ended_1h = ended[1].as<double>();
    const auto completed_24h = ended[2].as<double>();
    const auto ended_24h = ended[3].as<double>();
    figures.error_rate_1h = ended_1h > 0 ? failed_1h / ended_1h : 0;
    figures.success_rate_24h = ended_24h > 0 ? completed_24h / ended_24h : 1;
    return figures;
}

}
