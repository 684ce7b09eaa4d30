#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <pqxx/pqxx>
#include <vector>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

constexpr const char* password = "pa55-never-shown";

// A server with a database of the jobs' own beside its own: `shop`, with a password in its URL; and one that nobody reaches.
struct sql_server {
    test_database own;
    test_database shop{"template0"};
    server_process server{{"serve", "--auth", "none", "--database", own.url(), "--executor-parallelism", "40", "--sql-max-connections", "2", "--force-kill-after-seconds", "5",
                           "--log-level", "debug"},
                          {{"ROWLOCK_SQL_CONNECTION_SHOP", shop_url()},
                           {"ROWLOCK_SQL_CONNECTION_NOWHERE", std::string("postgresql://clerk:") + password + "@127.0.0.1:1/shop"}}};

    // Another user than Rowlock's own, whom the cluster lets in without looking at the password.
    std::string shop_url() const
    {
        pqxx::connection session(shop.url());
        pqxx::nontransaction statements(session);
        if (statements.exec("select from pg_roles where rolname = 'clerk'").empty()) statements.exec("create role clerk login superuser");
        auto url = shop.url();
        const std::string before = "postgres@";
        return url.replace(url.find(before), before.size(), std::string("clerk:") + password + "@");
    }

    json::value run(const std::string& job, const std::string& statement, const json::object& parameters = {}, json::object handler = {}, const json::object& more = {}) const
    {
        define(job, statement, std::move(handler), more);
        return server.run(job, parameters);
    }
    void define(const std::string& job, const std::string& statement, json::object handler = {}, const json::object& more = {}) const
    {
        handler["type"] = "sql";
        if (!handler.contains("connection")) handler["connection"] = "shop";
        handler["statement"] = statement;
        json::object rest{{"retry_policy", {{"max_attempts", 1}}}};
        for (const auto& [name, value] : more) rest[name] = value;
        server.define(job, handler, rest);
    }
    std::string ask_shop(const std::string& query) const
    {
        pqxx::connection session(shop.url());
        pqxx::nontransaction statements(session);
        const auto rows = statements.exec(query);
        return rows.empty() ? std::string() : rows[0][0].c_str();
    }
};

sql_server& the_server()
{
    private_postgres::of_this_run();
    static sql_server one;
    return one;
}

std::string code_of(const json::value& end) { return text_at(end, "/result/error_code"); }

}

TEST_CASE("a sql job's rows are its outputs, with their types", "[e2e][sql]")
{
    const auto end = the_server().run("sql-rows", "select {{ parameters.n }} as n, {{ parameters.s }} as s, {{ parameters.list }} as list, 0.5::numeric as half, null as nothing, "
                                                  "timestamptz '2026-11-21 12:00:00+01' as at, {{ run_id }} as run",
                                      {{"n", 5}, {"s", "x"}, {"list", json::array{1, "a"}}});
    REQUIRE(end.at("status") == "COMPLETED");
    const json::value expected{{"n", 5}, {"s", "x"}, {"list", json::array{1, "a"}}, {"half", 0.5}, {"nothing", nullptr}, {"at", "2026-11-21T11:00:00.000000Z"},
                               {"run", text_at(end, "/run_id")}};
    CHECK(end.at_pointer("/result/outputs") == json::value{{"row_count", 1}, {"rows", json::array{expected}}});
    CHECK(end.at_pointer("/result/records_processed") == 1);
}

TEST_CASE("what a sql job changes is counted and committed before it has ended", "[e2e][sql]")
{
    auto& s = the_server();
    s.run("sql-table", "create table if not exists counted (id int primary key, run uuid)");
    const auto end = s.run("sql-insert", "insert into counted select i, {{ run_id }} from generate_series(1, {{ parameters.n }}) as i on conflict do nothing", {{"n", 250}});
    REQUIRE(end.at("status") == "COMPLETED");
    CHECK(end.at_pointer("/result/records_processed") == 250);
    CHECK(end.at_pointer("/result/outputs") == json::value{{"row_count", 250}, {"rows", json::array{}}});
    CHECK(s.ask_shop("select count(*) from counted") == "250");
    // Again: what is there already does no harm.
    CHECK(s.server.run("sql-insert", {{"n", 250}}).at_pointer("/result/records_processed") == 0);

    const auto many = s.run("sql-many", "select id from counted order by id", {}, {{"rows_limit", 3}});
    CHECK(many.at_pointer("/result/outputs/row_count") == 250);
    CHECK(many.at_pointer("/result/outputs/rows") == json::value{{{"id", 1}}, {{"id", 2}}, {{"id", 3}}});
    CHECK(many.at_pointer("/result/outputs/truncated") == true);
}

TEST_CASE("what a caller sends stays data", "[e2e][sql]")
{
    auto& s = the_server();
    s.run("sql-guarded-table", "create table if not exists guarded (v text)");
    s.define("sql-guarded", "insert into guarded values ({{ parameters.v }}) returning v");
    for (const std::string hostile : {"'; drop table guarded; --", "x'); delete from guarded; --", "$1", "{{ parameters.v }}", "\\'; select pg_sleep(60)", "\"", "/*"}) {
        const auto end = s.server.run("sql-guarded", {{"v", hostile}});
        REQUIRE(end.at("status") == "COMPLETED");
        CHECK(text_at(end, "/result/outputs/rows/0/v") == hostile);
    }
    CHECK(s.ask_shop("select count(*) from guarded") == "7");
}

TEST_CASE("a statement that PostgreSQL refuses fails with its SQLSTATE and leaves nothing behind", "[e2e][sql]")
{
    auto& s = the_server();
    CHECK(code_of(s.run("sql-wrong", "selekt 1")) == "SQL_42601");
    CHECK(code_of(s.run("sql-missing", "select * from not_there")) == "SQL_42P01");
    CHECK(code_of(s.run("sql-two", "create table first_of_two (i int); select 1")) == "SQL_42601");
    CHECK(s.ask_shop("select to_regclass('first_of_two') is null") == "t");
    CHECK(code_of(s.run("sql-read-only", "create table made_read_only (i int)", {}, {{"read_only", true}})) == "SQL_25006");
    CHECK(code_of(s.run("sql-slow", "select pg_sleep(60)", {}, {{"statement_timeout_seconds", 0.2}})) == "SQL_57014");
    CHECK(code_of(s.run("sql-no-parameter", "select {{ parameters.gone }}")) == "INVALID_CONFIG");
    CHECK(code_of(s.run("sql-copy", "copy (select 1) to stdout")) == "INVALID_CONFIG");
    // What one job leaves in its session the next does not find.
    s.run("sql-set", "select set_config('search_path', 'nowhere', false), pg_advisory_lock(7)");
    CHECK(text_at(s.run("sql-show", "select current_setting('search_path') as path"), "/result/outputs/rows/0/path").find("nowhere") == std::string::npos);
    CHECK(s.ask_shop("select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())") == "0");
}

TEST_CASE("a sql job that is cancelled, or takes too long, is ended at the server", "[e2e][sql]")
{
    auto& s = the_server();
    const std::string running = "select count(*) from pg_stat_activity where query like '%pg_sleep(61%' and state = 'active' and pid <> pg_backend_pid()";
    s.define("sql-cancelled", "select pg_sleep(611)");
    const auto id = s.server.submit("sql-cancelled");
    eventually("the statement runs", [&] { return s.ask_shop(running) == "1"; });
    CHECK(s.server.post("/v1/executions/" + id + "/cancel", json::object{{"reason", "enough"}}).status == 202);
    const auto cancelled = s.server.ended(id);
    CHECK(cancelled.at("status") == "CANCELLED");
    CHECK(text_at(cancelled, "/result/termination") == "GRACEFUL");
    CHECK(s.ask_shop(running) == "0");

    const auto late = s.run("sql-late", "select pg_sleep(612)", {}, {}, {{"timeout_seconds", 0.5}});
    CHECK(late.at("status") == "TIMEOUT");
    CHECK(text_at(late, "/result/termination") == "GRACEFUL");
    CHECK(s.ask_shop(running) == "0");
}

TEST_CASE("more sql jobs than connections wait for one, and a waiting one can be cancelled", "[e2e][sql]")
{
    auto& s = the_server();
    // All wait in the server until the gate, an advisory lock, opens.
    pqxx::connection gate(s.shop.url());
    pqxx::nontransaction statements(gate);
    statements.exec("select pg_advisory_lock(4711)");
    s.define("sql-gated", "select pg_advisory_xact_lock_shared(4711)");
    const std::string waiting = "select count(*) from pg_stat_activity where query like '%xact_lock_shared(4711)' and state = 'active' and pid <> pg_backend_pid()";
    std::vector<std::string> ids;
    for (int i = 0; i < 12; ++i) ids.push_back(s.server.submit("sql-gated"));
    for (const auto& id : ids) s.server.await_status(id, "RUNNING");
    eventually("both connections are used", [&] { return s.ask_shop(waiting) == "2"; });
    CHECK(s.server.post("/v1/executions/" + ids.back() + "/cancel", json::object{{"reason", "not now"}}).status == 202);
    CHECK(s.server.ended(ids.back()).at("status") == "CANCELLED");
    CHECK(s.ask_shop(waiting) == "2");
    statements.exec("select pg_advisory_unlock(4711)");
    ids.pop_back();
    for (const auto& id : ids) CHECK(s.server.ended(id).at("status") == "COMPLETED");
    CHECK(std::stoi(s.ask_shop("select count(*) from pg_stat_activity where application_name = 'rowlock sql job'")) <= 2);
}

TEST_CASE("a connection that breaks under a statement fails the attempt, and the next one succeeds", "[e2e][sql]")
{
    auto& s = the_server();
    s.run("sql-breaks-table", "create table if not exists breaks (run uuid, attempt int)");
    s.define("sql-breaks", "select pg_sleep(case when {{ attempt_number }} = 1 then 621 else 0 end), {{ attempt_number }} as attempt", {},
             {{"retry_policy", {{"max_attempts", 2}, {"initial_delay_seconds", 0}}}});
    const auto id = s.server.submit("sql-breaks");
    const std::string pids = "from pg_stat_activity where query like '%621%' and state = 'active' and pid <> pg_backend_pid()";
    eventually("the statement runs", [&] { return s.ask_shop("select count(*) " + pids) == "1"; });
    s.ask_shop("select pg_terminate_backend(pid) " + pids);
    const auto end = s.server.ended(id);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at("attempt_number") == 2);
    const auto first = s.server.execution(id);
    CHECK(code_of(first) == "CONNECTION_FAILED");
    CHECK(text_at(first, "/result/error_message").find("whether it was carried out is not known") != std::string::npos);
}

TEST_CASE("a connection that nobody has named is warned of, and fails the execution by name", "[e2e][sql]")
{
    auto& s = the_server();
    const auto put = s.server.put("/v1/jobs/sql-unknown", json::object{{"handler", {{"type", "sql"}, {"connection", "cellar"}, {"statement", "select 1"}}}, {"retry_policy", {{"max_attempts", 1}}}});
    REQUIRE(put.status == 201);
    CHECK(text_at(put.json(), "/warnings/0").find("There is no connection cellar here") != std::string::npos);
    const auto end = s.server.run("sql-unknown");
    CHECK(code_of(end) == "INVALID_CONFIG");
    CHECK(text_at(end, "/result/error_message").find("nowhere, shop") != std::string::npos);
    const auto refused = s.server.put("/v1/jobs/sql-quoted", json::object{{"handler", {{"type", "sql"}, {"connection", "shop"}, {"statement", "select '{{ parameters.n }}'"}}}});
    CHECK(refused.status == 422);
    CHECK(text_at(refused.json(), "/errors/0/field") == "handler.statement");
}

TEST_CASE("the password of a connection is nowhere to be seen", "[e2e][sql]")
{
    auto& s = the_server();
    const auto end = s.run("sql-nowhere", "select 1", {}, {{"connection", "nowhere"}});
    CHECK(code_of(end) == "CONNECTION_FAILED");
    s.run("sql-notice", std::string("do $$ begin raise notice 'noted'; end $$"));
    const auto noted = s.server.run("sql-notice");
    CHECK(s.server.get("/v1/executions/" + text_at(noted, "/execution_id") + "/log").body == "NOTICE: noted\n");
    CHECK(json::serialize(end).find(password) == std::string::npos);
    CHECK(s.server.get("/v1/errors").body.find(password) == std::string::npos);
    CHECK(s.server.get("/v1/jobs/sql-nowhere").body.find(password) == std::string::npos);
    CHECK(s.server.process().told().find(password) == std::string::npos);
    const auto shown = run_rowlock({"config"}, {{"ROWLOCK_SQL_CONNECTION_SHOP", std::string("postgresql://clerk:") + password + "@h/d"}});
    CHECK(shown.code == 0);
    CHECK(shown.out.find("postgresql://clerk:***@h/d") != std::string::npos);
    CHECK((shown.out + shown.err).find(password) == std::string::npos);
}

TEST_CASE("dev has a database for sql jobs, which is not Rowlock's own", "[e2e][sql][dev]")
{
    const scratch_folder folder;
    server_process dev({"dev", "--data", (folder.path() / "data").string()});
    const auto ask = [&dev](const std::string& job, const std::string& statement) {
        dev.define(job, json::object{{"type", "sql"}, {"connection", "dev"}, {"statement", statement}}, {{"retry_policy", {{"max_attempts", 1}}}});
        return dev.run(job);
    };
    const auto who = ask("who", "select current_database() as database, current_user as name, (select rolsuper from pg_roles where rolname = current_user) as super");
    REQUIRE(who.at("status") == "COMPLETED");
    CHECK(who.at_pointer("/result/outputs/rows/0") == json::value{{"database", "work"}, {"name", "work"}, {"super", false}});
    CHECK(ask("make", "create table mine (i int)").at("status") == "COMPLETED");
    CHECK(code_of(ask("reach", "select * from rowlock.executions")) == "SQL_42P01");
}
