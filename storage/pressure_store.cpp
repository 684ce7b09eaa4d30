#include "storage/pressure_store.hpp"

#include "storage/array.hpp"

namespace rowlock::storage {

// Of the sessions of other users everybody sees that they are there, and no more.
constexpr statement pressure_figures_statement{"pressure_figures", R"sql(
    select (select count(*) from pg_stat_activity a where a.datid is not null and coalesce(a.backend_type, 'client backend') = 'client backend'),
           current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
           case when $1::int8 > 0 then (select coalesce(sum(q.remaining), 0) from (select s.remaining from extents s where s.owner is null and s.ready limit $1) q) end)sql"};

pressure_figures read_pressure_figures(session& s, std::int64_t queued_in)
{
    const auto row = s.exec(pressure_figures_statement, queued_in)[0];
    pressure_figures figures{row[0].as<std::int64_t>(), row[1].as<std::int64_t>(), std::nullopt};
    if (!row[2].is_null()) figures.queued = row[2].as<std::int64_t>();
    return figures;
}

constexpr statement tell_pressure_statement{"tell_pressure", "select tell_pressure_1($1, nullif($2, '')::jsonb, $3::text[], $4::text[])"};

bool tell_pressure(session& s, instance_id self, const std::string& pressure_json, const std::vector<pressure_error>& errors)
{
    array messages(array::element::text);
    array details(array::element::text);
    for (const auto& each : errors) {
        messages.add(std::string_view(each.message));
        details.add(std::string_view(each.details_json));
    }
    return s.exec(tell_pressure_statement, self.value, pressure_json, messages.parameter(), details.parameter())[0][0].as<bool>();
}

}
