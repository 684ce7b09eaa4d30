#include "storage/tenant_store.hpp"

namespace rowlock::storage {

constexpr statement list_tenants_statement{"list_tenants", R"sql(
    select json_build_object('tenant_id', tenant_id, 'weight', weight, 'created_time', rfc3339(created_at)), tenant_id
    from tenants where tenant_id > $2 and ($1 = '' or tenant_id = $1) order by tenant_id limit $3)sql"};

page list_tenants_json(session& s, const std::string& only, int limit, const std::string& cursor)
{
    page found;
    const auto rows = s.exec(list_tenants_statement, only, cursor, limit + 1);
    for (const auto& row : rows) {
        if (static_cast<int>(found.items.size()) == limit) {
            found.next = rows[static_cast<pqxx::result::size_type>(limit - 1)][1].c_str();
            break;
        }
        found.items.emplace_back(row[0].c_str());
    }
    return found;
}

std::optional<std::string> find_tenant_json(session& s, const std::string& tenant_id)
{
    const auto rows = s.exec(list_tenants_statement, tenant_id, std::string{}, 1);
    if (rows.empty()) return std::nullopt;
    return rows[0][0].c_str();
}

constexpr statement put_tenant_statement{"put_tenant", R"sql(
    insert into tenants as t (tenant_id, weight) values ($1, coalesce($2, 1)) on conflict (tenant_id) do update set weight = coalesce($2, t.weight))sql"};

void put_tenant(session& s, const std::string& tenant_id, std::optional<int> weight)
{
    s.exec(put_tenant_statement, tenant_id, weight);
}

}
