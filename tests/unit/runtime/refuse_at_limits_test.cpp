#include "runtime/execute/refuse_at_limits.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::runtime;
using namespace std::chrono_literals;

namespace {

const timestamp now = timestamp{} + 1h;

submission of_lane(int lane, std::optional<timestamp> scheduled = {})
{
    auto v = std::make_shared<job_version>();
    v->lane = {lane};
    v->definition.job_id = "job-" + std::to_string(lane);
    submission s;
    s.job = v;
    s.scheduled_time = scheduled;
    return s;
}

submit_request request(std::vector<submission> items)
{
    submit_request r;
    r.items = std::move(items);
    return r;
}

storage::reached_limit limit(std::int64_t room, std::vector<lane_id> lanes)
{
    return {"pool", "p", 5, 5 - room, room, std::move(lanes)};
}

}

TEST_CASE("requests that come together are let in as if they came one after the other", "[unit][limits]")
{
    const auto one = request({of_lane(1)});
    const auto verdicts = refuse_at_limits({&one, &one, &one}, {limit(2, {{1}})}, now);
    CHECK_FALSE(verdicts[0]);
    CHECK_FALSE(verdicts[1]);
    REQUIRE(verdicts[2]);
    CHECK(verdicts[2]->code == errc::rate_limited);
    CHECK(verdicts[2]->retry_after == 1s);
    CHECK(verdicts[2]->detail == "Nothing was submitted: the limit of the pool p is reached, 5 of 5 run, and it refuses what comes beyond (on_limit REJECT). Try again later.");
    REQUIRE(verdicts[2]->fields.size() == 1);
    CHECK(verdicts[2]->fields[0].field == "job_id");
}

TEST_CASE("a batch comes in whole or not at all, and a refusal names those that are held", "[unit][limits]")
{
    const auto batch = request({of_lane(1), of_lane(2), of_lane(1)});
    CHECK_FALSE(refuse_at_limits({&batch}, {limit(1, {{1}})}, now)[0]);
    const auto refused = refuse_at_limits({&batch, &batch}, {limit(1, {{1}})}, now)[1];
    REQUIRE(refused);
    REQUIRE(refused->fields.size() == 2);
    CHECK(refused->fields[0].field == "executions[0].job_id");
    CHECK(refused->fields[1].field == "executions[2].job_id");
    CHECK(refused->fields[1].value == "\"job-1\"");
}

TEST_CASE("what no limit holds, or is for later, is let in", "[unit][limits]")
{
    const auto other = request({of_lane(2)});
    const auto later = request({of_lane(1, now + 1s)});
    const auto verdicts = refuse_at_limits({&other, &later}, {limit(0, {{1}})}, now);
    CHECK_FALSE(verdicts[0]);
    CHECK_FALSE(verdicts[1]);
}

TEST_CASE("what is refused takes no room of other limits", "[unit][limits]")
{
    const auto both = request({of_lane(1), of_lane(2)});
    const auto second = request({of_lane(2)});
    const auto verdicts = refuse_at_limits({&both, &second}, {limit(0, {{1}}), limit(1, {{2}})}, now);
    CHECK(verdicts[0]);
    CHECK_FALSE(verdicts[1]);
}
