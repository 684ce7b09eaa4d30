#include "storage/trigger_store.hpp"
#include "tests/pg/events/event_database.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

TEST_CASE("an event makes an execution for each trigger of its source that it passes, and what the others did is recorded", "[pg][events]")
{
    event_database db;
    db.triggered("a", {R"("source":"orders")", R"("source":"orders","filter":"$.payload.amount > 10")", R"("source":"others")"});
    const auto small = db.emit("orders", R"({"amount": 5})", "order-1");
    const auto large = db.emit("orders", R"({"amount": 50})");
    CHECK(db.decisions() == "a-1:ACTIVATED a-1:ACTIVATED a-2:FILTERED a-2:ACTIVATED");
    CHECK(db.value("select string_agg(reason, ', ') from v_trigger_activations where outcome = 'FILTERED'") == "the filter does not hold");
    const auto made = db.rows("select trigger_type, trigger_id, submitter, parameters -> 'event' ->> 'event_id', parameters -> 'event' ->> 'key',"
                              " parameters -> 'event' -> 'payload' ->> 'amount', parameters -> 'event' ->> 'source', parameters -> 'event' ? 'received_time'"
                              " from v_executions where trigger_id = 'a-1' order by execution_id");
    REQUIRE(made.size() == 2);
    CHECK(made[0][0].as<std::string>() == "EVENT");
    CHECK(made[0][2].as<std::string>() == "trigger:a-1");
    CHECK(made[0][3].as<std::string>() == small);
    CHECK(made[0][4].as<std::string>() == "order-1");
    CHECK(made[0][5].as<std::string>() == "5");
    CHECK(made[0][6].as<std::string>() == "orders");
    CHECK(made[0][7].as<std::string>() == "t");
    CHECK(made[1][3].as<std::string>() == large);
    CHECK(db.violations() == "");
}

TEST_CASE("a filter is a path on the event, whose payload's members can be named directly", "[pg][events]")
{
    struct row {
        const char* filter;
        const char* payload;
        bool passes;
    };
    const auto r = GENERATE(values<row>({
        {"$.payload.n > 1", R"({"n": 2})", true},       {"$.n > 1", R"({"n": 2})", true},
        {"$.n > 1", R"({"n": 1})", false},              {"$.n > 1", R"({"n": "x"})", false},
        {"$.n > 1", R"({})", false},                    {"$.source == \"s\"", R"({"source": "mine"})", true},
        {"$.payload.source == \"mine\"", R"({"source": "mine"})", true}, {"$.urgent", R"({"urgent": true})", true},
        {"$.urgent", R"({"urgent": false})", false},    {"$.urgent", R"({"urgent": null})", false},
        {"$.payload ? (@.n > 1)", R"({"n": 2})", true}, {"$.payload ? (@.n > 1)", R"({"n": 1})", false},
        {"$.payload[*] == 3", "[1, 2, 3]", true},       {"exists($.payload.a.b)", R"({"a": {"b": null}})", true},
        {"$.n.datetime() > \"x\"", R"({"n": 2})", false}, {"$n > 1", R"({"n": 2})", false},
        {"$.at.datetime() > \"2026-01-01\".datetime()", R"({"at": "2026-05-01T00:00:00+00:00"})", false},
    }));
    static event_database db;
    INFO(r.filter << " on " << r.payload);
    CHECK(db.value(fmt::format("select event_passes('{}', event_json(gen_random_uuid(), 's', null, '{}', now())::jsonb)", r.filter, r.payload)) == (r.passes ? "t" : "f"));
}

TEST_CASE("the same source and key within a day are one event", "[pg][events]")
{
    event_database db;
    db.triggered("a", {R"("source":"s")"});
    const auto first = db.emit("s", "{}", "k");
    CHECK(db.emit("s", R"({"n": 1})", "k") == first);
    CHECK(db.emit("other", "{}", "k") != first);
    CHECK(db.executions_of("a") == "1");
    CHECK(db.value("select count(*) from events") == "2");
    db.move_clock(23h + 59min);
    CHECK(db.emit("s", "{}", "k") == first);
    db.move_clock(24h + 1min);
    const auto second = db.emit("s", "{}", "k");
    CHECK(second != first);
    CHECK(db.emit("s", "{}", "k") == second);
    CHECK(db.executions_of("a") == "2");
    CHECK(db.violations() == "");
}

TEST_CASE("an event that is emitted in a transaction has come in, with its executions, if and only if that commits", "[pg][events]")
{
    event_database db;
    db.triggered("a", {R"("source":"s")"});
    db.rows("begin; select emit('s', '{}', 'k'); rollback");
    CHECK(db.value("select (select count(*) from events) + (select count(*) from executions) + (select count(*) from event_keys)") == "0");
    db.rows("begin; savepoint before; select emit('s'); rollback to before; select emit('s', '{\"n\": 2}', 'k'); commit");
    CHECK(db.value("select string_agg(payload ->> 'n', ',') from v_events") == "2");
    CHECK(db.executions_of("a") == "1");
    CHECK(db.violations() == "");
}

TEST_CASE("who may emit needs nothing but EXECUTE on emit, and emits for the tenant in rowlock.tenant", "[pg][events]")
{
    event_database db;
    const auto t2 = db.tenant("second");
    db.triggered("a", {R"("source":"s")"});
    db.triggered("b", {R"("source":"s")"}, t2);
    db.rows("do $$ begin create role emitter login; exception when duplicate_object then null; end $$");
    db.rows("grant usage on schema rowlock to emitter; grant execute on function emit(text, jsonb, text) to emitter");
    db.rows("set role emitter; select rowlock.emit('s'); set rowlock.tenant = 'second'; select rowlock.emit(source => 's', key => 'k'); reset role");
    CHECK(db.sqlstate("set role emitter; select count(*) from rowlock.events") == "42501");
    db.rows("reset role; reset rowlock.tenant");
    CHECK(db.value("select string_agg(tenant_id || ' ' || trigger_id || ' ' || (select submitter from v_events e where e.event_id = a.event_id), ', ' order by tenant_id)"
                   " from v_trigger_activations a") == "default a-1 sql:postgres, second b-1 sql:postgres");
    CHECK(db.sqlstate("set rowlock.tenant = 'nobody'; select emit('s')") == "22023");
    db.rows("reset rowlock.tenant; drop owned by emitter; drop role emitter");
}

TEST_CASE("emit refuses what is no event with all that is wrong, and changes nothing", "[pg][events]")
{
    struct row {
        const char* why;
        const char* call;
    };
    const auto r = GENERATE(values<row>({
        {"no source", "emit(null)"},
        {"an empty source", "emit('')"},
        {"a long source", "emit(repeat('x', 257))"},
        {"a payload that is null", "emit('s', null)"},
        {"a payload that is too large", "emit('s', to_jsonb(repeat('x', 1048577)))"},
        {"a payload that is too deep", "emit('s', (repeat('[', 61) || repeat(']', 61))::jsonb)"},
        {"a payload with a number that nobody could read", "emit('s', '{\"n\": 1e400}')"},
        {"an empty key", "emit('s', '{}', '')"},
        {"a long key", "emit('s', '{}', repeat('k', 256))"},
    }));
    static event_database db;
    INFO(r.why);
    CHECK(db.sqlstate(fmt::format("select {}", r.call)) == "22023");
    CHECK(db.value("select count(*) from events") == "0");
}

TEST_CASE("a trigger or a job that is disabled makes nothing of an event, which is recorded", "[pg][events]")
{
    event_database db;
    db.triggered("a", {R"("source":"s")", R"("source":"s","enabled":false)"});
    db.triggered("b", {R"("source":"s")"});
    db.rows("select switch_job_1(1, 'b', false, 'me', '', null)");
    db.rows("select switch_trigger_1(1, 'a-1', false, 'me', 'maintenance')");
    db.emit("s");
    CHECK(db.decisions() == "a-1:TRIGGER_DISABLED a-2:TRIGGER_DISABLED b-1:JOB_DISABLED");
    db.rows("select delete_job_1(1, 'b', 'me', '', null), switch_trigger_1(1, 'a-1', true, 'me', '')");
    db.emit("s");
    CHECK(db.decisions() == "a-1:TRIGGER_DISABLED a-1:ACTIVATED a-2:TRIGGER_DISABLED a-2:TRIGGER_DISABLED b-1:JOB_DISABLED");
    CHECK(db.value("select string_agg(action || ' ' || reason, ', ' order by at) from v_trigger_actions where trigger_id = 'a-1'") == "ADD , DISABLE maintenance, ENABLE ");
    CHECK(db.violations() == "");
}

TEST_CASE("a new version keeps what somebody switched and the secret, takes away what it does not have, and brings it back as it was", "[pg][events]")
{
    event_database db;
    const std::string hook = R"("source":"h","kind":4)";
    db.triggered("a", {R"("source":"s")", hook + R"(,"secret":"first")"});
    db.rows("select switch_trigger_1(1, 'a-1', false, 'me', '')");
    db.triggered("a", {R"("source":"s2")", hook});
    const auto state = [&] { return db.value("select string_agg(trigger_id || ' ' || source || ' ' || enabled || ' ' || coalesce(secret, ''), ', ' order by trigger_id) from triggers where removed_at is null"); };
    CHECK(state() == "a-1 s2 false , a-2 h true first");
    db.triggered("a", {R"("source":"s2")"});
    CHECK(state() == "a-1 s2 false ");
    CHECK_FALSE(storage::find_webhook(db.events(), "a-2"));
    db.triggered("a", {R"("source":"s2","enabled":true)", hook});
    CHECK(state() == "a-1 s2 true , a-2 h true first");
    db.triggered("a", {R"("source":"s2")", hook + R"(,"secret":"second")"});
    CHECK(storage::find_webhook(db.events(), "a-2")->secret == "second");
}

TEST_CASE("a trigger's id is one job's alone, over all tenants, and a webhook needs a secret", "[pg][events]")
{
    event_database db;
    const auto other = db.tenant("second");
    db.triggered("a", {R"("source":"s")"});
    const auto put = [&](std::string_view triggers) {
        return db.sqlstate(fmt::format(R"(select put_job_1({}, 'b', '{{}}', '{{"max_attempts": 1, "triggers": [{}]}}', true, 'me', '', null))", other.value, triggers));
    };
    CHECK(put(R"({"id":"a-1","kind":2,"source":"s","batch_ms":0,"debounce_ms":0})") == "RL425");
    CHECK(put(R"({"id":"w","kind":4,"source":"s","batch_ms":0,"debounce_ms":0})") == "RL425");
    CHECK(db.value("select count(*) from triggers") == "1");
    db.rows("select delete_job_1(1, 'a', 'me', '', null)");
    CHECK(put(R"({"id":"a-1","kind":2,"source":"s","batch_ms":0,"debounce_ms":0})") == "");
    CHECK(db.value("select job_id || ' ' || tenant_id from v_triggers") == "b second");
}

TEST_CASE("events that are taken in again under their ids, as a commit was in doubt, are taken in once and answered as before", "[pg][events]")
{
    event_database db;
    db.triggered("a", {R"("source":"s")", R"("source":"s","batch_ms":60000)"});
    storage::event_columns columns;
    for (std::uint32_t i = 0; i < 3; ++i) {
        columns.ids.add(execution_id::make(1'800'000'000'000, 77, i));
        columns.tenants.add(std::int32_t{1});
        columns.sources.add(i < 2 ? std::string_view("s") : std::string_view("nobody listens"));
        columns.keys.add_text_or_null(i == 1 ? "k" : "");
        columns.payloads.add(std::string_view("1"));
        columns.origins.add(std::int16_t{1});
    }
    const auto first = storage::take_events(db.events(), false, columns);
    const auto again = storage::take_events(db.events(), true, columns);
    REQUIRE(first.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(first[i].what == storage::taken_event::verdict::taken);
        CHECK(again[i].what == storage::taken_event::verdict::taken);
        CHECK(first[i].id == again[i].id);
        CHECK(first[i].activated == again[i].activated);
        CHECK(first[i].waiting == again[i].waiting);
    }
    CHECK(first[0].activated == R"(["a-1", "a-2"])");
    CHECK(first[0].waiting == R"(["a-2"])");
    CHECK(first[0].due == 60'000ms);
    CHECK(first[2].activated == "[]");
    CHECK(db.executions_of("a") == "2");
    CHECK(db.violations() == "");
}

TEST_CASE("a call of a webhook that was signed as one before is refused, and no event", "[pg][events]")
{
    event_database db;
    db.triggered("a", {R"("source":"hook","kind":4,"secret":"x")", R"("source":"hook")"});
    const auto call = [&](std::initializer_list<const char*> signatures) {
        storage::event_columns columns;
        const auto hook = storage::find_webhook(db.events(), "a-1");
        for (const auto* signature : signatures) {
            static std::uint32_t n = 0;
            columns.ids.add(execution_id::make(1'800'000'000'000, 78, n++));
            columns.tenants.add(hook->tenant.value);
            columns.sources.add(std::string_view(hook->source));
            columns.payloads.add(std::string_view("{}"));
            columns.origins.add(std::int16_t{3});
            columns.triggers.add(std::int32_t{hook->trigger});
            columns.signatures.add(std::string_view(signature));
        }
        std::string verdicts;
        for (const auto& one : storage::take_events(db.events(), false, columns)) verdicts += one.what == storage::taken_event::verdict::taken ? 't' : 'r';
        return verdicts;
    };
    CHECK(call({"aa", "bb", "aa"}) == "ttr");
    CHECK(call({"bb"}) == "r");
    // It activates its own trigger, and those that take every event of the source.
    CHECK(db.decisions() == "a-1:ACTIVATED a-1:ACTIVATED a-2:ACTIVATED a-2:ACTIVATED");
    // An event of that source that somebody emits does not pass for a signed call.
    db.emit("hook");
    CHECK(db.executions_of("a") == "5");
    CHECK(db.violations() == "");
}

TEST_CASE("events and what was done on them go together when they have been kept for long enough, but not what waits", "[pg][events]")
{
    event_database db;
    db.triggered("a", {R"("source":"s")", R"("source":"late","batch_ms":86400000)"});
    db.emit("s", "{}", "k");
    db.emit("late");
    CHECK(storage::sweep_events(db.events(), 1h, 100) == 0);
    db.move_clock(2h);
    CHECK(storage::sweep_events(db.events(), 1h, 100) == 1);
    CHECK(db.value("select source from v_events") == "late");
    CHECK(db.decisions() == "a-2:WAITING");
    CHECK(db.value("select what || ' ' || row_count from v_retention") == "events 1");
    CHECK(db.value("select count(*) from event_keys") == "1");
    db.move_clock(25h);
    db.flush();
    CHECK(storage::sweep_events(db.events(), 1h, 100) == 1);
    CHECK(db.value("select (select count(*) from event_keys) + (select count(*) from events)") == "0");
    CHECK_THROWS(storage::sweep_events(db.events(), 59min, 100));
    CHECK(db.violations() == "");
}

TEST_CASE("nobody changes an event or what was decided on it", "[pg][events]")
{
    event_database db;
    db.triggered("a", {R"("source":"s")"});
    db.emit("s");
    for (const char* table : {"events", "trigger_activations", "trigger_actions"}) {
        INFO(table);
        CHECK(db.sqlstate(fmt::format("delete from {}", table)) == "42501");
        CHECK(db.sqlstate(fmt::format("truncate {}", table)) == "42501");
        CHECK(db.sqlstate(fmt::format("set role rowlock_app; delete from {}", table)) == "42501");
        db.rows("reset role");
    }
    CHECK(db.sqlstate("update events set source = 'x'") == "42501");
}
