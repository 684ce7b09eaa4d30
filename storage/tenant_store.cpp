#include "storage/tenant_store.hpp"

namespace rowlock::storage {

constexpr statement list_tenants_statement{"list_tenants", R"sql(
    select json_build_object('tenant_id', tenant_id, 'created_time', rfc3339(created_at)), tenant_id
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

}
