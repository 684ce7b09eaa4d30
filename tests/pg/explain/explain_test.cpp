#include "storage/execution_store.hpp"
#include "storage/explain_store.hpp"
#include "tests/pg/queue/queue_traffic.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <set>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;
namespace json = boost::json;

namespace {

json::value explained(queue_database& db, const execution_id& id, tenant_key tenant = default_tenant)
{
    const auto told = storage::explain_json(db.service(), tenant, id);
    REQUIRE(told.has_value());
    return json::parse(*told);
}

json::value scope(queue_database& db, std::optional<tenant_key> tenant, const std::string& job = "")
{
    const auto told = storage::explain_scope_json(db.service(), tenant, job);
    REQUIRE(told.has_value());
    return json::parse(*told);
}

std::vector<std::string> rules_of(const json::value& told, const char* member)
{
    std::vector<std::string> rules;
    for (const auto& one : told.at(member).as_array()) rules.emplace_back(one.at("rule").as_string().c_str());
    return rules;
}

std::string headline(const json::value& told)
{
    return told.at("headline").as_string().c_str();
}

// A limit on what runs; its id.
int limit(queue_database& db, const char* scope_, int tenant, const char* key, int max_running)
{
    return std::stoi(db.value(fmt::format("insert into limits (scope, tenant_key, key, max_running) values ('{}', {}, '{}', {}) returning limit_id", scope_, tenant, key, max_running)));
}

// n executions of a job in n extents, as so many submissions make them; without rows in history, which nothing here looks at.
void flood(queue_database& db, const queue_job& job, int n)
{
    db.rows(fmt::format("with b as (select * from next_block()) insert into extents (lo, hi, lane_id, rank, eligible_at, priority, ready, remaining) "
                        "select x.id, x.id, {}, clock() - interval '1 hour' + i * interval '1 microsecond', clock(), 0, true, 1 "
                        "from b, generate_series(1, {}) i cross join lateral (select execution_id_of(b.ms, b.block + i, 0) as id) x",
                        job.lane.value, n));
}

// How many pages a statement looks at, once it is known.
int pages_of(queue_database& db, const std::string& sql)
{
    db.rows(sql);
    const auto plan = json::parse(db.value("explain (analyze, buffers, timing off, format json) " + sql));
    const auto& node = plan.at_pointer("/0/Plan");
    return static_cast<int>(node.at("Shared Hit Blocks").as_int64() + node.at("Shared Read Blocks").as_int64());
}

}

TEST_CASE("what holds an execution back is named in the order of evaluation, each thing once", "[pg][explain]")
{
    queue_database db;
    const auto job = db.job("held");
    submission sent;
    sent.extent(job).commit(db.service());
    // Made in another order than they are evaluated in.
    const int ids[] = {limit(db, "job", 1, "held", 0), limit(db, "tenant", 1, "default", 0), limit(db, "global", 1, "all", 0), limit(db, "global", 0, "all", 0),
                       limit(db, "job_type", 1, "t", 0), limit(db, "pool", 0, "p", 0), limit(db, "pool_memory_mb", 0, "p", 0), limit(db, "breaker", 1, "target", 0)};
    const auto breaker = db.value(fmt::format("insert into breakers (tenant_key, key, limit_id, failure_threshold, window_, open_for, half_open_max, is_open, opened_at, next_probe_at) "
                                              "values (1, 'target', {}, 1, '1 minute', '1 hour', 1, true, clock(), clock() + interval '1 hour') returning breaker_id",
                                              ids[7]));
    db.rows(fmt::format("update lanes set paused = true, window_from = clock() + interval '2 hours', window_until = clock() + interval '3 hours', breaker_id = {}, limit_ids = '{{{},{},{},{},{},{},{}}}' "
                        "where lane_id = {}",
                        breaker, ids[0], ids[1], ids[2], ids[3], ids[4], ids[5], ids[6], job.lane.value));
    auto told = explained(db, sent.id());
    INFO(told);
    CHECK(rules_of(told, "blocked_by")
          == std::vector<std::string>{"window", "paused", "breaker", "capacity", "pool_limit", "global_limit", "global_limit", "tenant_limit", "job_type_limit", "job_limit"});
    CHECK(told.at("expected_start").is_null());
    CHECK(told.at("expected_start_reason") == "the job is paused");
    const auto first = db.value(fmt::format("select waiting_on ->> 'rule' from v_executions where execution_id = '{}'", sent.id().str()));
    CHECK(first == "window");

    db.rows("update lanes set paused = false, window_from = null, window_until = null, breaker_id = null");
    told = explained(db, sent.id());
    CHECK(rules_of(told, "blocked_by").front() == "capacity");
    CHECK(told.at_pointer("/blocked_by/0/resource") == "memory_mb");
    CHECK(told.at("expected_start_reason") == "it asks for more than its pool has");
    db.rows(fmt::format("update lanes set limit_ids = '{{{}}}'", ids[0]));
    told = explained(db, sent.id());
    CHECK(rules_of(told, "blocked_by") == std::vector<std::string>{"job_limit"});
    CHECK(told.at("expected_start_reason") == "the limit lets none run");
    db.rows("update lanes set limit_ids = null");
    told = explained(db, sent.id());
    CHECK(rules_of(told, "blocked_by") == std::vector<std::string>{"capacity"});
    CHECK(told.at("expected_start_reason") == "no instance is alive");
}

TEST_CASE("of what is eligible later a window that opens later still comes first, and one that opens before says nothing", "[pg][explain]")
{
    queue_database db;
    const auto job = db.job("later");
    submission sent;
    sent.extent(job, 1, {.eligible = wall_clock() + 1h}).commit(db.service());
    db.rows("update lanes set window_from = clock() + interval '2 hours', window_until = clock() + interval '3 hours'");
    CHECK(rules_of(explained(db, sent.id()), "blocked_by") == std::vector<std::string>{"window", "schedule"});
    db.rows("update lanes set window_from = clock() + interval '1 minute'");
    const auto told = explained(db, sent.id());
    CHECK(rules_of(told, "blocked_by") == std::vector<std::string>{"schedule"});
    CHECK(told.at("expected_start") == told.at("next_evaluation"));
}

TEST_CASE("explain says who holds a limit, and of another tenant's only how much", "[pg][explain]")
{
    queue_database db;
    const auto other = db.tenant("other");
    const auto mine = db.job("mine");
    const auto theirs = db.job("theirs", {.tenant = other});
    const auto me = db.instance();
    const int all = db.limit(5, {mine, theirs});
    submission first;
    first.extent(mine, 2).extent(theirs, 3).commit(db.service());
    const auto claimed = claim(db.service(), me);
    REQUIRE(claimed.size() == 2);
    submission second;
    second.extent(mine, 4).commit(db.service());
    const auto told = explained(db, second.id(2));
    INFO(told);
    const auto& why = told.at_pointer("/blocked_by/0");
    CHECK(why.at("max_running") == 5);
    CHECK(why.at("in_use") == 5);
    CHECK(why.at("position") == 3);
    CHECK_FALSE(why.as_object().contains("position_is_least"));
    const auto& holders = why.at("held_by").as_array();
    REQUIRE(holders.size() == 2);
    CHECK(holders[0].at("job_id") == "mine");
    CHECK(holders[0].at("running") == 2);
    CHECK(holders[0].at("execution_id") == first.id(0).str().c_str());
    CHECK(holders[1].at("job_id").is_null());
    CHECK(holders[1].at("running") == 3);
    CHECK(told.at("expected_start").is_null());
    CHECK(told.at("expected_start_reason") == "nothing of the job has ended within the last hour");
    CHECK(json::serialize(scope(db, default_tenant)).find("theirs") == std::string::npos);
    CHECK(json::serialize(scope(db, std::nullopt)).find("theirs") != std::string::npos);
    CHECK(headline(scope(db, default_tenant, "mine")) == fmt::format("2 of the job mine run, 4 wait: the limit of the lane {} is reached: 5 of 5 run.",
                                                                     db.value(fmt::format("select key from limits where limit_id = {}", all))));
    CHECK_FALSE(storage::explain_scope_json(db.service(), default_tenant, "theirs").has_value());
    CHECK_FALSE(storage::explain_json(db.service(), other, second.id()).has_value());

    // Twenty seconds later two of it are done: those that wait are reckoned to take as long.
    db.move_clock(20s);
    for (const auto& x : claimed) {
        if (x.lo == first.id(0)) REQUIRE(ends(x).end(first.id(0)).end(first.id(1)).commit(db.service(), me).empty());
    }
    db.rows(fmt::format("update lanes set limit_ids = '{{{}}}', limit_ns = null", limit(db, "job", 1, "mine", 0)));
    db.rows("update limits set max_running = 1, in_use = 1 where scope = 'job'");
    const auto later = explained(db, second.id(2));
    INFO(later);
    const std::string reason = later.at("expected_start_reason").as_string().c_str();
    CHECK(reason.starts_with("2 of the job were done in the last 2"));
    CHECK(reason.ends_with(" s, and 2 go before it"));
    CHECK(later.at("expected_start").is_string());
}

TEST_CASE("why nothing runs is said of a job, of a tenant and of all, thing by thing", "[pg][explain]")
{
    queue_database db;
    const auto a = db.job("a");
    const auto b = db.job("b");
    const auto c = db.job("c");
    CHECK(headline(scope(db, std::nullopt)) == "No instance is alive, so nothing starts.");
    const auto me = db.instance();
    db.rows(fmt::format("update instances set parallelism = 4 where instance_id = {}", me.value));
    CHECK(headline(scope(db, default_tenant, "a")) == "Nothing of the job a runs or waits: nobody has submitted it, and it has no schedule.");
    submission sent;
    sent.extent(a, 5).extent(b, 2).extent(c, 3, {.eligible = wall_clock() + 1h}).commit(db.service());
    CHECK(headline(scope(db, default_tenant, "a")) == "Nothing of the job a runs, 5 wait: slots are free: it is about to start.");
    db.rows(fmt::format("update lanes set paused = true where lane_id = {}", a.lane.value));
    db.rows(fmt::format("update lanes set window_from = clock() + interval '1 hour', window_until = 'infinity' where lane_id = {}", b.lane.value));
    CHECK(headline(scope(db, default_tenant, "a")) == "Nothing of the job a runs, 5 wait: the job is paused.");
    auto told = scope(db, default_tenant);
    INFO(told);
    CHECK(headline(told) == "Nothing of the tenant default runs, 10 wait, 5 of them because the job is paused.");
    CHECK(told.at("queued") == 7);
    CHECK(told.at("pending") == 3);
    CHECK(told.at("running") == 0);
    CHECK(told.at("counts_are_least") == false);
    CHECK(rules_of(told, "reasons") == std::vector<std::string>{"paused", "window", "schedule"});
    CHECK(told.at_pointer("/reasons/1/executions") == 2);
    CHECK(told.at_pointer("/reasons/1/job_ids/0/job_id") == "b");
    CHECK(told.at("next_evaluation").is_string());
    CHECK(headline(scope(db, default_tenant, "c")).starts_with("Nothing of the job c runs, 3 wait for its scheduled time: the first at "));
    CHECK(headline(scope(db, std::nullopt)) == "Nothing runs, 10 wait, 5 of them because the job is paused.");

    db.rows("update lanes set paused = false, window_from = null, window_until = null");
    REQUIRE(claim(db.service(), me, 4).size() == 1);
    told = scope(db, default_tenant, "a");
    CHECK(told.at("running") == 4);
    CHECK(headline(told) == "4 of the job a run, 1 waits: all slots of the instances are in use: 4 of 4.");
    CHECK_FALSE(storage::explain_scope_json(db.service(), default_tenant, "nobody").has_value());
    CHECK_FALSE(storage::explain_scope_json(db.service(), tenant_key{4711}, "").has_value());
}

TEST_CASE("each of many limits that are reached is a reason of its own, and all of what waits is counted", "[pg][explain]")
{
    queue_database db;
    db.instance();
    submission sent;
    for (int i = 0; i < 30; ++i) {
        const auto job = db.job(fmt::format("j{}", i));
        db.limit(0, {job});
        sent.extent(job, i + 1);
    }
    sent.commit(db.service());
    const auto told = scope(db, default_tenant);
    INFO(told);
    CHECK(told.at("queued") == 30 * 31 / 2);
    CHECK(told.at("counts_are_least") == false);
    REQUIRE(told.at("reasons").as_array().size() == 20);
    CHECK(told.at_pointer("/reasons/0/executions") == 30);
    CHECK(told.at_pointer("/reasons/0/job_ids/0/job_id") == "j29");
    CHECK(told.at_pointer("/reasons/0/held_by").as_array().empty());
    CHECK(rules_of(told, "reasons") == std::vector<std::string>(20, "job_limit"));
}

TEST_CASE("where more waits than is looked at, the answer says so, and a job's own is found all the same", "[pg][explain]")
{
    queue_database db;
    const auto other = db.tenant("other");
    const auto busy = db.job("busy", {.tenant = other});
    const auto mine = db.job("mine");
    const auto quiet = db.tenant("quiet");
    db.instance();
    db.rows(fmt::format("with b as (select * from next_block()) insert into extents (lo, hi, lane_id, rank, eligible_at, priority, ready, remaining) "
                        "select x.id, x.id, {}, clock(), clock() + interval '1 minute', 0, false, 1 from b, generate_series(1, 5001) i cross join lateral (select execution_id_of(b.ms, b.block + i, 0) as id) x",
                        busy.lane.value));
    submission sent;
    sent.extent(mine, 1, {.eligible = wall_clock() + 1h}).commit(db.service());
    auto told = scope(db, quiet);
    INFO(told);
    CHECK(told.at("counts_are_least") == true);
    CHECK(headline(told) == "Nothing of the tenant quiet runs, and nothing waits among what was looked at, which is not all.");
    told = scope(db, default_tenant, "mine");
    CHECK(told.at("pending") == 1);
    CHECK(rules_of(told, "reasons") == std::vector<std::string>{"schedule"});
    told = scope(db, std::nullopt);
    CHECK(told.at("pending") == 5000);
    CHECK(told.at("counts_are_least") == true);
}

TEST_CASE("explain looks at no more pages where four times as much waits", "[pg][explain]")
{
    queue_database db;
    const auto deep = db.job("deep");
    db.instance();
    db.rows("select count(lane_of(1, j.job_key)) from generate_series(1, 300) i cross join lateral put_job_1(1, 'j' || i, '{}', '{\"max_attempts\": 1}', true, 'test', '', null) j");
    flood(db, deep, 40'000);
    submission last;
    last.extent(deep, 3).commit(db.service());
    const std::string one = fmt::format("select explain_execution_1(1, '{}')", last.id(2).str());
    const std::string job = "select explain_scope_1(1, 'deep')";
    const std::string all = "select explain_scope_1(null, null)";
    const auto told = explained(db, last.id(2));
    INFO(told);
    CHECK(told.at_pointer("/blocked_by/0/position") == 20'003);
    CHECK(told.at_pointer("/blocked_by/0/position_is_least") == true);
    auto waits = scope(db, default_tenant, "deep");
    CHECK(waits.at("queued") == 10'000);
    CHECK(waits.at("counts_are_least") == true);
    db.rows("vacuum analyze extents");
    const int of_one = pages_of(db, one);
    const int of_job = pages_of(db, job);
    const int of_all = pages_of(db, all);
    flood(db, deep, 120'000);
    db.rows("vacuum analyze extents");
    // A look at a lane goes through one more page where its index has grown by a level.
    INFO(of_one << ' ' << of_job << ' ' << of_all);
    CHECK(pages_of(db, one) < of_one + 200);
    CHECK(pages_of(db, job) < of_job + 200);
    CHECK(pages_of(db, all) < of_all + 200 + 301);
}

TEST_CASE("a list of what waits goes on through groups that are larger than a page, and looks at no more than it shows", "[pg][explain]")
{
    queue_database db;
    const auto job = db.job("listed");
    submission sent;
    sent.extent(job, 2000).commit(db.service());
    submission more;
    for (int i = 0; i < 20; ++i) more.extent(job, 30);
    more.commit(db.service());
    db.rows("analyze executions; analyze extents; analyze results");
    storage::execution_filter queued;
    queued.statuses = {execution_status::queued};
    std::set<std::string> seen;
    std::string cursor;
    do {
        const auto page = storage::list_executions_json(db.service(), default_tenant, queued, 250, cursor);
        REQUIRE(page.has_value());
        for (const auto& item : page->items) {
            const auto shown = json::parse(item);
            CHECK(shown.at_pointer("/waiting_on/rule") == "capacity");
            CHECK(seen.insert(shown.at("execution_id").as_string().c_str()).second);
        }
        cursor = page->next;
    } while (!cursor.empty());
    CHECK(seen.size() == 2600);

    const auto looked_at = [&] {
        db.service().run("select pg_stat_force_next_flush()");
        return std::stol(db.value("select pg_stat_clear_snapshot(), 0 limit 0; select coalesce(sum(seq_tup_read + idx_tup_fetch), 0) from pg_stat_user_tables where relname ~ '^executions'"));
    };
    const long before = looked_at();
    REQUIRE(storage::list_executions_json(db.service(), default_tenant, queued, 50, "").has_value());
    CHECK(looked_at() - before < 400);
}
