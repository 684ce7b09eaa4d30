#include "storage/job_store.hpp"

#include "storage/array.hpp"
#include "storage/model/http_address.hpp"
#include "storage/limit_store.hpp"
#include "storage/model/json_fields.hpp"
#include "storage/model/placement.hpp"
#include "storage/model/window_rules.hpp"
#include "storage/rows.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace rowlock::storage {

namespace {

std::string etag_of(int version, bool enabled)
{
    return fmt::format("\"{}{}\"", version, enabled ? "" : "-disabled");
}

constexpr statement find_job_statement{"find_job", R"sql(
    select job_json_1(j, v, t.tenant_id), v.version, j.enabled
    from jobs j join tenants t using (tenant_key) join job_versions v on v.job_key = j.job_key and v.version = j.current_version
    where j.tenant_key = $1 and j.job_id = $2 and j.deleted_at is null)sql"};

job_document document_of(const pqxx::row& row)
{
    return {row[0].c_str(), etag_of(row[1].as<int>(), row[2].as<bool>())};
}

constexpr std::string_view cycle_state = "RL422";
constexpr std::string_view schedule_id_state = "RL424";

error no_job(const std::string& job_id)
{
    return {errc::job_not_found, fmt::format("There is no job {}.", job_id)};
}

// What a function that checks an If-Match has thrown, as its caller tells it.
error conflict_of(const pqxx::sql_error& e, const std::string& job_id, const std::string& if_match)
{
    if (sqlstate_of(e) != "RL412") throw;
    return {errc::version_conflict, fmt::format("The job {} is not at {}: read it again, and send the ETag that it has now.", job_id, if_match)};
}

// The cycle that a function that stores definitions has found: its message is a JSON array of job ids, none of which has a bracket in it.
error cycle_of(const pqxx::sql_error& e)
{
    const std::string_view told = e.what();
    const auto begin = told.find('[');
    const auto end = told.find(']', begin);
    if (begin == std::string_view::npos || end == std::string_view::npos) throw;
    std::vector<std::string> path;
    const auto ids = boost::json::parse(told.substr(begin, end + 1 - begin));
    for (const auto& id : ids.as_array()) path.emplace_back(id.as_string());
    field_errors errors;
    errors.add_cycle("dependencies", std::move(path));
    return std::move(errors).take("What is to be stored");
}

// The schedule_id of a definition is that of another job's, whose id is the message. `one`: the definition, where it can be told which it is.
error taken_schedule_id(const pqxx::sql_error& e, const job_definition* one)
{
    std::string_view told = e.what();
    if (const auto mark = told.find(':'); mark != std::string_view::npos) told.remove_prefix(std::min(told.find_first_not_of(' ', mark + 1), told.size()));
    const std::string other(told.substr(0, told.find('\n')));
    error why{errc::invalid_request, fmt::format("The schedule has the schedule_id of that of the job {}: schedule ids are unique in a tenant.", other.empty() ? std::string("that is put at the same time") : other), {}, {}};
    if (one) {
        why.fields.push_back({"schedule.schedule_id", fmt::format("\"{}\"", one->schedule->schedule_id), fmt::format("is that of the schedule of the job {}; give it another", other), {}, errc::schedule_conflict});
        why.code = errc::schedule_conflict;
    }
    return why;
}

constexpr std::string_view triggers_state = "RL425";

// The triggers that set_triggers_1 has refused: its message is a JSON array of {"index", "what"}. `place` is where the definition stands, "" or "jobs[3]".
error refused_triggers(const pqxx::sql_error& e, const job_definition& definition, const std::string& place)
{
    const std::string_view told = e.what();
    const auto begin = told.find('[');
    const auto end = told.find(']', begin);
    if (begin == std::string_view::npos || end == std::string_view::npos) throw;
    field_errors errors;
    const auto all = boost::json::parse(told.substr(begin, end + 1 - begin));
    for (const auto& one : all.as_array()) {
        const auto index = one.at("index").to_number<std::size_t>();
        const auto at = path_of(path_of(place, "triggers"), index);
        const boost::json::value id(definition.triggers.at(index).trigger_id);
        if (one.at("what") == "taken") errors.add(at + ".trigger_id", &id, "is the id of a trigger of another job; ids of triggers are unique over all jobs and tenants: choose another");
        else errors.add(at + ".secret", nullptr, "is required: calls of the webhook are signed with it, and none is stored; give secret, or secret_env");
    }
    return std::move(errors).take(fmt::format("The definition of job {}", definition.job_id));
}

// Seconds as a number: whole ones as an integer.
boost::json::value seconds_of(milliseconds time)
{
    if (time.count() % 1000 == 0) return time.count() / 1000;
    return static_cast<double>(time.count()) / 1000;
}

boost::json::array texts_of(const std::vector<std::string>& texts)
{
    boost::json::array all;
    for (const auto& text : texts) all.emplace_back(text);
    return all;
}

boost::json::object rule_of(const job_dependency& dependency)
{
    boost::json::object rule{{"id", dependency.dependency_id}, {"upstream", dependency.upstream_job_id}, {"type", static_cast<int>(dependency.type)}};
    if (!dependency.condition.empty()) rule["condition"] = dependency.condition;
    if (dependency.window) rule["window_s"] = seconds_of(*dependency.window);
    if (dependency.skip_on_upstream_skip) rule["skip"] = true;
    if (dependency.timeout) rule["timeout_s"] = seconds_of(*dependency.timeout);
    return rule;
}

// How the job stands among the others: what it depends on, and what can depend on it.
void add_links(boost::json::object& rules, const job_definition& d)
{
    boost::json::array dependencies;
    for (const auto& each : d.dependencies) dependencies.push_back(rule_of(each));
    if (!dependencies.empty()) rules["dependencies"] = std::move(dependencies);
    if (!d.require_all) rules["require_all"] = false;
    if (!d.inputs.empty()) rules["inputs"] = texts_of(d.inputs);
    if (!d.outputs.empty()) rules["outputs"] = texts_of(d.outputs);
    if (d.is_validator) rules["is_gate"] = true;
    rules["default_timeout_s"] = seconds_of(d.waiting.timeout);
    rules["age_s"] = seconds_of(d.waiting.priority_age);
}

// What a message trigger reads, with its defaults.
boost::json::value reads_of(const job_trigger& t)
{
    if (t.table) {
        return boost::json::object{{"table", {{"connection", t.table->connection}, {"name", t.table->name}, {"id_column", t.table->id_column},
                                              {"transaction_column", t.table->transaction_column}}}};
    }
    if (t.channel) return boost::json::object{{"channel", {{"connection", t.channel->connection}, {"name", t.channel->name}}}};
    return nullptr;
}

// See set_triggers_1.
boost::json::array triggers_of(const job_definition& d)
{
    boost::json::array all;
    for (const auto& t : d.triggers) {
        boost::json::object rule{{"id", t.trigger_id}, {"kind", static_cast<int>(t.kind)}, {"source", t.source}, {"batch_ms", t.batch_window.count()}, {"debounce_ms", t.debounce.count()}};
        if (!t.filter.empty()) rule["filter"] = t.filter;
        if (t.enabled) rule["enabled"] = *t.enabled;
        if (!t.secret.empty()) rule["secret"] = t.secret;
        if (!t.secret_env.empty()) rule["secret_env"] = t.secret_env;
        if (auto reads = reads_of(t); !reads.is_null()) rule["reads"] = std::move(reads);
        all.push_back(std::move(rule));
    }
    return all;
}

boost::json::object setting(std::string_view scope, std::optional<int> max_running, bool rejects)
{
    boost::json::object set{{"scope", scope}, {"rejects", rejects}};
    if (max_running) set["max_running"] = *max_running;
    return set;
}

// What set_job_limits_1 reads.
boost::json::object limits_of(const job_definition& definition)
{
    const auto& asked = definition.limits;
    boost::json::object limits{{"handler", type_of(definition.handler)}};
    if (auto wanted = labels_wanted(definition.document); !wanted.empty()) limits["placement"] = std::move(wanted);
    if (!asked.pool.empty()) limits["pool"] = asked.pool;
    if (!asked.job_type.empty()) limits["job_type"] = asked.job_type;
    if (asked.request.any()) {
        boost::json::array request;
        for (const auto& amount : asked.request.amounts) request.emplace_back(amount.value_or(0));
        limits["request"] = std::move(request);
    }
    boost::json::array set;
    if (asked.max_running || asked.rate) {
        auto own = setting("job", asked.max_running, asked.rejects);
        if (asked.rate) {
            own["starts"] = asked.rate->starts;
            own["per_ms"] = asked.rate->per.count();
        }
        set.push_back(std::move(own));
    }
    if (asked.pool_max_running) {
        auto pool = setting("pool", asked.pool_max_running, asked.others_reject);
        pool["key"] = asked.pool;
        set.push_back(std::move(pool));
    }
    if (asked.global_max_running) {
        auto all = setting("global", asked.global_max_running, asked.others_reject);
        all["key"] = "all";
        set.push_back(std::move(all));
    }
    if (asked.tenant_max_running) set.push_back(setting("tenant", asked.tenant_max_running, false));
    if (!set.empty()) limits["set"] = std::move(set);
    return limits;
}

// What the queue must know of a definition, see put_job_1. check_cycles: whether it is refused where it closes a cycle.
std::string rules_of(const job_definition& d, bool check_cycles)
{
    const auto& never = d.retry.non_retryable_errors;
    boost::json::object rules{{"max_attempts", d.retry.max_attempts}, {"idempotent", d.idempotent}, {"dead_letter", d.dead_letter.enabled}, {"dedupe", d.dedupe},
                              {"retry_lost", std::find(never.begin(), never.end(), "LEASE_LOST") == never.end()}};
    if (d.dead_letter.retention) rules["dead_letter_ms"] = d.dead_letter.retention->count();
    if (d.queue_timeout) rules["queue_timeout_ms"] = d.queue_timeout->count();
    if (d.history_retention) rules["history_ms"] = d.history_retention->count();
    if (const auto& b = d.breaker) {
        const auto* http = std::get_if<http_handler>(&d.handler);
        boost::json::object breaker{{"key", b->per_target && http ? written_target(http->url).value_or(d.job_id) : d.job_id}, {"failure_threshold", b->failure_threshold},
                                    {"window_ms", b->window.count()}, {"open_ms", b->open.count()}, {"half_open_max", b->half_open_max}};
        if (b->failure_rate) breaker["failure_rate"] = *b->failure_rate;
        rules["breaker"] = std::move(breaker);
    }
    // The jobs of nodes stand in their plans alone.
    if (!d.job_id.starts_with(inline_job_prefix)) add_links(rules, d);
    rules["check_cycles"] = check_cycles && d.waiting.check_cycles;
    if (!d.windows.empty()) rules["windows"] = window_rules(d.windows);
    if (d.skip_outside_window) rules["skip_outside_window"] = true;
    // With its id and its zone, which do not change with the settings of a server.
    if (d.schedule) rules["schedule"] = d.document.at("schedule");
    if (!d.ordering_path.empty()) rules["ordering_path"] = texts_of(d.ordering_path);
    if (!d.triggers.empty()) rules["triggers"] = triggers_of(d);
    if (d.ordering_width != 1) rules["ordering_width"] = d.ordering_width;
    rules["limits"] = limits_of(d);
    return boost::json::serialize(rules);
}

// Thrown through a transaction to undo a dry run.
struct rehearsal {
    std::vector<put_job> would;
};

// A JSON array of texts; null: none.
std::vector<std::string> texts_in(const pqxx::field& json)
{
    std::vector<std::string> all;
    if (json.is_null()) return all;
    const auto list = boost::json::parse(json.c_str());
    for (const auto& text : list.as_array()) all.emplace_back(text.as_string());
    return all;
}

constexpr statement put_job_statement{"put_job", R"sql(
    select version, created, changed, enabled, before, was_enabled, to_json(missing) from put_job_1($1, $2, $3, $4::jsonb, $5::boolean, $6, $7, $8, $9::int))sql"};

constexpr statement able_instances_statement{"able_instances", R"sql(
    select count(*), count(*) filter (where can_run(i, nullif($1::jsonb, '{}'), array(select x::int from jsonb_array_elements_text($2::jsonb) with ordinality e (x, k) order by e.k)))
    from instances i where i.state = 'ALIVE' and i.lease_until > clock())sql"};

std::optional<able_instances> find_able(session::transaction& tx, const job_definition& definition)
{
    const auto asked = limits_of(definition);
    const auto* labels = asked.if_contains("placement");
    const auto* request = asked.if_contains("request");
    if (!labels && !request) return std::nullopt;
    const auto rows = tx.exec(able_instances_statement, boost::json::serialize(labels ? *labels : boost::json::object()), boost::json::serialize(request ? *request : boost::json::array()));
    return able_instances{rows[0][0].as<int>(), rows[0][1].as<int>()};
}

put_job put_one(session::transaction& tx, const principal& who, const job_change& change, bool check_cycles)
{
    const auto& definition = change.definition;
    const std::string rolled_back_to = change.rolled_back_to ? std::to_string(*change.rolled_back_to) : std::string();
    const char* const enabled = change.enabled ? (*change.enabled ? "true" : "false") : nullptr;
    const auto row = tx.exec(put_job_statement, who.tenant.value, definition.job_id, boost::json::serialize(definition.document), rules_of(definition, check_cycles), enabled, who.name,
                             change.reason, change.if_match.empty() ? nullptr : change.if_match.c_str(), rolled_back_to.empty() ? nullptr : rolled_back_to.c_str())[0];
    put_job made;
    made.version = row[0].as<int>();
    made.created = row[1].as<bool>();
    made.changed = row[2].as<bool>();
    made.enabled = row[3].as<bool>();
    if (!made.created) {
        made.before = row[4].c_str();
        made.was_enabled = row[5].as<bool>();
    }
    made.missing = texts_in(row[6]);
    made.able = find_able(tx, definition);
    made.etag = etag_of(made.version, made.enabled);
    return made;
}

}

result<put_job> put(session& s, const principal& who, const job_change& change, bool dry_run)
{
    try {
        auto made = s.in_transaction([&](session::transaction& tx) {
            auto stored = put_one(tx, who, change, true);
            stored.job_json = document_of(tx.exec(find_job_statement, who.tenant.value, change.definition.job_id)[0]).json;
            if (dry_run) throw rehearsal{{std::move(stored)}};
            return stored;
        });
        if (made.changed) enforce_due_limits(s);
        return made;
    } catch (rehearsal& r) {
        return std::move(r.would.front());
    } catch (const pqxx::sql_error& e) {
        if (sqlstate_of(e) == cycle_state) return cycle_of(e);
        if (sqlstate_of(e) == schedule_id_state) return taken_schedule_id(e, &change.definition);
        if (sqlstate_of(e) == triggers_state) return refused_triggers(e, change.definition, "");
        return conflict_of(e, change.definition.job_id, change.if_match);
    }
}

namespace {

constexpr statement refuse_cycles_statement{"refuse_cycles", "select refuse_cycles_1($1, array(select json_array_elements_text($2::json)))"};
constexpr statement missing_upstreams_statement{"missing_upstreams", R"sql(
    select to_json(missing_upstreams_1($1, u.job_id)) from json_array_elements_text($2::json) with ordinality u (job_id, k) order by u.k)sql"};

// What can only be said once all of them are stored: on the way there, what one depends on may be missing, and a dependency that is turned round
// is a cycle.
void look_around(session::transaction& tx, const principal& who, const std::vector<job_change>& changes, std::vector<put_job>& stored)
{
    std::vector<std::size_t> waiting;
    boost::json::array ids;
    boost::json::array checked;
    for (std::size_t i = 0; i < changes.size(); ++i) {
        const auto& definition = changes[i].definition;
        if (!definition.waits() || definition.job_id.starts_with(inline_job_prefix)) continue;
        waiting.push_back(i);
        ids.emplace_back(definition.job_id);
        if (stored[i].changed && definition.waiting.check_cycles) checked.emplace_back(definition.job_id);
    }
    if (!checked.empty()) tx.exec(refuse_cycles_statement, who.tenant.value, boost::json::serialize(checked));
    if (ids.empty()) return;
    const auto missing = tx.exec(missing_upstreams_statement, who.tenant.value, boost::json::serialize(ids));
    for (std::size_t k = 0; k < waiting.size(); ++k) stored[waiting[k]].missing = texts_in(missing[static_cast<pqxx::result::size_type>(k)][0]);
}

}

constexpr statement lock_jobs_statement{"lock_jobs", "select lock_jobs_1($1, array(select json_array_elements_text($2::json)))"};

result<std::vector<put_job>> put_all(session& s, const principal& who, const std::vector<job_change>& changes, bool dry_run)
{
    boost::json::array ids;
    for (const auto& change : changes) ids.emplace_back(change.definition.job_id);
    std::size_t at = 0;                                // of the change that is being stored
    try {
        auto made = s.in_transaction([&](session::transaction& tx) {
            tx.exec(lock_jobs_statement, who.tenant.value, boost::json::serialize(ids));
            std::vector<put_job> all;
            for (at = 0; at < changes.size(); ++at) all.push_back(put_one(tx, who, changes[at], false));
            look_around(tx, who, changes, all);
            if (dry_run) throw rehearsal{std::move(all)};
            return all;
        });
        enforce_due_limits(s);
        return made;
    } catch (rehearsal& r) {
        return std::move(r.would);
    } catch (const pqxx::sql_error& e) {
        if (sqlstate_of(e) == schedule_id_state) return taken_schedule_id(e, nullptr);
        if (sqlstate_of(e) == triggers_state) return refused_triggers(e, changes.at(at).definition, path_of("jobs", at));
        if (sqlstate_of(e) != cycle_state) throw;
        return cycle_of(e);
    }
}

std::optional<job_document> find_job_json(session& s, tenant_key tenant, const std::string& job_id)
{
    const auto rows = s.exec(find_job_statement, tenant.value, job_id);
    if (rows.empty()) return std::nullopt;
    return document_of(rows[0]);
}

constexpr statement find_version_statement{"find_job_version", R"sql(
    select job_version_json_1(j, v, t.tenant_id)
    from jobs j join tenants t using (tenant_key) join job_versions v using (job_key) where j.tenant_key = $1 and j.job_id = $2 and v.version = $3)sql"};

std::optional<std::string> find_job_version_json(session& s, tenant_key tenant, const std::string& job_id, int version)
{
    const auto rows = s.exec(find_version_statement, tenant.value, job_id, version);
    if (rows.empty()) return std::nullopt;
    return rows[0][0].c_str();
}

constexpr statement find_definition_statement{"find_definition", R"sql(
    select v.definition from jobs j left join job_versions v on v.job_key = j.job_key and v.version = $3
    where j.tenant_key = $1 and j.job_id = $2 and j.current_version > 0 and j.deleted_at is null)sql"};

result<std::string> find_definition(session& s, tenant_key tenant, const std::string& job_id, int version)
{
    const auto rows = s.exec(find_definition_statement, tenant.value, job_id, version);
    if (rows.empty()) return no_job(job_id);
    if (rows[0][0].is_null()) return error{errc::job_version_not_found, fmt::format("The job {} has no version {}.", job_id, version)};
    return std::string(rows[0][0].c_str());
}

constexpr statement find_two_versions_statement{"find_two_versions", R"sql(
    select w.before, w.after,
           (select v.definition from job_versions v where v.job_key = w.job_key and v.version = w.before),
           (select v.definition from job_versions v where v.job_key = w.job_key and v.version = w.after)
    from (select j.job_key, coalesce(nullif($3::int, 0), x.after - 1) as before, x.after
          from jobs j cross join lateral (select coalesce(nullif($4::int, 0), j.current_version) as after) x
          where j.tenant_key = $1 and j.job_id = $2 and j.current_version > 0) w)sql"};

std::optional<two_versions> find_two_versions(session& s, tenant_key tenant, const std::string& job_id, int from, int to)
{
    const auto rows = s.exec(find_two_versions_statement, tenant.value, job_id, from, to);
    if (rows.empty()) return std::nullopt;
    const auto row = rows[0];
    const auto text = [](const pqxx::field& f) { return f.is_null() ? std::string() : std::string(f.c_str()); };
    return two_versions{row[0].as<int>(), row[1].as<int>(), text(row[2]), text(row[3])};
}

constexpr statement list_jobs_statement{"list_jobs", R"sql(
    select job_json_1(j, v, t.tenant_id), j.job_id
    from jobs j join tenants t using (tenant_key) join job_versions v on v.job_key = j.job_key and v.version = j.current_version
    where j.tenant_key = $1 and j.job_id > $2 and j.deleted_at is null and not starts_with(j.job_id, $4) order by j.job_id limit $3)sql"};

page list_jobs_json(session& s, tenant_key tenant, int limit, const std::string& cursor)
{
    return page_of(s.exec(list_jobs_statement, tenant.value, cursor, limit + 1, std::string(inline_job_prefix)), limit);
}

constexpr statement list_versions_statement{"list_job_versions", R"sql(
    select job_version_json_1(j, v, t.tenant_id), v.version
    from jobs j join tenants t using (tenant_key) join job_versions v using (job_key)
    where j.tenant_key = $1 and j.job_id = $2 and v.version < $3 order by v.version desc limit $4)sql"};

page list_job_versions_json(session& s, tenant_key tenant, const std::string& job_id, int limit, const std::string& cursor)
{
    const int before = cursor.empty() ? 1 << 30 : std::stoi(cursor);
    return page_of(s.exec(list_versions_statement, tenant.value, job_id, before, limit + 1), limit);
}

constexpr statement switch_job_statement{"switch_job", "select switch_job_1($1, $2, $3, $4, $5, $6)"};

result<job_document> set_enabled(session& s, const principal& who, const std::string& job_id, bool enabled, const std::string& reason, const std::string& if_match)
{
    try {
        return s.in_transaction([&](session::transaction& tx) -> result<job_document> {
            const auto found = tx.exec(switch_job_statement, who.tenant.value, job_id, enabled, who.name, reason, if_match.empty() ? nullptr : if_match.c_str());
            if (!found[0][0].as<bool>()) return no_job(job_id);
            return document_of(tx.exec(find_job_statement, who.tenant.value, job_id)[0]);
        });
    } catch (const pqxx::sql_error& e) {
        return conflict_of(e, job_id, if_match);
    }
}

constexpr statement delete_job_statement{"delete_job", "select delete_job_1($1, $2, $3, $4, $5)"};

result<void> remove_job(session& s, const principal& who, const std::string& job_id, const std::string& reason, const std::string& if_match)
{
    try {
        const auto found = s.exec(delete_job_statement, who.tenant.value, job_id, who.name, reason, if_match.empty() ? nullptr : if_match.c_str());
        if (!found[0][0].as<bool>()) return no_job(job_id);
        return {};
    } catch (const pqxx::sql_error& e) {
        return conflict_of(e, job_id, if_match);
    }
}

namespace {

job_version_ptr version_of(const pqxx::row& row, const definition_defaults& defaults)
{
    auto version = std::make_shared<job_version>();
    version->tenant = {row[0].as<int>()};
    version->job = {row[1].as<int>()};
    version->lane = {row[2].as<int>()};
    version->version = row[3].as<int>();
    version->enabled = row[4].as<bool>();
    version->current_version = row[5].as<int>();
    const std::string job_id = row[6].c_str();
    auto parsed = parse_job_definition(boost::json::parse(row[7].c_str()).as_object(), job_id, defaults);
    if (!parsed) throw std::runtime_error(fmt::format("the stored definition of {} version {} is not valid: {}", job_id, version->version, parsed.error().detail));
    version->definition = std::move(*parsed);
    version->default_parameters = boost::json::serialize(version->definition.parameters);
    return version;
}

}

constexpr statement load_by_name_statement{"load_job_by_name", R"sql(
    select j.tenant_key, j.job_key, l.lane_id, v.version, j.enabled, j.current_version, j.job_id, v.definition
    from jobs j join lanes l on l.tenant_key = j.tenant_key and l.job_key = j.job_key
    join job_versions v on v.job_key = j.job_key and v.version = coalesce(nullif($3::int, 0), j.current_version)
    where j.tenant_key = $1 and j.job_id = $2 and j.deleted_at is null)sql"};

job_version_ptr load_version(session& s, tenant_key tenant, const std::string& job_id, int version, const definition_defaults& defaults)
{
    const auto rows = s.exec(load_by_name_statement, tenant.value, job_id, version);
    return rows.empty() ? nullptr : version_of(rows[0], defaults);
}

// Each by its keys (limit 1): joined, all versions of all jobs might be read.
constexpr statement load_by_keys_statement{"load_jobs_by_key", R"sql(
    select j.tenant_key, j.job_key, l.lane_id, u.version, j.enabled, j.current_version, j.job_id, v.definition
    from unnest($1::int[], $2::int[]) u (job, version)
    cross join lateral (select * from jobs j where j.job_key = u.job limit 1) j
    cross join lateral (select l.lane_id from lanes l where l.tenant_key = j.tenant_key and l.job_key = j.job_key limit 1) l
    cross join lateral (select v.definition from job_versions v where v.job_key = u.job and v.version = u.version limit 1) v)sql"};

std::vector<job_version_ptr> load_versions(session& s, const std::vector<std::pair<job_key, int>>& wanted, const definition_defaults& defaults)
{
    array jobs(array::element::int4);
    array versions(array::element::int4);
    for (const auto& [job, version] : wanted) {
        jobs.add(job.value);
        versions.add(version);
    }
    std::vector<job_version_ptr> loaded;
    const auto rows = s.exec(load_by_keys_statement, jobs.parameter(), versions.parameter());
    loaded.reserve(static_cast<std::size_t>(rows.size()));
    for (const auto& row : rows) loaded.push_back(version_of(row, defaults));
    return loaded;
}

}
