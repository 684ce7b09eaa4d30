#include "runtime/execute/checkpoint_pace.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::runtime;
using namespace std::chrono_literals;
using verdict = checkpoint_pace::verdict;

namespace {

const deadline began = deadline{} + 1000h;

}

TEST_CASE("rule 14: without an interval every checkpoint is kept", "[unit][checkpoints]")
{
    checkpoint_pace pace({});
    for (int i = 0; i < 3; ++i) {
        CHECK(pace.offered(10, "", began) == verdict::keep);
        pace.kept(began);
    }
}

TEST_CASE("rule 14: within an interval after one that was kept, the next ones wait", "[unit][checkpoints]")
{
    checkpoint_pace pace({.interval = 10s});
    CHECK(pace.offered(10, "", began) == verdict::keep);
    pace.kept(began + 1s);
    CHECK(pace.due() == began + 11s);
    CHECK(pace.offered(10, "", began + 2s) == verdict::wait);
    CHECK(pace.offered(10, "a stage is none of its business", began + 10s) == verdict::wait);
    CHECK(pace.offered(10, "", began + 11s) == verdict::keep);
}

TEST_CASE("rule 14: one that was not kept does not begin an interval", "[unit][checkpoints]")
{
    checkpoint_pace pace({.interval = 10s});
    CHECK(pace.offered(10, "", began) == verdict::keep);
    CHECK(pace.offered(10, "", began + 1s) == verdict::keep);
}

TEST_CASE("rule 14: with on_stage the first checkpoint of each stage is kept at once", "[unit][checkpoints]")
{
    checkpoint_pace pace({.interval = 10s, .on_stage = true});
    pace.kept(began);
    struct row {
        const char* stage;
        verdict expected;
    };
    for (const row& r : {row{"one", verdict::keep}, row{"one", verdict::wait}, row{"", verdict::wait}, row{"two", verdict::keep}, row{"one", verdict::wait}, row{"two", verdict::wait}}) {
        INFO(r.stage);
        CHECK(pace.offered(10, r.stage, began + 1s) == r.expected);
    }
}

TEST_CASE("rule 14: stages without end do not undo the interval", "[unit][checkpoints]")
{
    checkpoint_pace pace({.interval = 10s, .on_stage = true});
    pace.kept(began);
    int kept = 0;
    for (int i = 0; i < 5000; ++i) kept += pace.offered(10, std::to_string(i), began + 1s) == verdict::keep ? 1 : 0;
    CHECK(kept == 1000);
}

TEST_CASE("rule 14: what is larger than max_bytes is refused, in a new stage too", "[unit][checkpoints]")
{
    checkpoint_pace pace({.on_stage = true, .max_bytes = 100});
    CHECK(pace.offered(100, "a", began) == verdict::keep);
    CHECK(pace.offered(101, "b", began) == verdict::refuse);
    CHECK(pace.offered(100, "b", began) == verdict::keep);
}

TEST_CASE("rule 14: an interval beyond what a clock can show never passes", "[unit][checkpoints]")
{
    checkpoint_pace pace({.interval = milliseconds::max()});
    pace.kept(began);
    CHECK(pace.due() == no_deadline);
    CHECK(pace.offered(1, "", began + 1000h) == verdict::wait);
}
