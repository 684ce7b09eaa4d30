#include "tests/pg/queue/stress_chaos.hpp"
#include "tests/pg/queue/stress_worker.hpp"

#include "storage/limit_store.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fmt/format.h>
#include <iostream>
#include <memory>
#include <thread>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

std::uint64_t number_from(const char* name, std::uint64_t otherwise)
{
    const char* given = std::getenv(name);
    return given && *given ? std::stoull(given) : otherwise;
}

// Limits on one lane and on several, which stay; others come and go.
void set_limits(stress_world& world)
{
    auto& db = world.db;
    const auto& j = world.jobs;
    world.fixed_limits = {db.limit(10, {j[0]}), db.limit(3, {j[1]}), db.limit(40, {j[0], j[1], j[2], j[3]}), db.limit(25, {j[2], j[3]}), db.limit(60, {j[5], j[8], j[11]}), db.limit(90, {j[2], j[5], j[8]})};
}

// One calm instance takes over and ends everything that is left. The clock goes an hour ahead: every lease is over, every delay too.
void drain(stress_world& world)
{
    auto& db = world.db;
    db.rows("update lanes set paused = false");
    db.rows("select delete_limit_1(scope, tenant_key, key, 'drain') from limit_settings");
    db.move_clock(1h);
    storage::session s(db.service_options());
    const auto me = storage::join_cluster(s, {.lease = 1h});
    for (int round = 0; round < 1000 && db.value("select count(*) from extents") != "0"; ++round) {
        storage::declare_dead(s, me, false);
        storage::takeover(s, me, priority_age, 1000);
        storage::tick(s, me, false);
        for (const auto& x : claim(s, me, 5000)) {
            if (!ends(x).all(ids_in(x.lo, x.hi)).commit(s, me).empty()) FAIL_CHECK("an end of the drain was lost: " << x.lo.str());
        }
    }
    while (storage::takeover(s, me, priority_age, 1000) > 0) {}
    while (storage::sweep(s, 1000) > 0) {}
}

struct ending {
    int status;
    int by;
    int fence;
    bool goes_on;
};

std::map<execution_id, ending> read_endings(queue_database& db)
{
    std::map<execution_id, ending> all;
    for (const auto& row : db.rows("select execution_id, status, coalesce(instance_id, 0), fence, next_execution_id is not null from results")) {
        all[*execution_id::parse(row[0].c_str())] = {row[1].as<int>(), row[2].as<int>(), row[3].as<int>(), row[4].as<bool>()};
    }
    return all;
}

// What the instances were told against what the database holds.
std::vector<std::string> compare(const std::vector<std::unique_ptr<stress_worker>>& workers, const std::map<execution_id, ending>& endings)
{
    std::vector<std::string> bad;
    std::map<std::pair<execution_id, fence>, instance_id> handed;
    std::map<std::string, execution_id> keys;
    const auto is_own = [](const ending& e, const stress_worker::handed_out& h) { return e.by == h.to.value && e.fence == h.under.value; };
    for (const auto& w : workers) {
        const auto& told = w->told();
        for (const auto& f : told.failures) bad.push_back("failure: " + f);
        for (const auto& id : told.accepted) {
            if (!endings.contains(id)) bad.push_back("acknowledged, and without an end: " + id.str());
        }
        for (const auto& [key, id] : told.keys) {
            if (keys.try_emplace(key, id).first->second != id) bad.push_back("a key names two executions: " + key);
            if (!endings.contains(id)) bad.push_back("a key names nothing: " + key);
        }
        for (const auto& h : told.handed) {
            if (handed.try_emplace({h.id, h.under}, h.to).first->second != h.to) bad.push_back(fmt::format("{} was handed out twice under fence {}", h.id.str(), h.under.value));
        }
        for (const auto& h : told.ended) {
            const auto at = endings.find(h.id);
            if (at == endings.end() || !is_own(at->second, h)) bad.push_back(fmt::format("{} was ended by {}, but its result is another", h.id.str(), h.to.value));
        }
        for (const auto& h : told.lost) {
            const auto at = endings.find(h.id);
            if (at != endings.end() && at->second.status != static_cast<int>(execution_status::cancelled) && is_own(at->second, h)) {
                bad.push_back(fmt::format("{} was lost to {}, but its result is from there", h.id.str(), h.to.value));
            }
        }
        for (const auto& id : told.cancelled) {
            const auto at = endings.find(id);
            if (at == endings.end() || at->second.goes_on) bad.push_back("a cancelled run went on: " + id.str());
        }
    }
    return bad;
}

void check_none(const char* what, const std::vector<std::string>& failures)
{
    INFO(what);
    for (std::size_t i = 0; i < failures.size() && i < 15; ++i) UNSCOPED_INFO(failures[i]);
    CHECK(failures.empty());
}

}

TEST_CASE("instances that work, stall, die and lose their sessions at random lose nothing and do nothing twice", "[pg][queue][stress]")
{
    const auto length = std::chrono::seconds(number_from("ROWLOCK_STRESS_SECONDS", 10));
    const auto seed = number_from("ROWLOCK_STRESS_SEED", std::random_device{}() % 1'000'000);
    INFO("ROWLOCK_STRESS_SEED=" << seed);
    queue_database db;
    stress_world world{.db = db, .seed = seed, .jobs = {}};
    for (int i = 0; i < 12; ++i) {
        world.jobs.push_back(db.job(fmt::format("job-{}", i), {.max_attempts = 3 + i % 3, .idempotent = i % 4 == 0,
                                                                .rules = i % 3 == 0 ? R"({"limits": {"pool": "p", "job_type": "t", "request": [0, 7, 0, 0], "handler": "process"}})"
                                                                         : i % 3 == 1   ? R"({"limits": {"handler": "process"}})"
                                                                                        : "{}"}));
    }
    storage::enforce_due_limits(db.service());
    set_limits(world);

    std::vector<std::unique_ptr<stress_worker>> workers;
    for (int i = 1; i <= 10; ++i) workers.push_back(std::make_unique<stress_worker>(world, i));
    stress_chaos chaos;
    stress_watcher watcher;
    {
        std::vector<std::jthread> actors;
        for (auto& w : workers) actors.emplace_back([&w](std::stop_token over) { w->run(std::move(over)); });
        actors.emplace_back([&](std::stop_token over) { chaos.run(world, std::move(over)); });
        actors.emplace_back([&](std::stop_token over) { watcher.run(world, std::move(over)); });
        const std::stop_source never;
        idle(never.get_token(), length);
        for (auto& a : actors) a.request_stop();
    }
    CHECK(db.violations() == "");
    drain(world);

    std::map<std::string, int> counts = chaos.counts;
    for (const auto& w : workers) {
        for (const auto& [what, n] : w->told().counts) counts[what] += n;
    }
    std::string summary;
    for (const auto& [what, n] : counts) summary += fmt::format(", {} {}", n, what);
    const auto endings = read_endings(db);
    std::cout << fmt::format("stress: seed {}, {} executions, {} snapshots{}\n", seed, endings.size(), watcher.snapshots, summary);

    check_none("the chaos", chaos.failures);
    check_none("the watcher", watcher.failures);
    check_none("the instances", compare(workers, endings));
    CHECK(watcher.snapshots > 0);
    CHECK(counts["claimed"] > 0);
    CHECK(counts["settled"] > 0);
    for (const char* often : {"started at once", "claimed", "claimed within what is kept", "given up slots", "settled", "killed", "handed back", "taken over"}) {
        INFO(often);
        // A short run on a busy machine may miss one of them; a run without any of it would show nothing.
        if (length >= 30s) CHECK(counts[often] > 0);
    }
    CHECK(db.value("select count(*) from extents") == "0");
    CHECK(db.value("select count(*) from executions e where not exists (select 1 from results r where r.execution_id = e.execution_id)") == "0");
    CHECK(db.value("select count(*) from cancel_requests") == "0");
    CHECK(db.value("select coalesce(sum(in_use), 0) from limits") == "0");
    CHECK(db.value("select count(*) from v_executions where not (submitted_time <= coalesce(started_time, completed_time)"
                   " and coalesce(started_time, completed_time) <= coalesce(returned_time, completed_time) and coalesce(returned_time, completed_time) <= completed_time)") == "0");
    CHECK(db.value("select deadlocks from pg_stat_database where datname = current_database()") == "0");
    CHECK(db.violations() == "");
}
