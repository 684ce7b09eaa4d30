#include "runtime/schedule/evaluate.hpp"
#include "runtime/schedule/zone_database.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <set>

using namespace rowlock;
using namespace rowlock::runtime;
using namespace std::chrono_literals;

namespace {

timestamp at(std::string_view text)
{
    return parse_rfc3339(text).value();
}

struct minutely {
    schedule_spec spec{.schedule_id = "s", .type = schedule_type::cron, .cron_expression = "* * * * *"};
    zone_database zones{};

    evaluation decide(std::string_view decided_to, std::string_view now, std::optional<schedule_watch> watch = std::nullopt, int limit = 10) const
    {
        return decide(schedule_standing{at(decided_to)}, at(now), watch, limit);
    }

    evaluation decide(const schedule_standing& standing, timestamp now, std::optional<schedule_watch> watch = std::nullopt, int limit = 10) const
    {
        zone_database z;
        return evaluate(compile(spec, z, at("2026-01-01T00:00:00Z")).value(), spec, standing, now, limit, 7, watch);
    }
};

// "12:01 fire, 12:02-12:05 x4 MISSED"
std::string told(const evaluation& e)
{
    std::string text;
    for (const auto& tick : e.ticks) {
        if (!text.empty()) text += ", ";
        text += to_rfc3339(tick.at).substr(11, 5);
        if (tick.verdict == tick_verdict::fire) text += " fire";
        else if (tick.verdict == tick_verdict::catch_up) text += " catch up";
        else text += "-" + to_rfc3339(tick.last).substr(11, 5) + " x" + std::to_string(tick.count) + " " + tick.reason;
    }
    return text;
}

}

TEST_CASE("a tick within its tolerance is late and fires; one beyond was missed, and is caught up or skipped", "[unit][schedule]")
{
    struct row {
        const char* why;
        const char* decided_to;
        const char* now;
        bool catches_up;
        std::optional<int> most;
        const char* told;
    };
    const auto r = GENERATE(values<row>({
        {"nothing has come yet", "2026-05-01T12:00:30Z", "2026-05-01T12:00:59Z", false, {}, ""},
        {"one has come", "2026-05-01T12:00:30Z", "2026-05-01T12:01:00Z", false, {}, "12:01 fire"},
        {"as late as may be", "2026-05-01T12:00:30Z", "2026-05-01T12:02:00Z", false, {}, "12:01 fire, 12:02 fire"},
        {"a moment later", "2026-05-01T12:00:30Z", "2026-05-01T12:02:00.000001Z", false, {}, "12:01-12:01 x1 MISSED, 12:02 fire"},
        {"an hour of them", "2026-05-01T12:00:30Z", "2026-05-01T13:00:30Z", false, {}, "12:01-12:59 x59 MISSED, 13:00 fire"},
        {"the latest are caught up", "2026-05-01T12:00:30Z", "2026-05-01T13:00:30Z", true, 2, "12:01-12:57 x57 CATCHUP_LIMIT, 12:58 catch up, 12:59 catch up, 13:00 fire"},
        {"as many as there are", "2026-05-01T12:00:30Z", "2026-05-01T12:04:30Z", true, 100, "12:01 catch up, 12:02 catch up, 12:03 catch up, 12:04 fire"},
        {"none at all", "2026-05-01T12:00:30Z", "2026-05-01T12:04:30Z", true, 0, "12:01-12:03 x3 CATCHUP_LIMIT, 12:04 fire"},
        {"as many as the servers say", "2026-05-01T12:00:30Z", "2026-05-01T12:20:30Z", true, {}, "12:01-12:09 x9 CATCHUP_LIMIT, 12:10 catch up, 12:11 catch up, 12:12 catch up, 12:13 catch up, "
            "12:14 catch up, 12:15 catch up, 12:16 catch up, 12:17 catch up, 12:18 catch up, 12:19 catch up, 12:20 fire"},
    }));
    INFO(r.why);
    minutely m;
    m.spec.catchup_enabled = r.catches_up;
    m.spec.max_catchup_runs = r.most;
    CHECK(told(m.decide(r.decided_to, r.now)) == r.told);
}

TEST_CASE("what went by while a schedule was paused is skipped, unless it catches up", "[unit][schedule]")
{
    minutely m;
    const schedule_standing paused{at("2026-05-01T12:00:30Z"), at("2026-05-01T12:05:30Z"), "PAUSED"};
    CHECK(told(m.decide(paused, at("2026-05-01T12:05:30Z"))) == "12:01-12:05 x5 PAUSED");
    CHECK(told(m.decide(paused, at("2026-05-01T12:08:30Z"))) == "12:01-12:05 x5 PAUSED, 12:06-12:07 x2 MISSED, 12:08 fire");
    m.spec.catchup_enabled = true;
    m.spec.max_catchup_runs = 3;
    CHECK(told(m.decide(paused, at("2026-05-01T12:05:30Z"))) == "12:01-12:02 x2 CATCHUP_LIMIT, 12:03 catch up, 12:04 catch up, 12:05 catch up");
}

TEST_CASE("a clock that is set an hour ahead makes nothing late; one that is set back repeats nothing", "[unit][schedule]")
{
    const minutely m;
    const schedule_watch watch{at("2026-05-01T12:00:30Z"), 1s};
    CHECK(m.decide("2026-05-01T12:00:30Z", "2026-05-01T13:00:31Z", watch).ticks.size() == 60);
    CHECK(m.decide("2026-05-01T12:00:30Z", "2026-05-01T13:00:31Z", watch).ticks.front().verdict == tick_verdict::fire);
    CHECK(m.decide("2026-05-01T13:00:00Z", "2026-05-01T12:00:31Z", watch).ticks.empty());
    CHECK(to_rfc3339(*m.decide("2026-05-01T13:00:00Z", "2026-05-01T12:00:31Z", watch).look_at) == "2026-05-01T13:01:00.000000Z");
    // What came before the watch is as late as it looks, and so is what comes after a break that was one by all clocks.
    CHECK(told(m.decide("2026-05-01T11:57:30Z", "2026-05-01T12:00:31Z", watch)) == "11:58-11:59 x2 MISSED, 12:00 fire");
    CHECK(told(m.decide("2026-05-01T12:00:30Z", "2026-05-01T12:05:30Z", schedule_watch{at("2026-05-01T12:00:30Z"), 300s})) == "12:01-12:04 x4 MISSED, 12:05 fire");
    // A machine that stood still for a day was not set ahead by mistake.
    CHECK(m.decide("2026-05-01T12:00:30Z", "2026-05-02T12:00:30Z", watch).ticks.front().count == 1439);
}

TEST_CASE("without any tolerance a tick fires where somebody looks on, and was missed where nobody did", "[unit][schedule]")
{
    minutely m;
    m.spec.tolerance = 0s;
    const schedule_watch watch{at("2026-05-01T12:00:59.5Z"), 503ms};
    CHECK(told(m.decide("2026-05-01T12:00:30Z", "2026-05-01T12:01:00.003Z", watch)) == "12:01 fire");
    CHECK(told(m.decide("2026-05-01T12:00:30Z", "2026-05-01T12:01:00.003Z")) == "12:01-12:01 x1 MISSED");
    CHECK(told(m.decide("2026-05-01T12:00:30Z", "2026-05-01T12:01:06Z", schedule_watch{at("2026-05-01T12:00:50Z"), 16s})) == "12:01-12:01 x1 MISSED");
}

TEST_CASE("an evaluation is bounded, and the next goes on where it ended", "[unit][schedule]")
{
    minutely m;
    m.spec.cron_expression = "* * * * * *";
    m.spec.tolerance = 3600s;
    auto standing = schedule_standing{at("2026-05-01T12:00:00Z")};
    const auto now = at("2026-05-02T00:00:00Z");
    std::int64_t skipped = 0;
    int fired = 0;
    timestamp last = standing.decided_to;
    for (int rounds = 0; rounds < 100; ++rounds) {
        const auto e = m.decide(standing, now);
        for (const auto& tick : e.ticks) {
            CHECK(tick.at > last);
            last = tick.last;
            tick.verdict == tick_verdict::skip ? skipped += tick.count : ++fired;
        }
        standing.decided_to = e.decided_to;
        if (*e.look_at > now) break;
    }
    CHECK(skipped == 11 * 3600 - 1);
    CHECK(fired == 3601);
}

TEST_CASE("jitter is the same for a tick wherever it is computed, differs between schedules, and keeps within its bound", "[unit][schedule]")
{
    std::set<std::int64_t> seen;
    for (std::uint64_t seed = 0; seed < 1000; ++seed) {
        const auto late = jitter_of(at("2026-05-01T12:00:00Z"), 10s, seed);
        CHECK(late == jitter_of(at("2026-05-01T12:00:00Z"), 10s, seed));
        CHECK(late >= 0us);
        CHECK(late <= 10s);
        seen.insert(late.count());
    }
    CHECK(seen.size() > 990);
    CHECK(jitter_of(at("2026-05-01T12:00:00Z"), 0ms, 1) == 0us);

    minutely m;
    m.spec.jitter = 10s;
    const auto due = jitter_of(at("2026-05-01T12:01:00Z"), 10s, 7);
    const auto before = m.decide(schedule_standing{at("2026-05-01T12:00:30Z")}, at("2026-05-01T12:01:00Z") + due - 1us);
    CHECK(before.ticks.empty());
    CHECK(before.look_at == at("2026-05-01T12:01:00Z") + due);
    CHECK(told(m.decide(schedule_standing{at("2026-05-01T12:00:30Z")}, *before.look_at)) == "12:01 fire");
}

TEST_CASE("a year of a schedule, looked at now and then, is each of its ticks once", "[unit][schedule]")
{
    minutely m;
    m.spec.cron_expression = "*/30 2,14 * * *";
    m.spec.timezone = "Europe/Berlin";
    m.spec.catchup_enabled = true;
    m.spec.max_catchup_runs = 1000;
    zone_database zones;
    const auto compiled = compile(m.spec, zones, at("2026-01-01T00:00:00Z")).value();
    const auto begin = at("2026-01-01T00:00:00Z");
    const auto end = at("2027-01-01T00:00:00Z");
    std::vector<timestamp> decided;
    schedule_standing standing{begin};
    auto now = begin;
    for (std::uint64_t n = 1; now < end; ++n) {
        // Sometimes at once, sometimes a day late.
        const auto e = evaluate(compiled, m.spec, standing, now, 10, 1);
        for (const auto& tick : e.ticks) decided.push_back(tick.at);
        standing.decided_to = e.decided_to;
        now = std::min(end, *e.look_at + std::chrono::minutes{n % 5 == 0 ? 24 * 60 : 0});
    }
    const auto e = evaluate(compiled, m.spec, standing, end, 10, 1);
    for (const auto& tick : e.ticks) decided.push_back(tick.at);
    CHECK(decided == ticks_between(compiled, begin, end, 10'000));
    CHECK(decided.size() > 1400);
}
