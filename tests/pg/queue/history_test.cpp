#include "tests/pg/queue/queue_traffic.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;

namespace {

constexpr const char* insufficient_privilege = "42501";

// Tables that keep history, with a column of each.
constexpr std::array<std::pair<const char*, const char*>, 6> history{{{"executions", "job_key"},
                                                                       {"results", "status"},
                                                                       {"job_versions", "author"},
                                                                       {"checkpoints", "stage"},
                                                                       {"artifacts", "name"},
                                                                       {"extra_transitions", "reason"}}};

// One row at least in each of them.
void write_history(queue_database& db)
{
    const auto job = db.job("a");
    const auto me = db.instance();
    submission sent;
    sent.extent(job, 2).commit(db.service());
    REQUIRE(hand_back(db.service(), me, claim_one(db.service(), me)) == 2);
    const auto x = claim_one(db.service(), me);
    REQUIRE(ends(x).all(sent.ids()).commit(db.service(), me).empty());
    const auto id = sent.id().str();
    db.rows(fmt::format("insert into checkpoints (execution_id, run_id, checkpoint_number, sha256, body) values ('{0}', '{0}', 1, '', '');"
                        "insert into artifacts (run_id, name, execution_id, sha256, size_bytes) values ('{0}', 'a', '{0}', '', 0)", id));
}

}

// A plan that was made for a day without rows is still used when the day has filled: any other index would be read from end to end for each id.
TEST_CASE("in a day without rows, an id is looked up by the primary key", "[pg][queue]")
{
    queue_database db;
    db.rows("analyze executions");
    std::string plan;
    for (const auto& row : db.rows("set enable_seqscan = off; set enable_bitmapscan = off; set plan_cache_mode = force_generic_plan; "
                                   "prepare looked_up(uuid[], int[]) as select e.run_id from unnest($1, $2) u (id, n) "
                                   "cross join lateral (select * from executions e where e.execution_id = u.id) e; explain (costs off) execute looked_up('{}', '{}')")) {
        plan += row[0].as<std::string>() + '\n';
    }
    INFO(plan);
    CHECK(plan.find("_pkey") != std::string::npos);
    CHECK(plan.find("job_key") == std::string::npos);
}

TEST_CASE("history refuses every change, also to a superuser", "[pg][queue]")
{
    queue_database db;
    write_history(db);
    for (const auto& [table, column] : history) {
        INFO(table);
        REQUIRE(db.value(fmt::format("select count(*) > 0 from {}", table)) == "t");
        CHECK(db.sqlstate(fmt::format("update {0} set {1} = {1}", table, column)) == insufficient_privilege);
        CHECK(db.sqlstate(fmt::format("delete from {}", table)) == insufficient_privilege);
        CHECK(db.sqlstate(fmt::format("truncate {}", table)) == insufficient_privilege);
        CHECK(db.sqlstate(fmt::format("truncate {} cascade", table)) == insufficient_privilege);
    }
    CHECK(db.violations() == "");
}

TEST_CASE("the partitions of history refuse every change, too", "[pg][queue]")
{
    queue_database db;
    write_history(db);
    const auto partitions = db.rows("select inhrelid::regclass::text, inhparent = 'executions'::regclass from pg_inherits"
                                    " where inhparent in ('executions'::regclass, 'results'::regclass)");
    REQUIRE(partitions.size() >= 6);
    int with_rows = 0;
    for (const auto& row : partitions) {
        const auto table = row[0].as<std::string>();
        INFO(table);
        if (db.value("select count(*) from " + table) != "0") {
            ++with_rows;
            CHECK(db.sqlstate("update " + table + " set execution_id = execution_id") == insufficient_privilege);
            CHECK(db.sqlstate("delete from " + table) == insufficient_privilege);
        }
        CHECK(db.sqlstate("truncate " + table) == insufficient_privilege);
    }
    CHECK(with_rows >= 2);
    CHECK(db.violations() == "");
}

TEST_CASE("the role of the service has no privilege to change history", "[pg][queue]")
{
    queue_database db;
    const auto held = db.rows("select c.relname, p from pg_class c join pg_namespace n on n.oid = c.relnamespace, unnest(array['UPDATE', 'DELETE', 'TRUNCATE']) p"
                              " where n.nspname = 'rowlock' and c.relkind in ('r', 'p') and has_table_privilege('rowlock_app', c.oid, p)"
                              " and (c.relname ~ '^(executions|results)' or c.relname in ('job_versions', 'checkpoints', 'artifacts', 'extra_transitions', 'logs', 'migrations', 'manual_retries', 'retention_log', 'history_days', 'run_borders'))");
    for (const auto& row : held) UNSCOPED_INFO(row[1].as<std::string>() << " on " << row[0].as<std::string>());
    CHECK(held.empty());
    const auto columns = db.value("select count(*) from unnest(array['executions', 'results']) t where has_any_column_privilege('rowlock_app', t, 'UPDATE')");
    CHECK(columns == "0");
    // And the sessions of the service do work as that role.
    CHECK(db.service().run("select current_user")[0][0].as<std::string>() == "rowlock_app");
    CHECK_THROWS_AS(db.service().run("delete from results"), pqxx::insufficient_privilege);
    CHECK_THROWS_AS(db.service().run("drop table results"), pqxx::sql_error);
}

TEST_CASE("an auditor reads the views, with no search path set, and nothing else", "[pg][queue]")
{
    queue_database db;
    write_history(db);
    pqxx::connection c(db.url());
    const auto run = [&](const std::string& sql) { return pqxx::nontransaction(c).exec(sql); };
    run("set role rowlock_auditor");
    for (const auto& row : db.rows("select viewname from pg_views where schemaname = 'rowlock' and viewname like 'v\\_%'")) {
        const auto view = row[0].as<std::string>();
        INFO(view);
        CHECK_NOTHROW(run("select * from rowlock." + view));
    }
    CHECK(run("select attempts from rowlock.v_runs").size() == 2);
    CHECK_THROWS_AS(run("select * from rowlock.executions"), pqxx::insufficient_privilege);
    CHECK_THROWS_AS(run("select * from rowlock.tokens"), pqxx::insufficient_privilege);
    run("reset role");
    CHECK(run("select * from rowlock.violations()").empty());
}
