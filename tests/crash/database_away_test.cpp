#include "tests/crash/crew.hpp"
#include "tests/crash/history.hpp"
#include "tests/support/database_proxy.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <csignal>
#include <fmt/format.h>
#include <pqxx/pqxx>
#include <random>
#include <thread>

namespace {

using namespace rowlock::test;
namespace json = boost::json;

void end_postmaster(int signal)
{
    auto& postgres = private_postgres::of_this_run();
    REQUIRE(::kill(std::stoi(text_of_file(postgres.data_folder() / "pg" / "postmaster.pid")), signal) == 0);
    eventually("the postmaster has ended", [&] { return !postgres.server().running(); });
}

void start_postmaster()
{
    const auto started = private_postgres::of_this_run().server().ensure_running();
    if (!started) FAIL(started.error().detail);
}

std::string lost_attempts(const std::string& database)
{
    return value_of(database, "select count(*) from rowlock.v_executions where error_code = 'LEASE_LOST'");
}

// All servers that ever joined, and what became of them.
std::vector<std::string> instances(const std::string& database)
{
    return rows_of(database, "select instance_id || ' ' || state from rowlock.instances order by instance_id");
}

std::vector<std::string> start_naps(crew& servers, const std::string& seconds)
{
    servers.at("one").define("nap", json::object{{"type", "sleep"}, {"seconds", std::stod(seconds)}});
    std::vector<std::string> naps;
    for (const auto* name : {"one", "two"}) {
        for (int i = 0; i < 3; ++i) naps.push_back(servers.at(name).submit("nap"));
    }
    for (const auto& nap : naps) servers.at("one").await_status(nap, "RUNNING");
    return naps;
}

void check_naps(crew& servers, const std::vector<std::string>& naps)
{
    for (const auto& nap : naps) {
        const auto last = servers.at("one").ended(nap);
        CHECK(text_at(last, "/status") == "COMPLETED");
        CHECK(last.at("attempt_number") == 1);
    }
}

}

TEST_CASE("a database that restarts at once costs a pause, and no attempt", "[crash]")
{
    const test_database database;
    const scratch_folder scratch;
    const auto ledger = scratch.path() / "ledger";
    crew servers(database.url());
    define_load(servers.start("one"), ledger);
    servers.start("two");
    const auto joined = instances(database.url());
    load clients(servers.where(), 8);
    eventually("there is load", [&] { return clients.count() > 100; });
    const auto naps = start_naps(servers, "1.5");
    end_postmaster(SIGQUIT);
    start_postmaster();
    const auto before = clients.count();
    eventually("the work goes on", [&] { return clients.count() > before + 100; });
    clients.finish();
    check_naps(servers, naps);
    await_idle(database.url());
    CHECK(lost_attempts(database.url()) == "0");
    CHECK(instances(database.url()) == joined);
    check_history(database.url(), clients.acknowledged());
    check_ledger(database.url(), ledger);
}

TEST_CASE("a database that is away for three leases costs no attempt: work goes on and is settled afterwards, submissions are answered 503", "[crash]")
{
    const test_database database;
    const scratch_folder scratch;
    const auto ledger = scratch.path() / "ledger";
    crew servers(database.url());
    define_load(servers.start("one"), ledger);
    servers.start("two");
    const auto joined = instances(database.url());
    load clients(servers.where(), 4);
    eventually("there is load", [&] { return clients.count() > 50; });
    const auto naps = start_naps(servers, "4");
    const auto from = std::chrono::steady_clock::now();
    end_postmaster(SIGKILL);
    eventually("it shows that it is not ready", [&] { return servers.at("one").get("/readyz").status == 503; });
    eventually("clients are turned away", [&] { return clients.turned_away() >= 8; });
    CHECK(servers.at("one").get("/healthz").status == 200);
    outlast(std::chrono::duration_cast<std::chrono::milliseconds>(from + 3 * crew_lease - std::chrono::steady_clock::now()));
    start_postmaster();
    const auto before = clients.count();
    eventually("the work goes on", [&] { return clients.count() > before + 50; });
    clients.finish();
    check_naps(servers, naps);
    await_idle(database.url());
    CHECK(lost_attempts(database.url()) == "0");
    CHECK(instances(database.url()) == joined);
    check_history(database.url(), clients.acknowledged());
    check_ledger(database.url(), ledger);
}

TEST_CASE("a database that stands still for three leases, and then works off what it was asked, has nobody declared dead", "[crash]")
{
    const test_database database;
    database_proxy proxy(database.url());
    crew servers(proxy.url());
    servers.start("one");
    servers.start("two");
    const auto joined = instances(database.url());
    const auto naps = start_naps(servers, "3");
    // Only who has been in contact for a lease would declare others dead.
    eventually("they have renewed their leases", [&] {
        return value_of(database.url(), fmt::format("select min(lease_until - started_at) > interval '{} s' from rowlock.instances", 2 * crew_lease.count() + 1)) == "t";
    });
    const auto more = start_naps(servers, "3");
    proxy.stall();
    outlast(3 * crew_lease);
    proxy.go_on();
    check_naps(servers, naps);
    check_naps(servers, more);
    CHECK(lost_attempts(database.url()) == "0");
    CHECK(instances(database.url()) == joined);
    await_idle(database.url());
    check_history(database.url(), {});
}

TEST_CASE("sessions that an administrator ends at random are replaced, and nothing is lost", "[crash]")
{
    const test_database database;
    const scratch_folder scratch;
    const auto ledger = scratch.path() / "ledger";
    crew servers(database.url());
    define_load(servers.start("one"), ledger);
    servers.start("two");
    load clients(servers.where(), 8);
    std::mt19937 dice(20240613);
    pqxx::connection session(database.url());
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    int ended = 0;
    while (std::chrono::steady_clock::now() < until) {
        pqxx::nontransaction tx(session);
        const auto pids = tx.exec("select pid from pg_stat_activity where datname = current_database() and application_name like 'rowlock %' order by backend_start");
        if (!pids.empty()) {
            tx.exec(fmt::format("select pg_terminate_backend({})", pids[static_cast<pqxx::result::size_type>(dice() % static_cast<unsigned>(pids.size()))][0].c_str()));
            ++ended;
        }
        tx.exec(fmt::format("select pg_sleep({})", 0.02 + 0.001 * (dice() % 80)));
    }
    CHECK(ended > 20);
    clients.finish();
    await_idle(database.url());
    check_history(database.url(), clients.acknowledged());
    check_ledger(database.url(), ledger);
}
