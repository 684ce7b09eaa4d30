#include "runtime/execute/submit_plan.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::runtime;

namespace {

job_version_ptr job(int lane)
{
    auto v = std::make_shared<job_version>();
    v->lane = {lane};
    v->version = 1;
    v->definition.job_id = "job-" + std::to_string(lane);
    return v;
}

submission one(const job_version_ptr& j, int priority = 0)
{
    submission s;
    s.job = j;
    s.parameters = "{}";
    s.priority = priority;
    return s;
}

submit_request request(std::vector<submission> items)
{
    submit_request r;
    r.submitter = "local";
    r.items = std::move(items);
    return r;
}

constexpr identity::block block{1'700'000'000'000, 42};

void check_whole(const submit_plan& plan)
{
    std::uint32_t ordinal = 0;
    for (const auto& p : plan.places) CHECK(p.id.ordinal() == ordinal++);
    for (std::size_t x = 0; x < plan.extents.size(); ++x) {
        const auto& extent = plan.extents[x];
        CHECK(extent.hi.ordinal() - extent.lo.ordinal() + 1 == static_cast<std::uint32_t>(extent.n));
        for (int k = 0; k < extent.n; ++k) CHECK(plan.places[extent.first + static_cast<std::size_t>(k)].extent == static_cast<int>(x) + 1);
    }
}

}

TEST_CASE("executions that are admitted alike form one extent, whoever submitted them", "[unit][submit]")
{
    const auto a = job(1);
    const auto first = request({one(a), one(a)});
    const auto second = request({one(a)});
    const auto plan = lay_out({&first, &second}, block, 0);
    REQUIRE(plan.extents.size() == 1);
    CHECK(plan.extents[0].n == 3);
    CHECK_FALSE(plan.extents[0].wants_start);
    check_whole(plan);
}

TEST_CASE("executions of a batch that alternate between jobs still lie side by side", "[unit][submit]")
{
    const auto a = job(1);
    const auto b = job(2);
    const auto mixed = request({one(a), one(b), one(a), one(b), one(a, 5)});
    const auto plan = lay_out({&mixed}, block, 0);
    REQUIRE(plan.extents.size() == 3);
    CHECK(plan.extents[0].n == 2);
    CHECK(plan.extents[1].n == 2);
    CHECK(plan.extents[2].n == 1);
    check_whole(plan);
    CHECK(plan.ids[0][2] == plan.extents[0].hi);
    CHECK(plan.ids[0][1] == plan.extents[1].lo);
}

TEST_CASE("as many as there are free slots are cut off to start at once", "[unit][submit]")
{
    const auto a = job(1);
    const auto many = request({one(a), one(a), one(a), one(a), one(a)});
    const auto plan = lay_out({&many}, block, 2);
    REQUIRE(plan.extents.size() == 2);
    CHECK(plan.extents[0].n == 2);
    CHECK(plan.extents[0].wants_start);
    CHECK(plan.extents[1].n == 3);
    CHECK_FALSE(plan.extents[1].wants_start);
    check_whole(plan);
}

TEST_CASE("what is scheduled for later takes no slot", "[unit][submit]")
{
    const auto a = job(1);
    auto later = one(a);
    later.scheduled_time = timestamp{std::chrono::hours{1}};
    const auto both = request({later, one(a)});
    const auto plan = lay_out({&both}, block, 1);
    REQUIRE(plan.extents.size() == 2);
    CHECK_FALSE(plan.extents[0].wants_start);
    CHECK(plan.extents[1].wants_start);
}

TEST_CASE("keys name the execution, or the whole batch", "[unit][submit]")
{
    const auto a = job(1);
    auto keyed = one(a);
    keyed.idempotency_key = "k";
    const auto single = request({one(a), keyed});
    auto batch = request({one(a), one(a)});
    batch.batch_key = "b";
    const auto plan = lay_out({&single, &batch}, block, 0);
    REQUIRE(plan.keys.size() == 2);
    CHECK(plan.keys[0].item == 1);
    CHECK_FALSE(plan.keys[0].whole_request);
    CHECK(plan.keys[1].request == 1);
    CHECK(plan.keys[1].whole_request);
}
