#include "storage/explain_store.hpp"

#include "storage/optional_text.hpp"

namespace rowlock::storage {

constexpr statement explain_statement{"explain_execution", "select x from explain_execution_1($1, $2) x where x is not null"};

std::optional<std::string> explain_json(session& s, tenant_key tenant, execution_id id)
{
    const auto rows = s.exec(explain_statement, tenant.value, id.str());
    if (rows.empty()) return std::nullopt;
    return rows[0][0].c_str();
}

constexpr statement explain_scope_statement{"explain_scope", "select x from explain_scope_1($1, $2) x where x is not null"};

std::optional<std::string> explain_scope_json(session& s, std::optional<tenant_key> tenant, const std::string& job_id)
{
    const std::string key = tenant ? std::to_string(tenant->value) : "";
    const auto rows = s.exec(explain_scope_statement, or_null(key), or_null(job_id));
    if (rows.empty()) return std::nullopt;
    return rows[0][0].c_str();
}

}
