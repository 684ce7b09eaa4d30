// What an execution costs the database, counted and not timed: rows, entries of indexes, bytes of WAL, statements, notifications. Whatever makes
// one of them grow has to earn its place, and changes the figure here.
#include "tests/support/eventually.hpp"
#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <pqxx/pqxx>
#include <ostream>

using namespace rowlock::test;
using namespace std::chrono_literals;
namespace json = boost::json;

namespace {

constexpr int batch = 1000;

class wake_counter : public pqxx::notification_receiver {
public:
    explicit wake_counter(pqxx::connection& c) : notification_receiver(c, "rowlock_wake") {}
    void operator()(const std::string&, int) override { ++heard; }

    int heard = 0;
};

// For each execution, but for `wakes`.
struct cost {
    double rows = 0;                         // written to tables, also as a new version of one that was there
    double removed = 0;
    double index_entries = 0;
    double wal_bytes = 0;                    // without the images of pages, which depend on the checkpoints
    double commits = 0;
    double statements = 0;
    double wakes = 0;                        // NOTIFYs a second
};

constexpr double cost::*parts[] = {&cost::rows, &cost::removed, &cost::index_entries, &cost::wal_bytes, &cost::commits, &cost::statements, &cost::wakes};

std::ostream& operator<<(std::ostream& to, const cost& c)
{
    return to << fmt::format("rows {:.3f}, removed {:.3f}, index entries {:.3f}, WAL bytes {:.1f}, commits {:.4f}, statements {:.4f}, wakes {:.1f}/s", c.rows, c.removed,
                             c.index_entries, c.wal_bytes, c.commits, c.statements, c.wakes);
}

void check_within(const cost& measured, const cost& most)
{
    CAPTURE(measured, most);
    for (const auto part : parts) CHECK(measured.*part <= most.*part);
}

class counted_server {
public:
    explicit counted_server(const std::string& parallelism)
        : server_({"serve", "--auth", "none", "--database", database_.url(), "--executor-parallelism", parallelism}), looker_(database_.url()), listener_(database_.url()), wakes_(listener_)
    {
        pqxx::nontransaction(looker_).exec("create extension pg_walinspect");
        server_.define("noop", {{"type", "noop"}});
    }

    const server_process& server() const { return server_; }

    // Of what `submit` submits, until all of it has ended. The least of three times: autovacuum writes too.
    template <class F>
    cost of(int executions, F submit)
    {
        cost least = once(executions, submit);
        for (int i = 1; i < 3; ++i) {
            const cost c = once(executions, submit);
            for (const auto part : parts) {
                least.*part = std::min(least.*part, c.*part);
            }
        }
        return least;
    }

    void submit_batches(int executions, const json::object& like) const
    {
        for (int done = 0; done < executions; done += batch) {
            json::array items(static_cast<std::size_t>(std::min(batch, executions - done)), like);
            const auto reply = server_.post("/v1/executions/batch", json::object{{"executions", std::move(items)}});
            INFO(reply.body);
            REQUIRE(reply.status == 201);
        }
    }

private:
    template <class F>
    cost once(int executions, F submit)
    {
        const auto ended = [this] { return value<int>("select count(*) from rowlock.results"); };
        const int before = ended();
        const auto start = value<std::string>("select pg_current_wal_insert_lsn()");
        const double statements = server_.metric("rowlock_statements_total");
        listener_.get_notifs();
        wakes_.heard = 0;
        const auto began = std::chrono::steady_clock::now();
        submit();
        eventually("all have ended", [&] { return ended() == before + executions; });

        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
        cost c;
        const double said = server_.metric("rowlock_statements_total") - statements;
        pqxx::nontransaction look(looker_);
        // Until a commit has made them so, the last records are not on disk.
        look.exec("select txid_current()");
        const auto wal = look.exec(fmt::format("select \"resource_manager/record_type\", count, record_size from pg_get_wal_stats('{}', pg_current_wal_flush_lsn(), true)", start));
        for (const auto& row : wal) {
            const std::string what = row[0].c_str();
            const auto n = row[1].as<double>() / executions;
            c.wal_bytes += row[2].as<double>() / executions;
            if (what.starts_with("Heap/INSERT") || what.starts_with("Heap/UPDATE") || what.starts_with("Heap/HOT_UPDATE")) c.rows += n;
            if (what.starts_with("Heap2/MULTI_INSERT")) FAIL("rows are counted by their records, and " << what << " holds many");
            if (what.starts_with("Heap/DELETE")) c.removed += n;
            if (what.starts_with("Btree/INSERT") || what.starts_with("Gin/INSERT")) c.index_entries += n;
            if (what.starts_with("Transaction/COMMIT")) c.commits += n;
        }
        c.statements = said / executions;
        listener_.get_notifs();
        c.wakes = wakes_.heard / took.count();
        return c;
    }

    template <class T>
    T value(const std::string& sql)
    {
        return pqxx::nontransaction(looker_).exec(sql)[0][0].as<T>();
    }

    test_database database_;
    server_process server_;
    pqxx::connection looker_;
    pqxx::connection listener_;
    wake_counter wakes_;
};

}

TEST_CASE("what an execution costs the database does not rise", "[e2e][cost]")
{
    const json::object noop{{"job_id", "noop"}, {"parameters", {{"n", 1}}}};

    SECTION("in a batch that is started as it is submitted")
    {
        counted_server counted("20000");
        const cost c = counted.of(10 * batch, [&] { counted.submit_batches(10 * batch, noop); });
        check_within(c, {.rows = 2.01, .removed = 0.01, .index_entries = 3.02, .wal_bytes = 500, .commits = 0.01, .statements = 0.01});
    }
    SECTION("in a batch that waits in the queue")
    {
        counted_server counted("20000");
        const cost c = counted.of(10 * batch, [&] {
            json::object later = noop;
            later["scheduled_time"] = fmt::format("{:%FT%T}Z", fmt::gmtime(std::time(nullptr) + 3));
            counted.submit_batches(10 * batch, later);
        });
        check_within(c, {.rows = 2.01, .removed = 0.01, .index_entries = 3.02, .wal_bytes = 510, .commits = 0.01, .statements = 0.02});
    }
    SECTION("alone")
    {
        counted_server counted("20000");
        const cost c = counted.of(300, [&] {
            for (int i = 0; i < 300; ++i) REQUIRE(counted.server().post("/v1/executions", noop).status == 201);
        });
        check_within(c, {.rows = 3.05, .removed = 1.05, .index_entries = 5.05, .wal_bytes = 1050, .commits = 2.1, .statements = 2.2});
    }
    SECTION("alone, in the queue of an instance that has no room: others are told of it, but not of each one")
    {
        counted_server counted("1");
        const cost c = counted.of(300, [&] {
            for (int i = 0; i < 300; ++i) REQUIRE(counted.server().post("/v1/executions", noop).status == 201);
        });
        check_within(c, {.rows = 4.05, .removed = 1.05, .index_entries = 7.2, .wal_bytes = 1450, .commits = 4, .statements = 5, .wakes = 210});
    }
}
