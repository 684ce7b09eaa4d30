#include "storage/policy_store.hpp"

#include "storage/limit_store.hpp"
#include "storage/model/json_text.hpp"
#include "storage/optional_text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <limits>
#include <stdexcept>

namespace rowlock::storage {

namespace json = boost::json;

namespace {

put_outcome outcome_of(std::string_view name)
{
    if (name == "CREATED") return put_outcome::created;
    if (name == "CHANGED") return put_outcome::changed;
    if (name == "UNCHANGED") return put_outcome::unchanged;
    if (name == "FULL") return put_outcome::full;
    if (name == "TAKEN") return put_outcome::taken;
    throw std::logic_error("not an outcome of put_policy_1: " + std::string(name));
}

json::value or_null(const std::optional<execution_id>& id)
{
    return id ? json::value(id->str()) : json::value();
}

// What policy_tick_1 gives; null: nothing.
json::array list_in(const pqxx::field& list)
{
    if (list.is_null()) return {};
    auto parsed = parse_json(list.c_str());
    if (!parsed) throw std::logic_error("policy_tick_1 gave no JSON");
    return std::move(parsed->as_array());
}

json::object row_of(const policy_violation& v)
{
    return {{"owner_key", v.owner.value},   {"policy_id", v.policy_id},  {"policy_version", v.policy_version}, {"tenant_key", v.tenant.value},
            {"job_id", v.job_id},           {"job_version", v.job_version > 0 ? json::value(v.job_version) : json::value()},
            {"execution_id", or_null(v.id)}, {"run_id", or_null(v.run_id)}, {"stage", to_string(v.stage)},       {"blocked", v.blocked},
            {"detail", v.detail},           {"occurrences", v.occurrences}};
}

}

std::string_view to_string(policy_stage stage)
{
    switch (stage) {
    case policy_stage::definition: return "DEFINITION";
    case policy_stage::submission: return "SUBMISSION";
    case policy_stage::start: return "START";
    case policy_stage::run: return "RUN";
    }
    return "";
}

#define ROWLOCK_POLICY_SEEN "($2 or p.owner_key = $1 or (p.owner_key = 0 and p.tenant_key in (0, $1)))"
#define ROWLOCK_POLICY_PLACE "(p.policy_id || ' ' || p.owner_key) collate \"C\""

constexpr statement list_policies_statement{"list_policies",
    "select policy_json_1(p), " ROWLOCK_POLICY_PLACE " from policies p where " ROWLOCK_POLICY_SEEN " and " ROWLOCK_POLICY_PLACE " > $3 order by " ROWLOCK_POLICY_PLACE " limit $4"};

page list_policies_json(session& s, const policy_reader& who, int limit, const std::string& cursor)
{
    return page_of(s.exec(list_policies_statement, who.tenant.value, who.all_tenants, cursor, limit + 1), limit);
}

// A token for all tenants owns what no tenant does, and acts for one of them.
constexpr statement find_policy_statement{"find_policy",
    "select policy_json_1(p) from policies p where p.policy_id = $3 and (p.owner_key in (0, $1)) and " ROWLOCK_POLICY_SEEN " order by (p.owner_key = 0) = $2 desc limit 1"};

std::optional<std::string> find_policy_json(session& s, const policy_reader& who, const std::string& policy_id)
{
    const auto rows = s.exec(find_policy_statement, who.tenant.value, who.all_tenants, policy_id);
    if (rows.empty()) return std::nullopt;
    return rows[0][0].c_str();
}

constexpr statement find_owned_policy_statement{"find_owned_policy", "select policy_json_1(p) from policies p where p.owner_key = $1 and p.policy_id = $2"};

std::optional<std::string> find_owned_policy_json(session& s, tenant_key owner, const std::string& policy_id)
{
    const auto rows = s.exec(find_owned_policy_statement, owner.value, policy_id);
    if (rows.empty()) return std::nullopt;
    return rows[0][0].c_str();
}

constexpr statement put_policy_statement{"put_policy", "select put_policy_1($1, $2, $3, $4::jsonb, $5, nullif($6, ''), $7, $8, $9)"};

put_outcome put_policy(session& s, tenant_key owner, std::optional<tenant_key> subject, const std::string& policy_id, const policy& p, const std::string& actor, const policy_reader& who)
{
    const auto of = subject ? std::optional(subject->value) : std::nullopt;
    return outcome_of(s.exec(put_policy_statement, owner.value, policy_id, of, to_text(p.document), actor, p.reason, most_policies, who.tenant.value, who.all_tenants)[0][0].c_str());
}

constexpr statement delete_policy_statement{"delete_policy", "select delete_policy_1($1, $2, $3, nullif($4, ''))"};

bool delete_policy(session& s, tenant_key owner, const std::string& policy_id, const std::string& actor, const std::string& reason)
{
    return s.exec(delete_policy_statement, owner.value, policy_id, actor, reason)[0][0].as<bool>();
}

constexpr statement load_policies_statement{"load_policies",
    "select owner_key, tenant_key, policy_id, version, document from policies where enabled order by owner_key, policy_id collate \"C\""};

std::vector<policy_row> load_policies(session& s)
{
    std::vector<policy_row> all;
    for (const auto& row : s.exec(load_policies_statement)) {
        all.push_back({{row[0].as<int>()}, {row[1].as<int>()}, row[2].c_str(), row[3].as<int>(), row[4].c_str()});
    }
    return all;
}

constexpr statement policy_tick_statement{"policy_tick", "select changes, closed, seconds_left, plans from policy_tick_1()"};

policy_look policy_tick(session& s)
{
    const auto rows = s.exec(policy_tick_statement);
    policy_look look{rows[0][0].as<std::int64_t>()};
    const auto text = [](const json::value& of, std::string_view member) { return std::string(of.at(member).as_string()); };
    for (const auto& each : list_in(rows[0][3])) look.plans.push_back({text(each, "plan_run_id"), text(each, "policy_id"), text(each, "used"), each.at("stops").as_bool()});
    for (const auto& each : list_in(rows[0][1])) look.closed.push_back({{each.at("tenant_key").to_number<int>()}, text(each, "policy_id"), text(each, "used")});
    if (look.closed.empty()) return look;
    look.day_left = std::chrono::milliseconds{static_cast<std::int64_t>(rows[0][2].as<double>() * 1000)};
    return look;
}

constexpr statement note_violations_statement{"note_policy_violations", "select note_policy_violations_1($1::jsonb)"};

void note_violations(session& s, const std::vector<policy_violation>& all)
{
    json::array rows;
    for (const auto& each : all) rows.push_back(row_of(each));
    s.exec(note_violations_statement, to_text(json::value(std::move(rows))));
}

constexpr statement sweep_violations_statement{"sweep_policy_violations", "select sweep_policy_violations_1($1::int8 * interval '1 millisecond', $2)"};

int sweep_policy_violations(session& s, std::chrono::milliseconds kept, int rows)
{
    return s.exec(sweep_violations_statement, kept.count(), rows)[0][0].as<int>();
}

constexpr statement list_violations_statement{"list_policy_violations", R"sql(
    select json_build_object('violation_id', x.violation_id::text, 'at', rfc3339(x.at), 'policy_id', x.policy_id, 'policy_version', x.policy_version,
               'tenant_id', (select t.tenant_id from tenants t where t.tenant_key = x.tenant_key), 'job_id', x.job_id, 'job_version', x.job_version,
               'execution_id', x.execution_id, 'run_id', x.run_id, 'plan_run_id', x.plan_run_id, 'stage', x.stage, 'blocked', x.blocked, 'detail', x.detail, 'occurrences', x.occurrences),
           x.violation_id::text
    from policy_violations x
    where ($2 or x.tenant_key = $1) and ($3::text is null or x.policy_id = $3) and ($4::text is null or x.job_id = $4) and ($5::timestamptz is null or x.at >= $5)
      and x.violation_id < $6::int8
    order by x.violation_id desc limit $7)sql"};

std::optional<page> list_policy_violations_json(session& s, const policy_reader& who, const violation_filter& filter, int limit, const std::string& cursor)
{
    std::int64_t before = std::numeric_limits<std::int64_t>::max();
    if (!cursor.empty()) {
        const auto [end, ec] = std::from_chars(cursor.data(), cursor.data() + cursor.size(), before);
        if (ec != std::errc() || end != cursor.data() + cursor.size()) return std::nullopt;
    }
    const std::string since = filter.since ? to_rfc3339(*filter.since) : std::string();
    return page_of(s.exec(list_violations_statement, who.tenant.value, who.all_tenants, storage::or_null(filter.policy_id), storage::or_null(filter.job_id), storage::or_null(since), before,
                          limit + 1),
                   limit);
}

constexpr statement usage_of_run_statement{"usage_of_run", "select attempts, seconds, cost_units from run_usage_1($1)"};

run_usage usage_of_run(session& s, execution_id run)
{
    const auto rows = s.exec(usage_of_run_statement, run.str());
    return {rows[0][0].as<int>(), rows[0][1].as<double>(), rows[0][2].as<double>()};
}

}
