#include "tests/pg/queue/stress_chaos.hpp"

#include "storage/limit_store.hpp"

#include <fmt/format.h>
#include <set>
#include <tuple>

namespace rowlock::test {

namespace {

// Admission rules change under the exclusive lock that claims share: see migrations/0004_queue.sql.
void change_rules(pqxx::connection& c, const std::string& sql)
{
    pqxx::work tx(c);
    tx.exec("select pg_advisory_xact_lock(1919906155, 1)");
    tx.exec(sql);
    tx.commit();
}

std::set<std::string> owned_in(pqxx::connection& c, lane_id lane)
{
    std::set<std::string> owned;
    for (const auto& row : pqxx::nontransaction(c).exec(fmt::format("select lo || ' ' || owner from rowlock.extents where lane_id = {} and owner is not null", lane.value))) {
        owned.insert(row[0].as<std::string>());
    }
    return owned;
}

void pause_a_lane(pqxx::connection& c, const queue_job& job, dice& chances, const std::stop_token& over, std::vector<std::string>& failures)
{
    change_rules(c, fmt::format("update rowlock.lanes set paused = true where lane_id = {}", job.lane.value));
    const auto before = owned_in(c, job.lane);
    idle(over, std::chrono::milliseconds(chances.between(10, 200)));
    for (const auto& x : owned_in(c, job.lane)) {
        if (!before.contains(x)) failures.push_back("claimed in a paused lane: " + x);
    }
    if (chances.chance(0.8)) change_rules(c, fmt::format("update rowlock.lanes set paused = false where lane_id = {}", job.lane.value));
}

// Sets, moves or removes a limit of any kind, while everything goes on. Stress jobs ask for pools and resources.
void change_a_limit(storage::session& control, const stress_world& world, dice& chances)
{
    const int number = chances.between(0, static_cast<int>(world.jobs.size()) - 1);
    const auto [kind, of, key] = chances.one_of<std::tuple<limit_kind, tenant_key, std::string>>({{limit_kind::global, storage::no_tenant, "all"},
                                                                                              {limit_kind::tenant, default_tenant, "default"},
                                                                                              {limit_kind::job, default_tenant, fmt::format("job-{}", number)},
                                                                                              {limit_kind::pool, storage::no_tenant, "p"},
                                                                                              {limit_kind::job_type, default_tenant, "t"}});
    if (chances.chance(0.3)) {
        storage::delete_limit(control, kind, of, key, "chaos");
        return;
    }
    limit_to_put limit;
    limit.max_running = chances.between(0, 60);
    if (chances.chance(0.3)) limit.rate = start_rate{chances.one_of<int>({10, 60, 500}), std::chrono::milliseconds{chances.between(100, 1000)}};
    if (kind == limit_kind::pool && chances.chance(0.5)) limit.resources.amounts[1] = chances.between(0, 500);
    storage::put_limit(control, kind, of, key, limit, "chaos");
}

// Limits are what they are for each lane that has them all the time; and what extents hold is what is counted.
constexpr const char* limits_query = R"sql(
    select l.limit_id, greatest(l.max_running, l.drains_from) as max_running, l.in_use,
           coalesce((select sum(s.remaining) from rowlock.extents s join rowlock.lanes a using (lane_id)
                     where s.owner is not null and l.limit_id = any (a.limit_ids)), 0) as running,
           coalesce((select sum(s.remaining * coalesce(u.n, 1)) from rowlock.extents s, unnest(s.limit_ids, s.limit_ns) u (id, n) where u.id = l.limit_id), 0)
               + coalesce((select sum(k.n) from rowlock.kept_slots k where k.limit_id = l.limit_id), 0) as held
    from rowlock.limits l)sql";

}

void stress_chaos::run(const stress_world& world, std::stop_token over)
{
    dice chances(world.seed, 77);
    try {
        pqxx::connection c(world.db.url());
        storage::session control({.url = world.db.url()});
        while (!over.stop_requested()) {
            idle(over, std::chrono::milliseconds(chances.between(20, 120)));
            const int what = chances.between(0, 99);
            if (what < 45) {
                const auto killed = pqxx::nontransaction(c).exec("select pg_terminate_backend(pid) from (select pid from pg_stat_activity where application_name = 'stress worker'"
                                                                 " and datname = current_database() order by random() limit 1) one");
                counts["killed"] += static_cast<int>(killed.size());
            } else if (what < 75) {
                pause_a_lane(c, chances.one_of(world.jobs), chances, over, failures);
                ++counts["paused"];
            } else {
                change_a_limit(control, world, chances);
                ++counts["limits changed"];
            }
        }
    } catch (const std::exception& e) {
        failures.emplace_back(e.what());
    }
}

void stress_watcher::run(const stress_world& world, std::stop_token over)
{
    const std::set<int> fixed(world.fixed_limits.begin(), world.fixed_limits.end());
    try {
        pqxx::connection c(world.db.url());
        while (!over.stop_requested() && failures.size() < 20) {
            pqxx::transaction<pqxx::repeatable_read> snapshot(c);
            for (const auto& row : snapshot.exec(limits_query)) {
                const int id = row["limit_id"].as<int>();
                const int allowed = row["max_running"].as<int>();
                const int running = row["running"].as<int>();
                const int held = row["held"].as<int>();
                const int in_use = row["in_use"].as<int>();
                if (in_use != held) failures.push_back(fmt::format("limit {} counts {}, {} are held", id, in_use, held));
                if (held > allowed) failures.push_back(fmt::format("limit {}: {} held of {}", id, held, allowed));
                if (fixed.contains(id) && running > held) failures.push_back(fmt::format("limit {}: {} run, {} are held", id, running, held));
            }
            if (snapshots++ % 5 == 0) {
                for (const auto& row : snapshot.exec("select rule, detail from rowlock.violations() limit 5")) {
                    failures.push_back(fmt::format("{}: {}", row[0].c_str(), row[1].c_str()));
                }
            }
            snapshot.abort();
            idle(over, std::chrono::milliseconds{40});
        }
    } catch (const std::exception& e) {
        failures.emplace_back(e.what());
    }
}

}
