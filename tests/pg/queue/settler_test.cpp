#include "runtime/execute/settler.hpp"
#include "tests/pg/queue/queue_traffic.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;

TEST_CASE("a late end beside the end under a later claim of the same extent is lost, and takes nothing with it", "[pg][queue]")
{
    const bool late_comes_first = GENERATE(true, false);
    CAPTURE(late_comes_first);
    queue_database db;
    const auto me = db.instance();
    submission sent;
    sent.extent(db.job("a"), 2).commit(db.service());
    const auto version = std::make_shared<const job_version>();
    const auto before = claim_one(db.service(), me);
    REQUIRE(hand_back(db.service(), me, before) == 2);
    const auto now = claim_one(db.service(), me);
    REQUIRE(now.lo == before.lo);
    REQUIRE(now.fence == fence{2});

    runtime::identity self;
    self.become(me);
    runtime::slots free(10);
    REQUIRE(free.take(3) == 3);
    runtime::ledger owned;
    owned.add(before.lo, before.fence, 1, tenant_key{1});
    owned.add(now.lo, now.fence, 2, tenant_key{1});
    runtime::counters counts;
    std::vector<execution_id> ended;
    {
        runtime::settler ends({db.service_options(), priority_age}, self, free, owned, counts,
                              {[&](const std::vector<execution_id>& runs) { ended.insert(ended.end(), runs.begin(), runs.end()); }, [](milliseconds) {}});
        const auto end_of = [&](const execution_id& id, const storage::claimed_extent& under, execution_status status) {
            runtime::finished one{.id = id, .run_id = id, .extent_lo = under.lo, .fence = under.fence, .owner = me, .result = {}};
            one.result.status = status;
            one.job = version;
            return one;
        };
        const auto late = end_of(sent.id(0), before, execution_status::failed);
        std::vector<runtime::finished> all{end_of(sent.id(0), now, execution_status::completed), end_of(sent.id(1), now, execution_status::completed)};
        all.insert(late_comes_first ? all.begin() : all.end(), late);
        ends.settle(std::move(all));
        ends.stop();                                   // commits what waits
    }

    for (const auto& id : sent.ids()) {
        CHECK(db.value(fmt::format("select status || ' under ' || fence from v_executions where execution_id = '{}'", id.str())) == "COMPLETED under 2");
    }
    CHECK(counts.lost.load() == 1);
    CHECK(counts.ended[static_cast<std::size_t>(execution_status::completed)].load() == 2);
    CHECK(counts.ended[static_cast<std::size_t>(execution_status::failed)].load() == 0);
    CHECK(ended == sent.ids());
    CHECK(free.in_use() == 0);
    CHECK(owned.all().empty());
    CHECK(db.value("select count(*) from extents") == "0");
    CHECK(db.violations() == "");
}
