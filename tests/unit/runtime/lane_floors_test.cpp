#include "runtime/execute/lane_floors.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;
using namespace std::chrono_literals;
using runtime::lane_floors;

namespace {

const timestamp noon = parse_rfc3339("2026-01-01T12:00:00Z").value();

}

TEST_CASE("floors are kept only while looks from the front are dear", "[runtime][lanes]")
{
    lane_floors floors;
    CHECK_FALSE(floors.any());
    floors.seen({{lane_id{1}, noon}}, noon, 50us);
    CHECK_FALSE(floors.any());
    CHECK(floors.all().empty());
    CHECK_FALSE(floors.of(lane_id{1}));

    floors.seen({{lane_id{1}, noon - 10s}, {lane_id{2}, noon + 5s}}, noon, 2ms);
    CHECK(floors.any());
    CHECK(floors.of(lane_id{1}) == noon - 10s);
    CHECK(floors.of(lane_id{2}) == noon - 1s);       // negative priorities rank in the future; what comes now ranks before them
    CHECK_FALSE(floors.of(lane_id{3}));
    CHECK(floors.all().size() == 2);

    floors.seen({}, noon + 1s, 50us);
    CHECK_FALSE(floors.any());
    CHECK(floors.all().empty());
}

TEST_CASE("a lane in which nothing waited has nothing below that moment, and is forgotten after a while", "[runtime][lanes]")
{
    lane_floors floors;
    floors.seen({{lane_id{1}, noon - 10s}}, noon, 2ms);
    floors.seen({}, noon + 30s, 2ms);
    CHECK(floors.of(lane_id{1}) == noon + 29s);
    floors.seen({}, noon + 61s, 2ms);
    CHECK_FALSE(floors.of(lane_id{1}));
}

TEST_CASE("lanes beyond number are looked at from the front", "[runtime][lanes]")
{
    lane_floors floors;
    std::vector<storage::seen_lane> lanes;
    for (int i = 1; i <= 2000; ++i) lanes.push_back({lane_id{i}, noon});
    floors.seen(lanes, noon, 10ms);
    CHECK(floors.any());
    CHECK(floors.all().empty());
    CHECK(floors.of(lane_id{1500}) == noon - 1s);
}
