#include "tests/pg/queue/queue_traffic.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

TEST_CASE("executions of many jobs are made in one go: in the order given, and what is admitted alike in one extent", "[pg][enqueue]")
{
    queue_database db;
    const auto a = db.job("a");
    const auto b = db.job("b");
    db.rows("create table made as select u.id, u.k from unnest(enqueue_1("
            "(select array_agg(case when k % 2 = 0 then " + std::to_string(a.key.value) + " else " + std::to_string(b.key.value) + " end order by k) from generate_series(1, 100) k), "
            "array[3, 4]::smallint[], array['s', 't'], (select array_agg(json_build_object('k', k) order by k) from generate_series(1, 100) k), array[null, now() - interval '1 hour', now() + interval '1 hour'], "
            "null, null, null, null)) with ordinality u (id, k)");
    CHECK(db.value("select count(*) from made m join v_executions v on v.execution_id = m.id where (v.parameters ->> 'k')::int = m.k and v.job_id = case when m.k % 2 = 0 then 'a' else 'b' end") == "100");
    CHECK(db.value("select string_agg(trigger_type || ' ' || trigger_id || ' ' || status, ', ' order by k) from made m join v_executions v on v.execution_id = m.id where k <= 2") ==
          "DEPENDENCY s QUEUED, EVENT t QUEUED");
    CHECK(db.value("select trigger_type || ' ' || status from made m join v_executions v on v.execution_id = m.id where k = 3") == "MANUAL PENDING");
    // One for each job, though what is past keeps its own scheduled time; and what is to come.
    CHECK(db.value("select string_agg(remaining::text, ' ' order by remaining) from extents") == "1 49 50");
    CHECK(db.sqlstate("select enqueue_1(array[999, 998], null, null, null, null, null, null, null, null)") == "RL404");
    CHECK(db.sqlstate("select enqueue_1(array[999], null, null, null, null, null, null, null, null)") == "RL404");
    CHECK(db.value("select enqueue_1(null, null, null, null, null, null, null, null, null) = '{}'") == "t");
    CHECK(db.violations() == "");
}

TEST_CASE("one execution is made as one of many", "[pg][enqueue]")
{
    queue_database db;
    const auto job = db.job("a", {.rules = R"({"ordering_path": ["k"], "queue_timeout_ms": 5000})"});
    db.rows("select put_job_1(1, 'a', '{\"parameters\": {\"x\": 1}, \"resources\": {\"priority\": 4}, \"tags\": {\"t\": \"v\"}}', "
            "'{\"max_attempts\": 1, \"ordering_path\": [\"k\"], \"queue_timeout_ms\": 5000}', null, 'test', '', null)");
    const auto call = [&](int n) {
        return fmt::format("select enqueue_1(array_fill({}, array[{}]), array_fill({}::smallint, array[{}]), array_fill('s'::text, array[{}]), array_fill('{}'::json, array[{}]), "
                           "array_fill(now() + interval '{} minutes', array[{}]), array_fill(0::smallint, array[{}]), array_fill('c'::text, array[{}]), array_fill('me'::text, array[{}]), null)",
                           job.key.value, n, "{0}", n, n, "{1}", n, "{2}", n, n, n, n);
    };
    struct row {
        int trigger;
        const char* parameters;
        int minutes;
    };
    for (const row& r : {row{3, "{}", 0}, {3, R"({"k": "x"})", 0}, {2, R"({"k": "x", "x": 2})", -5}, {4, R"({"k": null})", 5}, {4, R"({"k": "x"})", 5}}) {
        INFO(r.trigger << " " << r.parameters << " " << r.minutes);
        db.rows("begin");
        const auto said = [&](const std::string& text) {
            std::string out = text;
            for (const auto& [from, to] : {std::pair<std::string, std::string>{"{0}", std::to_string(r.trigger)}, {"{1}", r.parameters}, {"{2}", std::to_string(r.minutes)}}) {
                for (auto at = out.find(from); at != std::string::npos; at = out.find(from, at + to.size())) out.replace(at, from.size(), to);
            }
            return out;
        };
        db.rows(said(call(1)));
        db.rows(said(call(2)));
        CHECK(db.value("select count(distinct (job_version, attempt_number, priority, trigger_type, submitted_at, scheduled_time, trigger_id, parameters::text, correlation_id, tags, submitter, ordering_key)) "
                       "from executions") == "1");
        CHECK(db.value("select count(distinct (lane_id, rank, eligible_at, expires_at, priority, ready)) from extents") == "1");
        CHECK(db.value("select count(distinct (due_at, on_dependencies, on_order, entered)) <= 1 and count(*) in (0, 3) from waits") == "t");
        CHECK(db.value("select sum(remaining) from extents") == "3");
        CHECK(db.violations() == "");
        db.rows("rollback");
    }
}

TEST_CASE("one execution of each of several jobs is made as one alone, whatever those beside it need", "[pg][enqueue]")
{
    queue_database db;
    db.rows("create table jobs_ (name text, key int)");
    for (const auto* name : {"a", "b", "ordered", "unique"}) {
        const std::string rule = name == std::string("ordered") ? R"(, "ordering_path": ["k"])" : name == std::string("unique") ? R"(, "dedupe": true)" : "";
        db.rows(fmt::format(R"(insert into jobs_ values ('{}', {}))", name, db.job(name).key.value));
        db.rows(fmt::format(R"(select put_job_1(1, '{}', '{{"parameters": {{"x": 1}}, "resources": {{"priority": 4}}, "tags": {{"t": "of the job", "u": "u"}}}}',)"
                            R"('{{"max_attempts": 1, "queue_timeout_ms": 5000{}}}', null, 'test', '', null))", name, rule));
    }
    // The jobs named, all in one call or each in one of its own.
    const auto make = [&](const std::string& names, bool at_once) {
        const std::string call = "enqueue_1(keys, array_fill({0}::smallint, array[n]), array_fill('s'::text, array[n]), array_fill('{\"k\": \"v\"}'::json, array[n]), array_fill({1}, array[n]), "
                                 "null, array_fill('c'::text, array[n]), array_fill('me'::text, array[n]), array_fill('{\"t\": \"own\"}'::jsonb, array[n]))";
        return "select " + call + " from (select array_agg(key order by name) as keys, count(*)::int as n from jobs_ where name = any ('{" + names + "}') group by " +
               (at_once ? "()" : "key") + ") x";
    };
    const std::string seen = "select string_agg(concat_ws(' ', v.job_id, e.job_version, e.attempt_number, e.priority, e.trigger_type, e.submitted_at, e.scheduled_time, e.trigger_id, e.parameters, "
                             "e.correlation_id, e.tags, e.submitter, e.ordering_key, s.rank, s.eligible_at, s.expires_at, s.priority, s.ready, s.remaining, w.on_order), e'\\n' order by v.job_id) "
                             "from executions e join v_executions v using (execution_id) join extents s on s.lo = e.execution_id and s.hi = e.execution_id left join waits w using (execution_id)";
    for (const auto* names : {"a,b", "a,b,ordered", "a,b,unique", "ordered,unique"}) {
        for (const auto& [trigger, when] : {std::pair<std::string, std::string>{"3", "now() - interval '5 minutes'"}, {"2", "null::timestamptz"}, {"4", "now() + interval '1 hour'"}}) {
            INFO(names << " " << trigger << " " << when);
            const auto said = [&, &type = trigger, &at = when](std::string text) {
                text.replace(text.find("{0}"), 3, type);
                return text.replace(text.find("{1}"), 3, at);
            };
            db.rows("begin");
            db.rows("savepoint before");
            db.rows(said(make(names, true)));
            const auto together = db.value(seen);
            CHECK(db.violations() == "");
            db.rows("rollback to before");
            db.rows(said(make(names, false)));
            CHECK(together == db.value(seen));
            db.rows("rollback");
        }
    }
    db.rows("select enqueue_1(array_agg(key), array[3, 3]::smallint[], null, null, null, null, null, null, array['{\"t\": \"own\"}']::jsonb[]) from jobs_ where name in ('a', 'b')");
    CHECK(db.value("select string_agg(distinct tags::text, ' ') from executions") == R"({"t": "of the job", "u": "u"} {"t": "own", "u": "u"})");
    CHECK(db.sqlstate("select enqueue_1(array[999, (select key from jobs_ where name = 'a')], null, null, null, null, null, null, null, null)") == "RL404");
    CHECK(db.value("select count(*) from executions") == "2");
}
