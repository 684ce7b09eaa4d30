#include "storage/limit_store.hpp"
#include "storage/tenant_store.hpp"
#include "tests/pg/queue/queue_traffic.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

int total(const std::vector<storage::claimed_extent>& extents)
{
    int n = 0;
    for (const auto& x : extents) n += x.remaining;
    return n;
}

std::string most_of(queue_database& db, std::string_view tenant)
{
    return db.value(fmt::format("select max_running from v_limits where kind = 'tenant' and key = '{}'", tenant));
}

limit_to_put at_most(int n)
{
    limit_to_put limit;
    limit.max_running = n;
    return limit;
}

}

TEST_CASE("each change of a tenant's share is kept, and nobody can alter what is", "[pg][tenants]")
{
    queue_database db;
    storage::put_tenant(db.service(), "acme", 3, "ann", "they pay");
    storage::put_tenant(db.service(), "acme", 3, "bob", "the same");
    storage::put_tenant(db.service(), "acme", std::nullopt, "bob", "as it is");
    storage::put_tenant(db.service(), "acme", 5, "bob", "");
    storage::put_tenant(db.service(), "default", 2, "ann", "");
    CHECK(db.value("select string_agg(concat_ws(' ', tenant_id, coalesce(weight_before::text, '-'), weight, actor, reason), ', ' order by at, weight desc) from v_tenant_changes")
          == "acme - 3 ann they pay, acme 3 5 bob, default 1 2 ann");
    for (const char* change : {"delete from tenant_changes", "update tenant_changes set actor = 'x'", "truncate tenant_changes"}) {
        INFO(change);
        CHECK(db.sqlstate(change) == "42501");
    }
}

TEST_CASE("CONCURRENCY_PER_TENANT limits every tenant, also those that are made later, and what is put stands in its place", "[pg][tenants][limits]")
{
    queue_database db;
    const auto early = db.tenant("early");
    const auto a = db.job("a", {.tenant = early});
    const auto me = db.instance(1h);
    const auto other = db.instance(1h);
    submission running;
    running.extent(a, 3).commit(db.service());
    CHECK(total(claim(db.service(), me)) == 3);
    CHECK_FALSE(storage::set_concurrency_per_tenant(db.service(), 0, "one"));
    const auto before = storage::set_concurrency_per_tenant(db.service(), 2, "one");
    REQUIRE(before);
    CHECK(before->max_running == 0);
    CHECK_FALSE(storage::set_concurrency_per_tenant(db.service(), 2, "two"));
    storage::enforce_due_limits(db.service());

    // What runs already counts; a tenant that is new has its own.
    const auto b = db.job("b", {.tenant = db.tenant("late")});
    submission sent;
    sent.extent(a, 5).extent(b, 5).commit(db.service());
    CHECK(total(claim(db.service(), me)) + total(claim(db.service(), other)) == 2);
    CHECK(db.value("select in_use from v_limits where kind = 'tenant' and key = 'early'") == "3");
    CHECK(db.value("select limit_json_1(v) ->> 'put' from v_limits v where kind = 'tenant' and key = 'late'") == "false");

    // One that is put stands in its place, though it is larger; without a number it limits starts alone.
    storage::put_limit(db.service(), limit_kind::tenant, db.tenant("late"), "late", at_most(4), "test");
    CHECK(most_of(db, "late") == "4");
    CHECK(total(claim(db.service(), other)) == 2);
    limit_to_put rate;
    rate.rate = {100, 1s};
    storage::put_limit(db.service(), limit_kind::tenant, db.tenant("late"), "late", rate, "test");
    CHECK(most_of(db, "late") == "2");
    CHECK(storage::delete_limit(db.service(), limit_kind::tenant, db.tenant("late"), "late", "test"));
    CHECK(most_of(db, "late") == "2");

    // The last one decides.
    const auto was = storage::set_concurrency_per_tenant(db.service(), 7, "two");
    REQUIRE(was);
    CHECK(was->max_running == 2);
    CHECK(was->set_by == "one");
    storage::enforce_due_limits(db.service());
    CHECK(most_of(db, "early") == "7");
    CHECK(storage::set_concurrency_per_tenant(db.service(), 0, "one"));
    storage::enforce_due_limits(db.service());
    CHECK(db.value("select count(*) from v_limits where kind = 'tenant'") == "0");
    CHECK(db.value("select string_agg(key || ' ' || coalesce(max_running::text, '-') || ' ' || actor, ', ' order by at) from v_limit_changes where key = '*'") == "* 2 one, * 7 two, * - one");
    CHECK(total(claim(db.service(), me)) == 6);
    CHECK(db.violations() == "");
}

TEST_CASE("CONCURRENCY_PER_TENANT comes into force for many tenants in parts, after what definitions say", "[pg][tenants][limits]")
{
    queue_database db;
    // Of 150 tenants, one of them with 1,200 lanes; a part is a hundred tenants, or a thousand lanes and what the last tenant has more.
    db.rows("insert into tenants (tenant_id) select 't' || lpad(n::text, 3, '0') from generate_series(1, 150) n");
    db.rows("insert into jobs (tenant_key, job_id, current_version) select t.tenant_key, 'j' || n, 1 from tenants t, generate_series(1, 1200) n where t.tenant_id = 't020'");
    db.rows("insert into lanes (tenant_key, job_key) select j.tenant_key, j.job_key from jobs j join tenants t using (tenant_key) where t.tenant_id = 't020'");
    const auto due = [&] { return db.value("select count(*) from limits_due"); };
    const auto of_t020 = [&] { return db.value("select count(*) from lanes l join tenants t using (tenant_key) where t.tenant_id = 't020' and l.limit_ids is not null"); };
    REQUIRE(storage::set_concurrency_per_tenant(db.service(), 2, "one"));
    CHECK(due() == "151");
    CHECK(of_t020() == "0");
    // One that is made in between has its limit, and what is set anew is due once.
    const auto late = db.tenant("late");
    CHECK(most_of(db, "late") == "2");
    REQUIRE(storage::set_concurrency_per_tenant(db.service(), 3, "one"));
    CHECK(due() == "152");
    // What a definition says is not kept waiting.
    db.rows("insert into limits_due (scope, tenant_key, key) values ('global', 0, 'all')");
    storage::enforce_due_limits(db.service());
    CHECK(due() == "152");
    storage::enforce_due_limits(db.service());
    CHECK(due() == "131");
    CHECK(of_t020() == "1200");
    // A lane that is made before its tenant's turn gets the limit with it.
    const auto lane = db.job("a", {.tenant = late});
    const auto me = db.instance(1h);
    submission sent;
    sent.extent(lane, 5).commit(db.service());
    for (int ticks = 0; ticks < 50 && due() != "0"; ++ticks) storage::tick(db.service(), me, false);
    CHECK(due() == "0");
    CHECK(db.value("select count(*) from limits where scope = 'tenant' and max_running = 3") == "152");
    CHECK(total(claim(db.service(), me)) == 3);
    CHECK(db.violations() == "");
}
