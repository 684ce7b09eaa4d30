#include "storage/time_cursor.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace rowlock;
using namespace rowlock::storage;

TEST_CASE("a cursor of time and id comes back as it was, to the microsecond", "[unit][time_cursor]")
{
    const time_place place{parse_rfc3339("2026-01-31T09:30:00.123456Z").value(), execution_id::parse("0198f3a2-7c41-7d2e-9a30-5b1c2d3e4f50").value()};
    CHECK(to_cursor(place) == "2026-01-31T09:30:00.123456Z_0198f3a2-7c41-7d2e-9a30-5b1c2d3e4f50");
    const auto back = parse_time_cursor(to_cursor(place));
    REQUIRE(back);
    CHECK(back->at == place.at);
    CHECK(back->id == place.id);
}

TEST_CASE("what is no cursor of time and id is refused", "[unit][time_cursor]")
{
    const std::string text = GENERATE("", "x", "_", "2026-01-31T09:30:00Z", "2026-01-31T09:30:00Z_", "_0198f3a2-7c41-7d2e-9a30-5b1c2d3e4f50",
                                      "2026-13-31T09:30:00Z_0198f3a2-7c41-7d2e-9a30-5b1c2d3e4f50", "2026-01-31T09:30:00Z_0198f3a2-7c41-7d2e-9a30-5b1c2d3e4f50x");
    INFO(text);
    CHECK(!parse_time_cursor(text));
}
