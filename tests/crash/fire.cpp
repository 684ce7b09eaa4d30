#include "tests/crash/fire.hpp"

#include "tests/crash/history.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <fmt/format.h>
#include <list>
#include <pqxx/pqxx>

namespace rowlock::test {

namespace {

using std::chrono::milliseconds;

const std::vector<std::string> names{"one", "two", "three"};
constexpr int http_clients = 4;
constexpr int stream_clients = 1;
// The load is there for the faults to hit, not to measure anything.
constexpr milliseconds pace{30};

// Those that a server under load comes to by itself.
const std::vector<std::string> steps{"join.after_commit", "submit.before_commit", "submit.after_commit", "claim.before_commit",  "claim.after_commit",
                                     "run.started",       "run.returned",         "settle.before_commit", "settle.after_commit"};

}

fire::fire(unsigned seed) : dice_(seed), servers_(database_.service_url())
{
    for (const auto& name : names) servers_.start(name);
    done_.define(servers_.at("one"));
    // So large that instances keep slots of them.
    for (const char* limit : {"/v1/limits/global/all", "/v1/limits/tenant/default"}) REQUIRE(servers_.at("one").put(limit, {{"max_running", 120}}).status == 200);
    front_.emplace(servers_.addresses());
    where_.set("front", front_->address());
    clients_.emplace(where_, http_clients, load_style{.balanced = true, .pace = pace, .kinds = effects::kinds()});
    streams_.emplace(where_, stream_clients, load_style{.name = "stream", .pace = pace, .kinds = effects::kinds()});
    await_recovery();
}

fire::~fire() = default;

std::vector<fire::fault> fire::faults() const
{
    std::vector<fault> all{
        {"kill -9 of a server", &fire::kill_server},
        {"kill -9 of a server at a durable step", &fire::crash_at_a_step},
        {"a server frozen past its lease", &fire::freeze_server},
        {"a server restarted gracefully", &fire::restart_server},
        {"an immediate restart of PostgreSQL", &fire::restart_database},
        {"sessions ended at random", &fire::end_sessions},
        {"a failover to the synchronous standby", &fire::fail_over},
        {"an outage of three leases", &fire::outage},
        {"all connections used up", &fire::use_up_connections},
    };
    if (database_.has_own_disks()) all.push_back({"a full disk", &fire::fill_disk});
    return all;
}

std::vector<fire::fault> fire::shuffled_faults()
{
    auto all = faults();
    // Not std::shuffle, whose order is the library's.
    for (std::size_t i = all.size() - 1; i > 0; --i) std::swap(all[i], all[dice_() % (i + 1)]);
    return all;
}

void fire::bring(const fault& one)
{
    await_progress(10);
    (this->*one.bring)();
    await_recovery();
    const std::vector<std::string> none;
    CHECK(violations(database_.url()) == none);
}

void fire::finish()
{
    clients_->finish();
    streams_->finish();
    auto acknowledged = clients_->acknowledged();
    acknowledged.merge(streams_->acknowledged());
    await_idle(database_.url());
    // Whoever was lost has been given up by now, too: who comes back later finds that it is nobody any more.
    check_history(database_.url(), acknowledged);
    done_.check(database_.url(), acknowledged);
    eventually("no slot is in use", [&] { return value_of(database_.url(), "select sum(in_use) from rowlock.limits") == "0"; });
    for (const auto& name : names) CHECK(servers_.stop(name) == 0);
    CHECK(value_of(database_.url(), "select count(*) from rowlock.kept_slots") == "0");
}

void fire::await_progress(std::size_t more)
{
    const auto before = clients_->count();
    const auto streamed_before = streams_->count();
    eventually("clients are answered", [&] { return clients_->count() >= before + more && streams_->count() >= streamed_before + more; });
}

void fire::await_recovery()
{
    eventually("HAProxy sends requests to all servers", [&] { return front_->up() == static_cast<int>(names.size()); });
    await_progress(20);
}

const std::string& fire::any_server()
{
    return names[dice_() % names.size()];
}

std::string fire::any_step()
{
    const auto& step = steps[dice_() % steps.size()];
    // Some time within the work. Only the first join is one that comes by itself.
    return fmt::format("{}:{}", step, step == "join.after_commit" ? 1 : 1 + dice_() % 8);
}

void fire::kill_server()
{
    const auto& name = any_server();
    servers_.kill_hard(name);
    // Sometimes it is back before its lease has ended.
    outlast(milliseconds(dice_() % 3000));
    servers_.start(name);
}

void fire::crash_at_a_step()
{
    const auto& name = any_server();
    const auto step = any_step();
    INFO(step);
    servers_.kill_hard(name);
    CHECK(servers_.run_until_crash(step, {}, name) == -SIGKILL);
    servers_.start(name);
}

void fire::freeze_server()
{
    auto& server = servers_.at(any_server());
    server.process().signal(SIGSTOP);
    outlast(crew_lease + milliseconds(500 + dice_() % 2500));
    server.process().signal(SIGCONT);
    eventually("it is ready again", [&] { return server.metric("rowlock_ready") == 1; });
}

void fire::restart_server()
{
    const auto& name = any_server();
    CHECK(servers_.stop(name) == 0);
    servers_.start(name);
}

void fire::restart_database()
{
    database_.restart_at_once();
}

void fire::end_sessions()
{
    pqxx::connection session(database_.url());
    pqxx::nontransaction tx(session);
    for (int i = 0; i < 30; ++i) {
        const auto pids = tx.exec("select pid from pg_stat_activity where application_name like 'rowlock %' order by backend_start");
        if (!pids.empty()) {
            tx.exec(fmt::format("select pg_terminate_backend({})", pids[static_cast<pqxx::result::size_type>(dice_() % static_cast<unsigned>(pids.size()))][0].c_str()));
        }
        tx.exec(fmt::format("select pg_sleep({})", 0.02 + 0.001 * (dice_() % 80)));
    }
}

void fire::fail_over()
{
    database_.fail_over();
    await_progress(10);
    database_.rebuild_standby();
}

void fire::outage()
{
    database_.kill();
    outlast(3 * crew_lease);
    database_.start();
}

void fire::fill_disk()
{
    database_.fill_disk();
    outlast(milliseconds(3000 + dice_() % 3000));
    database_.free_disk();
}

void fire::use_up_connections()
{
    pqxx::connection session(database_.url());
    pqxx::nontransaction tx(session);
    tx.exec("create role crowd login password 'crowd'");
    tx.exec(fmt::format("alter role {} connection limit 0", postgres_pair::service));
    tx.exec(fmt::format("select pg_terminate_backend(pid) from pg_stat_activity where usename = '{}'", postgres_pair::service));
    // The role's own limit first, then the server's, which others have come up to.
    auto as_crowd = database_.url();
    as_crowd.replace(as_crowd.find("//") + 2, as_crowd.find('@') - as_crowd.find("//") - 2, "crowd:crowd");
    std::list<pqxx::connection> crowd;
    try {
        for (;;) crowd.emplace_back(as_crowd);
    } catch (const pqxx::failure& e) {
        INFO(e.what());
        CHECK(std::string(e.what()).find("connection slots") != std::string::npos);
    }
    tx.exec(fmt::format("alter role {} connection limit -1", postgres_pair::service));
    outlast(milliseconds(1000 + dice_() % 3000));
    crowd.clear();
    tx.exec("drop role crowd");
}

}
