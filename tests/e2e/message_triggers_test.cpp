#include "tests/support/database_rows.hpp"
#include "tests/support/triggers.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>
#include <thread>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

void run_sql(const std::string& url, const std::string& sql)
{
    pqxx::connection session(url);
    pqxx::nontransaction(session).exec(sql);
}

// Two servers of one database that may read another.
struct reading_servers {
    test_database database;
    test_database shop;
    test_database archive;
    std::string archive_name = pqxx::connection(archive.url()).dbname();
    server_process one = start();
    server_process other = start();

    server_process start() const
    {
        return server_process({"serve", "--database", database.url(), "--auth", "none", "--scheduler-poll-interval-ms", "100"}, {{"ROWLOCK_SQL_CONNECTION_SHOP", shop.url()}, {"ROWLOCK_SQL_CONNECTION_ARCHIVE", archive.url()}});
    }
};

}

TEST_CASE("every row that is written to a table starts the job once, whichever server reads it and however late it was committed", "[e2e][events][messages]")
{
    private_postgres::of_this_run();
    reading_servers r;
    run_sql(r.shop.url(), "create table outbox (id bigint generated always as identity primary key, tx xid8 not null default pg_current_xact_id(), n int)");
    define_triggered(r.one, "reads", {{{"trigger_type", "MESSAGE"}, {"source", "shop"}, {"filter", "$.n >= 0"}, {"table", {{"connection", "shop"}, {"name", "outbox"}}}}});
    pqxx::connection late(r.shop.url());
    pqxx::work open(late);
    open.exec("insert into outbox (n) values (0)");
    std::vector<std::thread> writers;
    for (int w = 0; w < 3; ++w) {
        writers.emplace_back([&r, w] {
            pqxx::connection session(r.shop.url());
            for (int i = 0; i < 10; ++i) pqxx::nontransaction(session).exec(fmt::format("insert into outbox (n) values ({})", 1 + 10 * w + i));
        });
    }
    for (auto& each : writers) each.join();
    open.commit();
    eventually("every row has started the job", [&] { return count_of(r.one, "reads") >= 31; });
    run_sql(r.shop.url(), "insert into outbox (n) values (-1), (31)");
    eventually("the last row has started the job", [&] { return count_of(r.one, "reads") >= 32; });
    std::vector<int> numbers;
    for (const auto& run : runs_of(r.one, "reads")) numbers.push_back(run.at("parameters").at("event").at("payload").at("n").to_number<int>());
    std::sort(numbers.begin(), numbers.end());
    REQUIRE(numbers.size() == 32);
    for (int i = 0; i < 32; ++i) CHECK(numbers[static_cast<std::size_t>(i)] == i);
    CHECK(r.one.get("/v1/triggers/reads-1").json().at("read_failure").is_null());
}

TEST_CASE("a notification on a channel starts the job once, though two servers could hear it", "[e2e][events][messages]")
{
    private_postgres::of_this_run();
    reading_servers r;
    define_triggered(r.one, "hears", {{{"trigger_type", "MESSAGE"}, {"channel", {{"connection", "shop"}, {"name", "orders"}}}}});
    // Nobody listens at first, and what is sent then is lost.
    std::size_t sent = 0;
    eventually("somebody listens", [&] {
        ++sent;
        run_sql(r.shop.url(), R"(select pg_notify('orders', '{"first": true}'))");
        return count_of(r.one, "hears") > 0;
    });
    CHECK(count_of(r.one, "hears") <= sent);
    run_sql(r.shop.url(), R"(select pg_notify('orders', '{"n": 7}'))");
    run_sql(r.shop.url(), "select pg_notify('orders', 'plain words')");
    std::vector<json::value> payloads;
    eventually("both are heard", [&] {
        payloads.clear();
        for (const auto& run : runs_of(r.one, "hears")) payloads.push_back(run.at("parameters").at("event").at("payload"));
        return std::find(payloads.begin(), payloads.end(), json::value("plain words")) != payloads.end();
    });
    CHECK(std::count(payloads.begin(), payloads.end(), json::value("plain words")) == 1);
    CHECK(std::count(payloads.begin(), payloads.end(), json::value{{"n", 7}}) == 1);
}

TEST_CASE("a notification is taken in once, also when the server that heard the channel hangs in a table and another hears it as well", "[e2e][events][messages]")
{
    private_postgres::of_this_run();
    reading_servers r;
    // Two tables: a read is given up after ten seconds, and the hold on what is read lasts as long.
    for (const char* table : {"first", "second"}) {
        run_sql(r.shop.url(), fmt::format("create table {} (id bigint generated always as identity primary key, tx xid8 not null default pg_current_xact_id())", table));
        define_triggered(r.one, fmt::format("hangs-{}", table), {{{"trigger_type", "MESSAGE"}, {"table", {{"connection", "shop"}, {"name", table}}}}});
    }
    define_triggered(r.one, "hears-once", {{{"trigger_type", "MESSAGE"}, {"channel", {{"connection", "shop"}, {"name", "orders"}}}}});
    const auto holder = [&] { return std::string(rows_at(r.database.url(), "select coalesce(holder, 0) from message_sources where reads like '%channel%'")[0][0].c_str()); };
    const auto ears = [&] { return rows_at(r.shop.url(), "select from pg_stat_activity where datname = current_database() and query ilike 'listen%orders%'").size(); };
    eventually("a server listens", [&] { return ears() == 1; });
    const auto first_holder = holder();
    pqxx::connection locker(r.shop.url());
    pqxx::work lock(locker);
    lock.exec("lock table first, second in access exclusive mode");
    eventually("another server has taken the channel, and both listen", [&] { return holder() != first_holder && ears() == 2; });
    run_sql(r.shop.url(), "select pg_notify('orders', 'once')");
    eventually("it is heard", [&] { return count_of(r.one, "hears-once") > 0; });
    lock.abort();
    eventually("the first server has let the channel go", [&] { return ears() == 1; });
    run_sql(r.shop.url(), "select pg_notify('orders', 'the last')");
    eventually("this is heard too", [&] { return count_of(r.one, "hears-once") > 1; });
    std::vector<std::string> heard;
    for (const auto& run : runs_of(r.one, "hears-once")) heard.push_back(text_at(run, "/parameters/event/payload"));
    std::sort(heard.begin(), heard.end());
    CHECK(heard == std::vector<std::string>{"once", "the last"});
}

TEST_CASE("a source that cannot be read says why, and a connection that there is not is warned of", "[e2e][events][messages]")
{
    private_postgres::of_this_run();
    reading_servers r;
    const auto put = [&](const std::string& job, const char* connection) {
        const json::object trigger{{"trigger_type", "MESSAGE"}, {"table", {{"connection", connection}, {"name", "missing"}}}};
        return r.one.put("/v1/jobs/" + job, {{"handler", {{"type", "noop"}}}, {"triggers", json::array{trigger}}});
    };
    CHECK(put("amiss", "shop").json().at("warnings").as_array().empty());
    CHECK(put("nowhere", "nobody").json().at("warnings").as_array().size() == 1);
    const auto failure_of = [&](const char* trigger) { return text_at(r.one.get(std::string("/v1/triggers/") + trigger).json(), "/read_failure"); };
    eventually("the failure is shown", [&] { return failure_of("amiss-1").find("missing") != std::string::npos; });
    eventually("the failure is shown", [&] { return failure_of("nowhere-1").find("SQL_CONNECTIONS") != std::string::npos; });

    const auto open_archive = [&](bool open) { run_sql(r.shop.url(), fmt::format("alter database \"{}\" allow_connections {}", r.archive_name, open)); };
    open_archive(false);
    define_triggered(r.one, "deaf", {{{"trigger_type", "MESSAGE"}, {"channel", {{"connection", "archive"}, {"name", "orders"}}}}});
    eventually("the failure of a channel is shown", [&] { return failure_of("deaf-1").find("accepting connections") != std::string::npos; });
    open_archive(true);
    eventually("it is heard, and the failure is over", [&] { return r.one.get("/v1/triggers/deaf-1").json().at("read_failure").is_null(); });
}
