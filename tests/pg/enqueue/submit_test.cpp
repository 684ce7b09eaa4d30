#include "tests/pg/queue/queue_traffic.hpp"
#include "tests/support/sql_user.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

// Makes the job, or its next version, with this definition.
void define(queue_database& db, std::string_view job_id, std::string_view definition, std::string_view rules = "{}", std::string_view tenant = "default")
{
    db.rows(fmt::format("select put_job_1(tenant_of('{}'), '{}', '{}', jsonb_build_object('max_attempts', 3) || '{}', true, 'test', '', null)", tenant, job_id, definition, rules));
}

std::string executions(queue_database& db)
{
    return db.value("select count(*) from executions");
}

}

TEST_CASE("what SQL submits is there if and when the transaction of its user commits", "[pg][enqueue]")
{
    queue_database db;
    define(db, "a", "{}");
    sql_user user(db.url());
    SECTION("a rollback leaves nothing")
    {
        user.run("begin; select rowlock.submit('a'); select rowlock.submit('a', idempotency_key => 'k'); select rowlock.submit_many('a', array['{}', '{}']::jsonb[])");
        CHECK(executions(db) == "0");
        user.run("rollback");
        CHECK(executions(db) == "0");
        CHECK(db.value("select count(*) from extents") == "0");
        CHECK(db.value("select count(*) from idempotency_keys") == "0");
    }
    SECTION("a savepoint takes back what came after it")
    {
        user.run("begin");
        const auto kept = user.value("select rowlock.submit('a')");
        user.run("savepoint s; select rowlock.submit('a', idempotency_key => 'k'); rollback to s");
        const auto other = user.value("select rowlock.submit('a', idempotency_key => 'k', priority => 3)");
        user.run("commit");
        CHECK(db.value("select string_agg(execution_id::text, ' ' order by execution_id) from v_executions where status = 'QUEUED'") == kept + " " + other);
    }
    SECTION("a commit in two phases is one")
    {
        const auto id = user.value("begin; select rowlock.submit('a')");
        user.run("savepoint s; release s; commit");
        CHECK(db.value("select submitter || ' ' || trigger_type from v_executions where execution_id = '" + id + "'") == "sql:sql_user MANUAL");
    }
    CHECK(db.violations() == "");
}

TEST_CASE("a role that may call the functions for users may do nothing else", "[pg][enqueue]")
{
    queue_database db;
    define(db, "a", "{}");
    sql_user user(db.url());
    CHECK(user.try_to("select rowlock.submit('a')").state == "");
    for (const char* sql : {"select * from rowlock.executions", "select * from rowlock.v_executions", "select * from rowlock.jobs_in_force", "insert into rowlock.plan_work (kind) values (7)",
                            "select rowlock.enqueue_1(array[1], null, null, null, null, null, null, null, null)", "select rowlock.take_key_1(1, 'k', '{}', gen_random_uuid(), null)",
                            "select rowlock.tell_settings_1(array['PRIORITY_AGE_SECONDS'], array['0'])", "select rowlock.cancel_1(null, '{}', 'me', '')", "select nextval('rowlock.blocks')"}) {
        INFO(sql);
        CHECK(user.try_to(sql).state == "42501");
    }
    // Not by way of an object of its own, either.
    user.run("create temporary table jobs_in_force (x int); set search_path = pg_temp, public");
    CHECK(user.try_to("select rowlock.submit('a')").state == "");
    db.rows("do $$ begin if not exists (select from pg_roles where rolname = 'sql_stranger') then create role sql_stranger; end if; end $$; grant usage on schema rowlock to sql_stranger");
    CHECK(db.value("select string_agg(p.oid::regprocedure::text, ', ') from pg_proc p where p.pronamespace = 'rowlock'::regnamespace and has_function_privilege('sql_stranger', p.oid, 'execute')") == "");
}

TEST_CASE("SQL submits with the defaults that HTTP has", "[pg][enqueue]")
{
    queue_database db;
    define(db, "a", R"({"parameters": {"x": 1, "y": {"z": 2}}, "resources": {"priority": 7}, "tags": {"t": "of the job"}})", R"({"queue_timeout_ms": 60000})");
    sql_user user(db.url());
    const auto shown = [&](const std::string& call) {
        const auto id = user.value("select rowlock.submit(" + call + ")");
        return db.value(fmt::format("select concat_ws(' | ', parameters, priority, status, correlation_id, tags, scheduled_time, attempt_number, job_version) from v_executions where execution_id = '{}'", id));
    };
    CHECK(shown("'a'") == R"({"x": 1, "y": {"z": 2}} | 7 | QUEUED | {} | 1 | 1)");
    CHECK(shown("'a', null, null") == R"({"x": 1, "y": {"z": 2}} | 7 | QUEUED | {} | 1 | 1)");
    CHECK(shown("'a', 'null'") == R"({"x": 1, "y": {"z": 2}} | 7 | QUEUED | {} | 1 | 1)");
    CHECK(shown(R"('a', '{"y": null, "n": 1}', -5, correlation_id => 'c')") == R"({"n": 1, "x": 1, "y": null} | -5 | QUEUED | c | {} | 1 | 1)");
    CHECK(shown("'a', scheduled_time => '2100-01-01T00:00:00Z'") == R"({"x": 1, "y": {"z": 2}} | 7 | PENDING | {} | 2100-01-01 00:00:00+00 | 1 | 1)");
    CHECK(shown("'a', scheduled_time => '2000-01-01T00:00:00Z'") == R"({"x": 1, "y": {"z": 2}} | 7 | QUEUED | {} | 2000-01-01 00:00:00+00 | 1 | 1)");
    // The rank and the time that it may wait are those of the settings and of the definition.
    CHECK(db.value("select count(*) from extents where expires_at = eligible_at + interval '1 minute'") == "6");
    CHECK(db.value("select distinct extract(epoch from eligible_at - rank)::int from extents where priority = 7") == "7");
    db.rows("select tell_settings_1(array['PRIORITY_AGE_SECONDS'], array['2.5'])");
    user.run("select rowlock.submit('a', priority => 100)");
    CHECK(db.value("select extract(epoch from eligible_at - rank)::int from extents where priority = 100") == "250");
    define(db, "a", R"({"parameters": {"x": 2}})");
    CHECK(shown("'a'") == R"({"x": 2} | 0 | QUEUED | {} | 1 | 2)");
    CHECK(db.violations() == "");
}

TEST_CASE("bad arguments are refused all at once, by field, with value and remedy", "[pg][enqueue]")
{
    struct row {
        const char* why;
        const char* sql;
        const char* state;
        std::vector<const char*> told;
    };
    const auto& r = GENERATE(values<row>({
        {"no job of that name", "select rowlock.submit('nobody')", "RL404", {"There is no job nobody", "job_id: \"nobody\" is not the id of a job of the tenant default"}},
        {"a deleted job", "select rowlock.submit('deleted')", "RL404", {"There is no job deleted"}},
        {"a disabled job", "select rowlock.submit('disabled')", "RL409", {"The job disabled is disabled", "/v1/jobs/disabled/enable"}},
        {"no job", "select rowlock.submit(null)", "22023", {"job_id: null must be 1 to 128 of"}},
        {"several at once", "select rowlock.submit('A B', '[]', 1001, '-infinity', 'a b', '')", "22023",
         {"6 arguments are refused", "job_id: \"A B\" must be", "parameters: [] must be a JSON object", "priority: 1001 must be an integer from -1000 to 1000",
          "scheduled_time: \"-infinity\" must be a time from 1970 to 9999", "idempotency_key: \"a b\" must be 1 to 255 visible ASCII", "correlation_id: \"\" must have 1 to 255 characters", "Nothing was changed"}},
        {"a key that is too long", "select rowlock.submit('a', idempotency_key => repeat('k', 256))", "22023", {"an argument is refused", "idempotency_key: \"kkkk"}},
        {"an empty key", "select rowlock.submit('a', idempotency_key => '')", "22023", {"idempotency_key: \"\" must be"}},
        {"a key that is a fingerprint's", "select rowlock.submit('a', idempotency_key => ' unfinished x')", "22023", {"idempotency_key"}},
        {"a key beyond ASCII", "select rowlock.submit('a', idempotency_key => 'ä')", "22023", {"idempotency_key: \"ä\" must be"}},
        {"far future", "select rowlock.submit('a', scheduled_time => '10000-01-01Z')", "22023", {"scheduled_time"}},
        {"before the epoch", "select rowlock.submit('a', scheduled_time => '1969-12-31 23:59:59Z')", "22023", {"scheduled_time"}},
        {"a text", "select rowlock.submit('a', '\"text\"')", "22023", {"parameters: \"text\" must be a JSON object"}},
        {"64 levels", "select rowlock.submit('a', (repeat('{\"a\":', 63) || '{}' || repeat('}', 63))::jsonb)", "22023", {"not be nested more deeply than 63 levels"}},
        {"63 levels", "select rowlock.submit('a', (repeat('{\"a\":', 62) || '[]' || repeat('}', 62))::jsonb)", "", {}},
        {"many siblings are not deep", "select rowlock.submit('a', jsonb_build_object('a', (select jsonb_agg('{}'::jsonb) from generate_series(1, 100))))", "", {}},
        {"an integer of more than 64 bits", "select rowlock.submit('a', '{\"a\": [1, {\"b\": 18446744073709551616}]}')", "22023", {"integers of 64 bits"}},
        {"the largest and the smallest integer", "select rowlock.submit('a', '{\"a\": [18446744073709551615, -9223372036854775808]}')", "", {}},
        {"digits in a text are no number", "select rowlock.submit('a', '{\"a\": \"123456789012345678901234567890\"}')", "", {}},
        {"many decimals are one number", "select rowlock.submit('a', '{\"a\": 0.12345678901234567890123456789}')", "", {}},
        {"beyond a double", "select rowlock.submit('a', ('{\"a\": ' || repeat('9', 309) || '.5}')::jsonb)", "22023", {"numbers up to 1.7e308"}},
        {"U+0000", "select rowlock.submit('a', '{\"a\": \"\\u0000\"}')", "22P05", {}},
        {"no list", "select rowlock.submit_many('a', null)", "22023", {"parameters: null must be a list"}},
        {"a table", "select rowlock.submit_many('a', array[['{}'], ['{}']]::jsonb[])", "22023", {"parameters: [[{}],[{}]] must be a list"}},
        {"elements", "select rowlock.submit_many('a', array['{}', '1', null, '[2]']::jsonb[], 2000)", "22023",
         {"3 arguments are refused", "priority: 2000", "parameters[2]: 1 must be a JSON object", "parameters[4]: [2] must be"}},
        {"too many elements", "select rowlock.submit_many('a', array_fill('{}'::jsonb, array[100001]))", "22023", {"parameters: 100001 elements are too many for one call: at most 100000"}},
        {"nobody, many times", "select rowlock.submit_many('nobody', array['{}']::jsonb[])", "RL404", {"There is no job nobody"}},
        {"disabled, many times", "select rowlock.submit_many('disabled', array['{}']::jsonb[])", "RL409", {"is disabled"}},
        {"not an execution", "select rowlock.cancel(null, 'why')", "22023", {"execution_id: null must be the id of an execution"}},
        {"a long story", "select rowlock.cancel(gen_random_uuid(), repeat('x', 1001))", "22023", {"reason: \"xxx", "at most 1000 characters"}},
        {"no tenant", "set rowlock.tenant = 'NO'; select rowlock.submit('a')", "22023", {"rowlock.tenant: \"NO\" must be the id of a tenant"}},
        {"a tenant without that job", "set rowlock.tenant = 'other'; select rowlock.submit('a')", "RL404", {"of the tenant other"}},
    }));
    INFO(r.why);
    static queue_database db;
    static const bool made = [] {
        define(db, "a", "{}");
        define(db, "disabled", "{}");
        define(db, "deleted", "{}");
        define(db, "theirs", "{}", "{}", "other");
        db.rows("update jobs set enabled = false where job_id = 'disabled'; update jobs set deleted_at = now() where job_id = 'deleted'");
        return true;
    }();
    CHECK(made);
    const auto before = executions(db);
    sql_user user(db.url());
    const auto refusal = user.try_to(r.sql);
    INFO(refusal.told);
    CHECK(refusal.state == r.state);
    for (const char* each : r.told) CHECK_THAT(refusal.told, Catch::Contains(each));
    if (*r.state) CHECK(executions(db) == before);
}

TEST_CASE("SQL acts for the tenant that the session names", "[pg][enqueue]")
{
    queue_database db;
    define(db, "a", R"({"parameters": {"of": "default"}})");
    define(db, "a", R"({"parameters": {"of": "other"}})", "{}", "other");
    sql_user user(db.url());
    const auto mine = user.value("select rowlock.submit('a', idempotency_key => 'k')");
    user.run("set rowlock.tenant = 'other'");
    const auto theirs = user.value("select rowlock.submit('a', idempotency_key => 'k')");
    CHECK(mine != theirs);
    CHECK(db.value("select string_agg(tenant_id || ' ' || (parameters ->> 'of'), ', ' order by execution_id) from v_executions") == "default default, other other");
    CHECK(user.value("select rowlock.cancel('" + mine + "', '')") == "f");
    CHECK(user.value("select rowlock.cancel('" + theirs + "', '')") == "t");
    user.run("set rowlock.tenant = ''");
    CHECK(user.value("select rowlock.cancel('" + mine + "', '')") == "t");
    CHECK(db.violations() == "");
}

TEST_CASE("submit_many gives an id for each element, in their order, and lays them side by side", "[pg][enqueue]")
{
    queue_database db;
    define(db, "a", R"({"parameters": {"x": 1}})");
    sql_user user(db.url());
    const auto rows = user.run("select * from rowlock.submit_many('a', array(select jsonb_build_object('n', n) from generate_series(1, 1000) n), priority => 2, correlation_id => 'c')");
    REQUIRE(rows.size() == 1000);
    db.rows("create table given (n int, id uuid)");
    std::string values;
    for (pqxx::result::size_type i = 0; i < 1000; ++i) values += fmt::format("{}({}, '{}')", i ? "," : "", i + 1, rows[i][0].c_str());
    db.rows("insert into given values " + values);
    CHECK(db.value("select count(*) from given g join v_executions v on v.execution_id = g.id where (v.parameters ->> 'n')::int = g.n and v.parameters ->> 'x' = '1' and v.priority = 2 "
                   "and v.correlation_id = 'c'") == "1000");
    CHECK(db.value("select count(*) || ' ' || sum(remaining) from extents") == "1 1000");
    CHECK(user.run("select * from rowlock.submit_many('a', '{}')").empty());
    CHECK(user.run("select * from rowlock.submit_many('a', array[null, 'null', '{}']::jsonb[])").size() == 3);
    CHECK(db.violations() == "");
}
