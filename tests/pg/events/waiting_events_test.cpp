#include "tests/pg/events/event_database.hpp"

#include <catch2/catch.hpp>
#include <future>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

TEST_CASE("a batch window makes one execution of all events from the first on, in their order", "[pg][events]")
{
    event_database db;
    db.triggered("a", {R"("source":"s","batch_ms":5000)"});
    db.emit("s", "1");
    db.move_clock(3s);
    db.emit("s", "2");
    CHECK(db.decisions() == "a-1:WAITING a-1:WAITING");
    const auto before = db.flush();
    CHECK(before.executions == 0);
    REQUIRE(before.next);
    CHECK(*before.next <= 2s);
    CHECK(*before.next > 1s);
    db.move_clock(5s);
    const auto due = db.flush();
    CHECK(due.events == 2);
    CHECK(due.executions == 1);
    CHECK_FALSE(due.next);
    CHECK(db.value("select string_agg(e ->> 'payload', ',') from v_executions, jsonb_array_elements(parameters -> 'events') e") == "1,2");
    CHECK(db.value("select count(distinct execution_id) from v_trigger_activations") == "1");
    // The next event opens the next window.
    db.emit("s", "3");
    CHECK(db.flush().executions == 0);
    db.move_clock(10s);
    CHECK(db.flush().executions == 1);
    CHECK(db.violations() == "");
}

TEST_CASE("a batch that is too large for one execution makes several", "[pg][events]")
{
    event_database db;
    db.triggered("a", {R"("source":"s","batch_ms":1000)"});
    db.take("s", 2500);
    db.move_clock(2s);
    int made = 0;
    for (;;) {
        const auto step = db.flush();
        made += step.executions;
        if (!step.next) break;
        CHECK(*step.next == 0ms);
    }
    CHECK(made == 3);
    CHECK(db.value("select string_agg(jsonb_array_length(parameters -> 'events')::text, ',' order by execution_id) from v_executions") == "1000,1000,500");
    CHECK(db.value("select count(distinct e ->> 'event_id') from v_executions, jsonb_array_elements(parameters -> 'events') e") == "2500");
    CHECK(db.violations() == "");
}

TEST_CASE("a debounce makes one execution of the last event once it is quiet, at the latest after ten times as long", "[pg][events]")
{
    event_database db;
    db.triggered("a", {R"("source":"s","debounce_ms":2000)"});
    for (int i = 1; i <= 3; ++i) {
        db.emit("s", std::to_string(i));
        db.move_clock(i * 1500ms);
        CHECK(db.flush().executions == 0);
    }
    db.move_clock(3000ms + 2000ms);
    CHECK(db.flush().executions == 1);
    CHECK(db.value("select parameters -> 'event' ->> 'payload' from v_executions") == "3");
    CHECK(db.decisions() == "a-1:DEBOUNCED a-1:DEBOUNCED a-1:ACTIVATED");
    CHECK(db.value("select string_agg(distinct reason, ', ') from v_trigger_activations where outcome = 'DEBOUNCED'") == "a later event stands for it");

    // It is never quiet.
    int made = 0;
    for (int i = 0; i <= 20; ++i) {
        db.move_clock(100s + i * 1s);
        db.emit("s", std::to_string(100 + i));
        made += db.flush().executions;
        CHECK(made == (i >= 20 ? 1 : 0));
    }
    CHECK(db.violations() == "");
}

TEST_CASE("a window and a debounce together end with whichever comes first, and give the list", "[pg][events]")
{
    event_database db;
    db.triggered("a", {R"("source":"s","batch_ms":10000,"debounce_ms":2000)"});
    db.emit("s", "1");
    db.emit("s", "2");
    db.move_clock(2s);
    CHECK(db.flush().executions == 1);
    CHECK(db.value("select jsonb_array_length(parameters -> 'events') from v_executions") == "2");
    int made = 0;
    for (int i = 0; i <= 10; ++i) {
        db.move_clock(100s + i * 1s);
        db.emit("s");
        made += db.flush().executions;
    }
    CHECK(made == 1);
    CHECK(db.violations() == "");
}

TEST_CASE("a debounce that is busy does not grow: only its first and its last event are kept waiting", "[pg][events]")
{
    event_database db;
    db.triggered("a", {R"("source":"s","debounce_ms":60000)"});
    db.take("s", 500);
    while (db.flush(100).events > 0) {
    }
    CHECK(db.value("select count(*) from trigger_buffers") == "2");
    db.move_clock(60s);
    while (db.flush(100).events > 0) {
    }
    CHECK(db.value("select parameters -> 'event' ->> 'payload' from v_executions") == "500");
    CHECK(db.value("select count(*) filter (where outcome = 'DEBOUNCED') || ' ' || count(*) filter (where outcome = 'ACTIVATED') from v_trigger_activations") == "499 1");
    CHECK(db.violations() == "");
}

TEST_CASE("what waits for a trigger that is disabled or removed meanwhile makes nothing, and says so", "[pg][events]")
{
    event_database db;
    db.triggered("a", {R"("source":"s","batch_ms":1000)", R"("source":"s","batch_ms":1000)"});
    db.emit("s");
    db.rows("select switch_trigger_1(1, 'a-1', false, 'me', '')");
    db.triggered("a", {R"("source":"s","batch_ms":1000)"});
    db.flush();
    CHECK(db.value("select string_agg(trigger_id || ':' || outcome, ' ' order by trigger_id) from v_trigger_activations") == "a-1:TRIGGER_DISABLED a-2:TRIGGER_REMOVED");
    CHECK(db.executions_of("a") == "0");
    CHECK(db.violations() == "");
}

TEST_CASE("several instances that flush at once make each execution once, of every event exactly once", "[pg][events]")
{
    event_database db;
    std::vector<std::string> triggers;
    for (int i = 0; i < 10; ++i) {
        triggers.push_back(fmt::format(R"("source":"s{}","batch_ms":1)", i));
        triggers.push_back(fmt::format(R"("source":"s{}","debounce_ms":1)", i));
    }
    db.triggered("a", triggers);
    const auto emitted = [&](int from) {
        pqxx::connection c(db.url());
        for (int i = 0; i < 100; ++i) pqxx::nontransaction(c).exec(fmt::format("select rowlock.emit('s{}', to_jsonb({}))", i % 10, from + i));
    };
    std::atomic<bool> done{false};
    const auto flushing = [&] {
        storage::session s({.url = db.url()});
        while (!done.load()) {
            try {
                storage::flush_triggers(s, 0, 100, 100);
            } catch (const std::exception& e) {
                if (!storage::is_passing(e)) throw;
            }
        }
    };
    std::vector<std::future<void>> all;
    for (int i = 0; i < 3; ++i) all.push_back(std::async(std::launch::async, flushing));
    std::vector<std::future<void>> senders;
    for (int i = 0; i < 3; ++i) senders.push_back(std::async(std::launch::async, emitted, 1000 * i));
    for (auto& each : senders) each.get();
    done.store(true);
    for (auto& each : all) each.get();
    while (db.flush().next) {
    }
    CHECK(db.value("select count(*) || ' ' || count(distinct (e ->> 'event_id', trigger_id)) from v_executions, jsonb_array_elements(parameters -> 'events') e") == "300 300");
    CHECK(db.value("select count(*) from v_trigger_activations") == "600");
    // What a debounce leaves out, a later event of its source stands for.
    CHECK(db.value("select count(*) from v_trigger_activations a join v_events e using (event_id) where a.outcome = 'DEBOUNCED' and not exists ("
                   "  select from v_trigger_activations b join v_events l using (event_id) where b.trigger_id = a.trigger_id and b.outcome = 'ACTIVATED'"
                   "    and (l.received_time, l.event_id) > (e.received_time, e.event_id))") == "0");
    CHECK(db.violations() == "");
}

TEST_CASE("a transaction that has emitted and stays open keeps nobody waiting, and what it emitted is of a later batch", "[pg][events]")
{
    event_database db;
    db.triggered("a", {R"("source":"s","batch_ms":1)", R"("source":"s","debounce_ms":1)", R"("source":"s")"});
    pqxx::connection open(db.url());
    pqxx::work held(open);
    held.exec("select rowlock.emit('s', '\"held\"', 'its key')");

    db.rows("set lock_timeout = '1s'");
    db.emit("s", R"("free")");
    db.move_clock(1s);
    CHECK(db.flush().executions == 2);
    db.triggered("a", {R"("source":"s","batch_ms":1)", R"("source":"s","debounce_ms":2)", R"("source":"s")"});
    CHECK(db.executions_of("a") == "3");

    held.commit();
    CHECK(db.flush().executions == 2);
    CHECK(db.executions_of("a") == "6");
    CHECK(db.violations() == "");
}
