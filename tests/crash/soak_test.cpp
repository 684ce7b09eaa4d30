#include "tests/crash/crew.hpp"
#include "tests/crash/history.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <fmt/format.h>
#include <pqxx/pqxx>
#include <random>

namespace {

using namespace rowlock::test;
using std::chrono::steady_clock;

unsigned from_environment(const char* name, unsigned otherwise)
{
    const char* value = std::getenv(name);
    return value && *value ? static_cast<unsigned>(std::stoul(value)) : otherwise;
}

// Does what goes wrong in a year, within seconds: one thing after the other, chosen by the seed.
class mischief {
public:
    mischief(crew& servers, unsigned seed) : servers_(servers), dice_(seed), session_(servers.database())
    {
        run("set search_path = rowlock");
    }

    void do_one()
    {
        thaw(steady_clock::now());
        const std::string& name = names[dice_() % names.size()];
        switch (dice_() % 4) {
        case 0:
            frozen_.erase(name);
            servers_.kill_hard(name);
            servers_.start(name);
            break;
        case 1:
            if (frozen_.contains(name)) break;
            servers_.at(name).process().signal(SIGSTOP);
            frozen_[name] = steady_clock::now() + std::chrono::milliseconds(200 + dice_() % 4000);
            break;
        case 2: end_session(); break;
        case 3: cancel_something(); break;
        default: break;
        }
        // The pause is the database's, so that it is a statement that is waited for.
        run(fmt::format("select pg_sleep({})", 0.05 + 0.001 * (dice_() % 250)));
    }

    void end() { thaw(steady_clock::time_point::max()); }

    inline static const std::vector<std::string> names = {"one", "two", "three"};

private:
    pqxx::result run(const std::string& sql)
    {
        pqxx::nontransaction tx(session_);
        return tx.exec(sql);
    }

    void thaw(steady_clock::time_point now)
    {
        for (auto at = frozen_.begin(); at != frozen_.end();) {
            if (at->second > now) {
                ++at;
                continue;
            }
            servers_.at(at->first).process().signal(SIGCONT);
            at = frozen_.erase(at);
        }
    }

    void end_session()
    {
        const auto pids = run("select pid from pg_stat_activity where datname = current_database() and application_name like 'rowlock %'");
        if (pids.empty()) return;
        run(fmt::format("select pg_terminate_backend({})", pids[static_cast<pqxx::result::size_type>(dice_() % static_cast<unsigned>(pids.size()))][0].c_str()));
    }

    // As SQL users do, who need no server for it.
    void cancel_something()
    {
        const auto live = run("select execution_id from v_executions where status in ('QUEUED', 'PENDING', 'RUNNING') limit 50");
        if (live.empty()) return;
        run(fmt::format("select cancel_1(null, array['{}'::uuid], 'test', 'mischief')",
                        live[static_cast<pqxx::result::size_type>(dice_() % static_cast<unsigned>(live.size()))][0].c_str()));
    }

    crew& servers_;
    std::mt19937 dice_;
    pqxx::connection session_;
    std::map<std::string, steady_clock::time_point> frozen_;
};

}

// ROWLOCK_SOAK_SECONDS and ROWLOCK_SOAK_SEED choose another length and another course.
TEST_CASE("whatever happens to three servers, in any order: what was acknowledged is done, and nothing is done or counted twice", "[crash][soak]")
{
    const auto seed = from_environment("ROWLOCK_SOAK_SEED", 1);
    const auto length = std::chrono::seconds(from_environment("ROWLOCK_SOAK_SECONDS", 15));
    INFO("ROWLOCK_SOAK_SEED=" << seed);
    const test_database database;
    const scratch_folder scratch;
    const auto ledger = scratch.path() / "ledger";
    crew servers(database.url());
    for (const auto& name : mischief::names) servers.start(name);
    define_load(servers.at("one"), ledger);
    load clients(servers.where(), 6);
    mischief fate(servers, seed);
    const auto until = steady_clock::now() + length;
    while (steady_clock::now() < until) fate.do_one();
    fate.end();
    CHECK(violations(database.url()).empty());
    clients.finish();
    await_idle(database.url());
    check_history(database.url(), clients.acknowledged());
    check_ledger(database.url(), ledger);
}
