#include "storage/model/window_rules.hpp"

#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <stdexcept>

using namespace rowlock;
using namespace std::chrono_literals;

TEST_CASE("execution windows are read back as they were written", "[unit][schedule]")
{
    const std::vector<execution_window> windows{{9h, 17h + 30min, 0x3e, "Europe/Berlin"}, {22h, 6h, every_weekday, "UTC"}, {0s, 24h, 1, "Asia/Kolkata"}};
    const auto read = parse_window_rules(boost::json::serialize(window_rules(windows)));
    REQUIRE(read.size() == windows.size());
    for (std::size_t i = 0; i < windows.size(); ++i) {
        CHECK(read[i].start == windows[i].start);
        CHECK(read[i].end == windows[i].end);
        CHECK(read[i].days == windows[i].days);
        CHECK(read[i].timezone == windows[i].timezone);
    }
    CHECK_THROWS_AS(parse_window_rules("{}"), std::logic_error);
}
