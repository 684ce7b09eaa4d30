#include "ops/dev_postgres.hpp"
#include "ops/doctor/checks.hpp"
#include "storage/instance_store.hpp"
#include "storage/migrator.hpp"
#include "storage/retention_store.hpp"
#include "tests/pg/queue/queue_traffic.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/scratch_folder.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fmt/format.h>

// Each bad thing is done, and the doctor has to see it, with a figure and a remedy.

using namespace rowlock;
using namespace rowlock::test;
using ops::severity;

namespace {

std::vector<ops::finding> all_of(const std::vector<ops::finding>& all, const std::string& check)
{
    std::vector<ops::finding> some;
    std::copy_if(all.begin(), all.end(), std::back_inserter(some), [&](const ops::finding& one) { return one.check == check; });
    INFO(check);
    REQUIRE_FALSE(some.empty());
    for (const auto& one : some) {
        INFO(one.detail);
        CHECK((one.level == severity::fine) == one.remedy.empty());
    }
    return some;
}

ops::finding only(const std::vector<ops::finding>& all, const std::string& check)
{
    const auto some = all_of(all, check);
    REQUIRE(some.size() == 1);
    return some.front();
}

bool contains(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

}

TEST_CASE("doctor names the settings of a server that hurt, what holds WAL, and what is prepared", "[pg][doctor]")
{
    const scratch_folder folder;
    auto cluster = ops::dev_postgres::start({.data_dir = folder.path() / "data",
                                             .settings = {{"fsync", "off"}, {"full_page_writes", "off"}, {"autovacuum", "off"}, {"track_counts", "off"}, {"synchronous_commit", "off"},
                                                          {"jit", "on"}, {"shared_buffers", "16MB"}, {"max_wal_size", "64MB"}, {"autovacuum_naptime", "10min"},
                                                          {"max_connections", "16"}, {"max_prepared_transactions", "4"}}});
    REQUIRE(cluster.has_value());
    REQUIRE(storage::migrate(cluster->url()).has_value());
    pqxx::connection session(cluster->url());
    pqxx::nontransaction tx(session);
    tx.exec("select pg_create_physical_replication_slot('left_behind', true)");
    tx.exec("create table held (n int)");
    tx.exec("begin; insert into held values (1); prepare transaction 'half''done'");
    tx.exec("select pg_switch_wal(); create table more (n int)");

    ops::doctor_limits strict;
    strict.old_transaction = std::chrono::seconds{0};
    strict.slot_bytes = 1;
    const auto found = ops::check_database(cluster->url(), strict);
    for (const char* check : {"fsync", "full_page_writes", "autovacuum", "track_counts", "synchronous_commit"}) {
        const auto one = only(found, std::string("database.") + check);
        CHECK(one.level == severity::problem);
        CHECK(contains(one.detail, "is off"));
        CHECK(contains(one.remedy, check));
    }
    for (const auto& [check, figure] : {std::pair{"jit", "is on"}, std::pair{"shared_buffers", "is 16MB, wanted is 128 MB"}, std::pair{"max_wal_size", "is 64MB, wanted is 1 GB"},
                                        std::pair{"autovacuum_naptime", "is 600 s"}}) {
        const auto one = only(found, std::string("database.") + check);
        CHECK(one.level == severity::warning);
        CHECK(contains(one.detail, figure));
        CHECK(contains(one.remedy, check));
    }
    CHECK(only(found, "database.connections").level == severity::problem);
    const auto slot = only(found, "database.replication_slots");
    CHECK(slot.level == severity::warning);
    CHECK(contains(slot.detail, "left_behind"));
    CHECK(contains(slot.remedy, "pg_drop_replication_slot('left_behind')"));
    const auto prepared = only(found, "database.prepared_transactions");
    CHECK(prepared.level == severity::warning);
    CHECK(contains(prepared.remedy, "ROLLBACK PREPARED 'half''done'"));
    // By the usual limits neither is worth a word yet.
    CHECK(only(ops::check_database(cluster->url()), "database.replication_slots").level == severity::fine);
    CHECK(only(ops::check_database(cluster->url()), "database.prepared_transactions").level == severity::fine);
}

TEST_CASE("doctor says who holds a transaction open, since when, and how to end it", "[pg][doctor]")
{
    queue_database db;
    pqxx::connection idle(db.url() + "&application_name=forgotten");
    pqxx::work open(idle);
    const auto pid = open.exec1("select pg_backend_pid()")[0].as<int>();
    ops::doctor_limits strict;
    strict.old_transaction = std::chrono::seconds{0};
    const auto one = only(ops::check_database(db.url(), strict), "database.oldest_transaction");
    CHECK(one.level == severity::warning);
    for (const auto& part : {std::string("forgotten"), fmt::format("pid {}", pid), std::string("idle in transaction"), std::string(" s (")}) CHECK(contains(one.detail, part));
    CHECK(contains(one.remedy, fmt::format("pg_terminate_backend({})", pid)));
    const auto young = only(ops::check_database(db.url()), "database.oldest_transaction");
    CHECK(young.level == severity::fine);
    CHECK(contains(young.detail, " s old"));
}

TEST_CASE("doctor sees dead rows, empty space, tables that are not cleaned up, and transaction ids that run out", "[pg][doctor]")
{
    queue_database db;
    const auto job = db.job("a");
    db.rows("alter table extents set (autovacuum_enabled = false)");
    for (int i = 0; i < 3; ++i) {
        submission sent;
        for (int n = 0; n < 40; ++n) sent.extent(job);
        sent.commit(db.service());
    }
    db.rows("delete from extents");
    ops::doctor_limits strict;
    strict.dead_rows = 50;
    strict.transaction_ids = 1;
    // The figures come from statistics that sessions send when they are idle.
    eventually("the statistics tell of the dead rows", [&] {
        db.rows("select pg_stat_force_next_flush()");
        return db.value("select n_dead_tup >= 120 from pg_stat_user_tables where relid = 'extents'::regclass") == "t";
    });
    const auto found = ops::check_database(db.url(), strict);
    const auto bloat = all_of(found, "database.bloat").front();
    CHECK(bloat.level == severity::warning);
    CHECK(contains(bloat.detail, "rowlock.extents has 120 dead rows beside 0 live ones"));
    CHECK(contains(bloat.remedy, "VACUUM (ANALYZE) rowlock.extents"));
    const auto vacuum = only(found, "database.autovacuum_of_tables");
    CHECK(vacuum.level == severity::warning);
    CHECK(contains(vacuum.detail, "extents"));
    const auto ids = only(found, "database.transaction_ids");
    CHECK(ids.level == severity::warning);
    CHECK(contains(ids.remedy, "FREEZE"));

    ops::doctor_limits spacious;
    spacious.table_bytes = 1024;
    db.rows("vacuum (truncate off) extents");
    eventually("the statistics tell of the vacuum", [&] { return db.value("select n_dead_tup from pg_stat_user_tables where relid = 'extents'::regclass") == "0"; });
    const auto empty = all_of(ops::check_database(db.url(), spacious), "database.bloat");
    const auto of_extents = std::find_if(empty.begin(), empty.end(), [](const ops::finding& one) { return contains(one.detail, "rowlock.extents takes"); });
    REQUIRE(of_extents != empty.end());
    CHECK(contains(of_extents->remedy, "VACUUM FULL rowlock.extents"));
}

TEST_CASE("doctor misses the partitions of today and tomorrow", "[pg][doctor]")
{
    test_database bare;
    CHECK(only(ops::check_database(bare.url()), "database.partitions").level == severity::fine);

    queue_database db;
    db.instance();
    CHECK(only(ops::check_database(db.url()), "database.partitions").level == severity::fine);
    const auto name_of = [&](const char* day) { return db.value(fmt::format("select 'results_' || to_char((clock() at time zone 'UTC')::date + {}, 'YYYYMMDD')", day)); };
    db.rows("drop table " + name_of("1"));
    const auto tomorrow = only(ops::check_database(db.url()), "database.partitions");
    CHECK(tomorrow.level == severity::warning);
    CHECK(contains(tomorrow.detail, name_of("1")));
    db.rows("drop table " + name_of("0"));
    const auto today = only(ops::check_database(db.url()), "database.partitions");
    CHECK(today.level == severity::problem);
    CHECK(contains(today.remedy, "make_partitions"));
}

TEST_CASE("doctor sees when retention does not keep up", "[pg][doctor][retention]")
{
    queue_database db;
    const auto found = [&] { return only(ops::check_database(db.url()), "database.retention"); };
    CHECK(found().level == severity::fine);
    const auto me = db.instance(std::chrono::hours{24 * 365});
    REQUIRE(storage::take_retention_turn(db.service(), me, std::chrono::minutes{1}, {.errors_per_queue = 10, .errors = std::chrono::hours{1}, .history = std::chrono::hours{24}}));
    storage::note_retention_round(db.service(), me);
    CHECK(contains(found().detail, "what has outlived its time goes"));

    db.rows("insert into errors (error_id, queue, tenant_key) select gen_random_uuid(), 3, 1 from generate_series(1, 21)");
    CHECK(contains(found().detail, "is in execution_errors"));
    db.rows("delete from errors where error_id = (select error_id from errors limit 1)");
    CHECK(found().level == severity::fine);

    db.move_clock(std::chrono::hours{30});
    CHECK(contains(found().detail, "nothing has been swept for"));
    storage::note_retention_round(db.service(), me);
    CHECK(found().level == severity::fine);
    // Days that are known, and that nobody comes to look at; then one that is read all the time.
    db.move_clock({});
    storage::drop_history(db.service(), std::chrono::hours{24}, 10);
    db.move_clock(std::chrono::hours{24 * 3});
    storage::drop_history(db.service(), std::chrono::hours{24}, 10);
    db.move_clock(std::chrono::hours{24 * 9});
    storage::note_retention_round(db.service(), me);
    db.rows("update history_days set look_at = clock() - interval '3 days'");
    CHECK(contains(found().detail, "dropping does not keep up"));
    db.rows("update history_days set pinned_by = 'a reader'");
    CHECK(contains(found().detail, "but for readers"));
}

TEST_CASE("doctor sees work that waits for nobody, and what dead instances have left", "[pg][doctor]")
{
    queue_database db;
    const auto job = db.job("a");
    submission sent;
    sent.extent(job, 3).extent(db.job("b"), 2).commit(db.service());
    const auto unattended = only(ops::check_database(db.url()), "database.instances");
    CHECK(unattended.level == severity::problem);
    CHECK(contains(unattended.detail, "5 executions wait"));

    const auto me = db.instance(std::chrono::seconds{30});
    CHECK(claim(db.service(), me).size() == 2);
    CHECK(only(ops::check_database(db.url()), "database.instances").level == severity::fine);
    db.move_clock(std::chrono::seconds{600});
    const auto late = only(ops::check_database(db.url()), "database.instances");
    CHECK(late.level == severity::problem);
    CHECK(contains(late.detail, fmt::format("instance {} ", me.value)));
    CHECK(contains(late.detail, "5 executions that nobody has taken over"));
    CHECK(contains(late.remedy, "Start an instance"));
}

TEST_CASE("doctor sees that instances are drained, and that work is placed where nobody is", "[pg][doctor][confine]")
{
    queue_database db;
    const auto placed = db.job("placed", {.rules = R"({"limits": {"placement": {"region": "eu"}}})"});
    const auto me = db.instance();
    const auto other = db.instance();
    CHECK(only(ops::check_database(db.url()), "database.instances").level == severity::fine);
    submission sent;
    sent.extent(placed, 3).commit(db.service());
    const auto misplaced = only(ops::check_database(db.url()), "database.instances");
    CHECK(misplaced.level == severity::warning);
    CHECK(contains(misplaced.detail, "labels that no live instance has: placed"));
    db.rows("update lanes set placement = null");

    storage::drain(db.service(), me, true, "tester", "");
    const auto one = only(ops::check_database(db.url()), "database.instances");
    CHECK(one.level == severity::warning);
    CHECK(contains(one.detail, "1 of 2 live instances are drained"));
    storage::drain(db.service(), other, true, "tester", "");
    const auto all = only(ops::check_database(db.url()), "database.instances");
    CHECK(all.level == severity::problem);
    CHECK(contains(all.detail, "every live instance is drained, and 3 executions wait"));
    CHECK(contains(all.remedy, "resume"));
}

TEST_CASE("doctor knows a pooler by sessions that share a server process", "[pg][doctor]")
{
    queue_database db;
    storage::session one({.url = db.url()});
    storage::session other({.url = db.url()});
    CHECK(ops::check_pooling(one, other).level == severity::fine);
    // Behind a pooler in transaction mode two idle clients get the server process that was free last: the same.
    const auto shared = ops::check_pooling(one, one);
    CHECK(shared.level == severity::problem);
    CHECK(contains(shared.remedy, "pool_mode = session"));
}

TEST_CASE("doctor reports broken invariants one by one", "[pg][doctor]")
{
    queue_database db;
    submission sent;
    sent.extent(db.job("a"), 3).commit(db.service());
    db.rows("update extents set remaining = 2");
    const auto found = ops::check_invariants(db.url());
    CHECK(only(found, "invariants.remaining is wrong").level == severity::problem);
}

TEST_CASE("free space on the disk is judged by what is left and by its share", "[pg][doctor]")
{
    constexpr std::uint64_t gibibyte = 1ULL << 30;
    CHECK(ops::verdict_of_space(100 * gibibyte, 200 * gibibyte) == severity::fine);
    CHECK(ops::verdict_of_space(15 * gibibyte, 200 * gibibyte) == severity::warning);
    CHECK(ops::verdict_of_space(3 * gibibyte, 200 * gibibyte) == severity::problem);
    CHECK(ops::verdict_of_space(gibibyte, 4 * gibibyte) == severity::warning);
    CHECK(ops::verdict_of_space(gibibyte / 8, gibibyte) == severity::problem);
    queue_database db;
    const auto disk = only(ops::check_database(db.url()), "database.disk");
    CHECK(contains(disk.detail, "MiB are free below"));
}
