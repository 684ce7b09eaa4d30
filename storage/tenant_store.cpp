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

constexpr statement put_tenant_statement{"put_tenant", "select put_tenant_1($1, $2, $3, nullif($4, ''))"};

void put_tenant(session& s, const std::string& tenant_id, std::optional<int> weight, const std::string& actor, const std::string& reason)
{
    s.exec(put_tenant_statement, tenant_id, weight, actor, reason);
}

constexpr statement set_default_statement{"set_tenant_default", "select was, was_by from set_tenant_default_1($1, $2)"};

std::optional<tenant_default> set_concurrency_per_tenant(session& s, int most, const std::string& actor)
{
    const auto row = s.exec(set_default_statement, most, actor)[0];
    if (row[0].is_null()) return std::nullopt;
    return tenant_default{row[0].as<int>(), row[1].c_str()};
}

}
