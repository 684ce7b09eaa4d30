#include "storage/plan_store.hpp"

#include "storage/rows.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>

namespace rowlock::storage {

namespace {

std::string etag_of(int version)
{
    return fmt::format("\"{}\"", version);
}

// Thrown through a transaction to undo a dry run.
struct rehearsal {
    std::vector<put_plan_answer> would;
};

}

// A plan as the API shows it: what it says, and what is known of it.
#define ROWLOCK_PLAN_MEMBERS "v.definition::jsonb || jsonb_build_object('plan_id', p.plan_id, 'tenant_id', t.tenant_id, 'version', v.version, 'author', v.author, 'reason', v.reason,"
#define ROWLOCK_PLAN_JSON ROWLOCK_PLAN_MEMBERS " 'created_time', rfc3339(p.created_at), 'changed_time', rfc3339(v.created_at))"
// One version of it, which never changes.
#define ROWLOCK_PLAN_VERSION_JSON ROWLOCK_PLAN_MEMBERS " 'created_time', rfc3339(v.created_at))"
#define ROWLOCK_CURRENT_PLANS " from plans p join tenants t using (tenant_key) join plan_versions v on v.plan_key = p.plan_key and v.version = p.current_version"

constexpr statement find_plan_json_statement{"find_plan_json", "select " ROWLOCK_PLAN_JSON ", v.version" ROWLOCK_CURRENT_PLANS " where p.tenant_key = $1 and p.plan_id = $2"};

namespace {

constexpr statement put_plan_statement{"put_plan", "select version, created, changed, before from put_plan_1($1, $2, $3, $4, $5, $6)"};

put_plan_answer put_one(session::transaction& tx, const principal& who, const plan_change& change)
{
    const auto row = tx.exec(put_plan_statement, who.tenant.value, change.plan_id, change.definition, who.name, change.reason,
                             change.if_match.empty() ? nullptr : change.if_match.c_str())[0];
    put_plan_answer made;
    made.version = row[0].as<int>();
    made.created = row[1].as<bool>();
    made.changed = row[2].as<bool>();
    if (!made.created) made.before = row[3].c_str();
    made.after = change.definition;
    made.etag = etag_of(made.version);
    return made;
}

}

result<put_plan_answer> put_plan(session& s, const principal& who, const plan_change& change, bool dry_run)
{
    try {
        return s.in_transaction([&](session::transaction& tx) {
            auto stored = put_one(tx, who, change);
            stored.plan_json = tx.exec(find_plan_json_statement, who.tenant.value, change.plan_id)[0][0].c_str();
            if (dry_run) throw rehearsal{{std::move(stored)}};
            return stored;
        });
    } catch (rehearsal& r) {
        return std::move(r.would.front());
    } catch (const pqxx::sql_error& e) {
        if (sqlstate_of(e) != "RL412") throw;
        return error{errc::version_conflict, fmt::format("The plan {} is not at {}: read it again, and send the ETag that it has now.", change.plan_id, change.if_match)};
    }
}

result<std::vector<put_plan_answer>> put_plans(session& s, const principal& who, const std::vector<plan_change>& changes, bool dry_run)
{
    // Each locks its plan: in one order, so that two of these wait for one another and neither for both.
    std::vector<std::size_t> by_id(changes.size());
    std::iota(by_id.begin(), by_id.end(), std::size_t{0});
    std::sort(by_id.begin(), by_id.end(), [&changes](std::size_t a, std::size_t b) { return changes[a].plan_id < changes[b].plan_id; });
    try {
        return s.in_transaction([&](session::transaction& tx) {
            std::vector<put_plan_answer> all(changes.size());
            for (const auto i : by_id) all[i] = put_one(tx, who, changes[i]);
            if (dry_run) throw rehearsal{std::move(all)};
            return all;
        });
    } catch (rehearsal& r) {
        return std::move(r.would);
    }
}

constexpr statement find_plan_statement{"find_plan", R"sql(
    select p.plan_key, v.version, v.definition from plans p join plan_versions v using (plan_key)
    where p.tenant_key = $1 and p.plan_id = $2 and v.version = coalesce(nullif($3::int, 0), p.current_version))sql"};

std::optional<stored_plan> find_plan(session& s, tenant_key tenant, const std::string& plan_id, int version)
{
    const auto rows = s.exec(find_plan_statement, tenant.value, plan_id, version);
    if (rows.empty()) return std::nullopt;
    return stored_plan{rows[0][0].as<int>(), rows[0][1].as<int>(), rows[0][2].c_str()};
}

std::optional<plan_document> find_plan_json(session& s, tenant_key tenant, const std::string& plan_id)
{
    const auto rows = s.exec(find_plan_json_statement, tenant.value, plan_id);
    if (rows.empty()) return std::nullopt;
    return plan_document{rows[0][0].c_str(), etag_of(rows[0][1].as<int>())};
}

constexpr statement find_plan_version_statement{"find_plan_version", "select " ROWLOCK_PLAN_VERSION_JSON
    " from plans p join tenants t using (tenant_key) join plan_versions v using (plan_key) where p.tenant_key = $1 and p.plan_id = $2 and v.version = $3"};

std::optional<std::string> find_plan_version_json(session& s, tenant_key tenant, const std::string& plan_id, int version)
{
    const auto rows = s.exec(find_plan_version_statement, tenant.value, plan_id, version);
    if (rows.empty()) return std::nullopt;
    return rows[0][0].c_str();
}

constexpr statement list_plans_statement{"list_plans", "select " ROWLOCK_PLAN_JSON ", p.plan_id" ROWLOCK_CURRENT_PLANS
    " where p.tenant_key = $1 and p.plan_id > $2 order by p.plan_id limit $3"};

page list_plans_json(session& s, tenant_key tenant, int limit, const std::string& cursor)
{
    return page_of(s.exec(list_plans_statement, tenant.value, cursor, limit + 1), limit);
}

constexpr statement list_plan_versions_statement{"list_plan_versions", "select " ROWLOCK_PLAN_VERSION_JSON ", v.version"
    " from plans p join tenants t using (tenant_key) join plan_versions v using (plan_key)"
    " where p.tenant_key = $1 and p.plan_id = $2 and v.version < coalesce(nullif($3, '')::int, 2147483647) order by v.version desc limit $4"};

page list_plan_versions_json(session& s, tenant_key tenant, const std::string& plan_id, int limit, const std::string& cursor)
{
    return page_of(s.exec(list_plan_versions_statement, tenant.value, plan_id, cursor, limit + 1), limit);
}

}
