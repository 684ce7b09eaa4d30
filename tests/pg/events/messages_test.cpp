#include "storage/message_store.hpp"
#include "tests/pg/events/event_database.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* reads_outbox = R"("kind":3,"source":"s","reads":{"table":{"connection":"here","name":"public.outbox","id_column":"id","transaction_column":"tx"}})";

// A database with an outbox, which a trigger reads.
struct outbox {
    event_database db;
    instance_id me = db.instance(1h);
    std::unique_ptr<pqxx::connection> reader = storage::open_for_reading(db.url());

    outbox()
    {
        db.rows("create table public.outbox (id bigint generated always as identity primary key, tx xid8 not null default pg_current_xact_id(), n int)");
        db.triggered("a", {reads_outbox});
    }

    storage::message_source source()
    {
        const auto mine = storage::take_message_sources(db.events(), me, 10s, 10);
        REQUIRE(mine.size() == 1);
        return mine.front();
    }
    storage::message_rows read(int most = 100)
    {
        const auto from = source();
        return storage::read_messages(*reader, *from.table, from.place, most);
    }
    // How many rows have become events.
    int take(int most = 100)
    {
        const auto from = source();
        const auto rows = storage::read_messages(*reader, *from.table, from.place, most);
        if (rows.payloads.empty()) return 0;
        REQUIRE(storage::take_messages(db.events(), from, rows));
        return static_cast<int>(rows.payloads.size());
    }
    std::string seen() { return db.value("select string_agg(payload ->> 'n', ',' order by event_id) from v_events"); }
};

}

TEST_CASE("each row of a table is one event, from the first on, in the order of the transactions", "[pg][events][messages]")
{
    outbox o;
    o.db.rows("insert into public.outbox (n) select generate_series(1, 5)");
    CHECK(o.take(2) == 2);
    CHECK(o.take(2) == 2);
    CHECK(o.take(2) == 1);
    CHECK(o.take(2) == 0);
    o.db.rows("insert into public.outbox (n) values (6)");
    CHECK(o.take() == 1);
    CHECK(o.seen() == "1,2,3,4,5,6");
    CHECK(o.db.value("select string_agg(distinct origin || ' ' || source, '') from v_events") == "TABLE s");
    CHECK(o.db.executions_of("a") == "6");
    CHECK(o.db.violations() == "");
}

TEST_CASE("a row that is committed late is read, though rows with higher ids were committed before it", "[pg][events][messages]")
{
    outbox o;
    pqxx::connection late(o.db.url());
    pqxx::work open(late);
    open.exec("insert into public.outbox (n) values (1)");
    o.db.rows("insert into public.outbox (n) values (2)");
    // What came after a transaction that is still open has to wait for it.
    CHECK(o.take() == 0);
    open.commit();
    CHECK(o.take() == 2);
    CHECK(o.seen() == "1,2");
    pqxx::work undone(late);
    undone.exec("insert into public.outbox (n) values (3)");
    undone.abort();
    o.db.rows("insert into public.outbox (n) values (4)");
    CHECK(o.take() == 1);
    CHECK(o.seen() == "1,2,4");
}

TEST_CASE("rows that two instances have read become events once", "[pg][events][messages]")
{
    outbox o;
    o.db.rows("insert into public.outbox (n) select generate_series(1, 3)");
    const auto from = o.source();
    const auto rows = storage::read_messages(*o.reader, *from.table, from.place, 100);
    CHECK(storage::take_messages(o.db.events(), from, rows) == 3);
    CHECK_FALSE(storage::take_messages(o.db.events(), from, rows));
    CHECK(o.seen() == "1,2,3");
    CHECK(o.db.violations() == "");
}

TEST_CASE("a source is read by one instance at a time, until it does not renew", "[pg][events][messages]")
{
    outbox o;
    const auto other = o.db.instance(1h);
    CHECK(storage::take_message_sources(o.db.events(), o.me, 10s, 10).size() == 1);
    CHECK(storage::take_message_sources(o.db.events(), other, 10s, 10).empty());
    o.db.move_clock(9s);
    CHECK(storage::take_message_sources(o.db.events(), o.me, 10s, 10).size() == 1);
    o.db.move_clock(18s);
    CHECK(storage::take_message_sources(o.db.events(), other, 10s, 10).empty());
    o.db.move_clock(20s);
    CHECK(storage::take_message_sources(o.db.events(), other, 10s, 10).size() == 1);
}

TEST_CASE("while a trigger is disabled its rows wait, and one that reads another table begins with its first row", "[pg][events][messages]")
{
    outbox o;
    o.db.rows("insert into public.outbox (n) values (1)");
    CHECK(o.take() == 1);
    o.db.rows("insert into public.outbox (n) values (2)");
    const auto from = o.source();
    const auto rows = o.read();
    o.db.rows("select switch_trigger_1(1, 'a-1', false, 'me', '')");
    CHECK(storage::take_message_sources(o.db.events(), o.me, 10s, 10).empty());
    CHECK_FALSE(storage::take_messages(o.db.events(), from, rows));
    o.db.rows("select switch_trigger_1(1, 'a-1', true, 'me', '')");
    CHECK(o.take() == 1);
    CHECK(o.seen() == "1,2");

    o.db.rows("create table public.other (like public.outbox including all); insert into public.other (n) values (7)");
    o.db.triggered("a", {R"("kind":3,"source":"s","reads":{"table":{"connection":"here","name":"other","id_column":"id","transaction_column":"tx"}})"});
    CHECK(o.take() == 1);
    CHECK(o.seen() == "1,2,7");
}

TEST_CASE("a table that is not as it should be is said so, and nothing is lost", "[pg][events][messages]")
{
    outbox o;
    o.db.rows("alter table public.outbox rename to gone");
    CHECK_THROWS_WITH(o.read(), Catch::Contains("outbox"));
    storage::note_message_failure(o.db.events(), o.source().trigger, "relation \"outbox\" does not exist");
    CHECK(o.db.value("select read_failure from v_triggers") == "relation \"outbox\" does not exist");
    o.db.rows("alter table public.gone rename to outbox; insert into public.outbox (n) values (1)");
    CHECK(o.take() == 1);
    CHECK(o.db.value("select read_failure is null from v_triggers") == "t");
}
