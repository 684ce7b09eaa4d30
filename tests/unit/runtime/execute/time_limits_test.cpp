#include "runtime/execute/time_limits.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace rowlock;
using namespace rowlock::runtime;
using namespace std::chrono_literals;

namespace {

const deadline began = deadline{} + 1000h;

job_definition job_with(std::optional<milliseconds> timeout, timeout_action action = timeout_action::terminate, int max_extensions = 3)
{
    job_definition d;
    d.handler = process_handler{.command = {"true"}};
    d.timeout = timeout;
    d.timeout_action = action;
    d.max_extensions = max_extensions;
    return d;
}

const char* name_of(limit_event event)
{
    switch (event) {
    case limit_event::none: return "none";
    case limit_event::beat_missed: return "missed";
    case limit_event::heartbeat_lost: return "lost";
    case limit_event::warned: return "warned";
    case limit_event::extended: return "extended";
    case limit_event::timed_out: return "timed out";
    case limit_event::budget_used: return "out of budget";
    }
    return "";
}

// Lets time go from one moment of interest to the next, as the driver does, with signs of life at these seconds from the start. What came of
// it, as "second:what", until `end`.
std::string story(const job_definition& d, std::vector<int> signs, std::chrono::seconds end)
{
    time_limits limits(d, began);
    std::string told;
    for (auto now = began; now <= began + end;) {
        std::optional<deadline> last;
        for (const int at : signs) {
            if (began + std::chrono::seconds{at} <= now) last = began + std::chrono::seconds{at};
        }
        for (auto event = limits.due(now, last); event != limit_event::none; event = limits.due(now, last)) {
            told += (told.empty() ? "" : " ") + std::to_string((now - began) / 1s) + ":" + name_of(event);
        }
        const auto next = limits.next(last);
        if (next == no_deadline) break;
        REQUIRE(next > now);
        now = next;
    }
    return told;
}

}

TEST_CASE("rule 12: at its timeout an attempt is terminated, warned or extended", "[unit][timeouts]")
{
    struct row {
        const char* why;
        timeout_action action;
        int max_extensions;
        std::vector<int> signs;
        const char* expected;
    };
    const auto r = GENERATE(values<row>({
        {"TERMINATE, whatever signs there were", timeout_action::terminate, 3, {9}, "10:timed out"},
        {"WARN, once", timeout_action::warn, 3, {}, "10:warned"},
        {"EXTEND without a sign of life", timeout_action::extend, 3, {}, "10:timed out"},
        {"EXTEND with one sign", timeout_action::extend, 3, {4}, "10:extended 20:timed out"},
        {"a sign counts for its own period only", timeout_action::extend, 3, {4, 25}, "10:extended 20:timed out"},
        {"EXTEND with signs in each period", timeout_action::extend, 3, {4, 14, 24, 34, 44}, "10:extended 20:extended 30:extended 40:timed out"},
        {"one extension", timeout_action::extend, 1, {4, 14, 24}, "10:extended 20:timed out"},
        {"no extensions", timeout_action::extend, 0, {4, 14}, "10:timed out"},
    }));
    INFO(r.why);
    CHECK(story(job_with(10s, r.action, r.max_extensions), r.signs, 100s) == r.expected);
}

TEST_CASE("rule 12: the last deadline holds all extensions, and there is none where the work is only warned", "[unit][timeouts]")
{
    CHECK(time_limits(job_with(std::nullopt), began).first_deadline() == no_deadline);
    CHECK(time_limits(job_with(std::nullopt, timeout_action::extend), began).last_deadline() == no_deadline);
    CHECK(time_limits(job_with(10s), began).last_deadline() == began + 10s);
    CHECK(time_limits(job_with(10s, timeout_action::extend, 3), began).last_deadline() == began + 40s);
    const time_limits warned(job_with(10s, timeout_action::warn), began);
    CHECK(warned.first_deadline() == began + 10s);
    CHECK(warned.last_deadline() == no_deadline);
}

TEST_CASE("rule 12: a timeout beyond what a clock can show is none", "[unit][timeouts]")
{
    const time_limits limits(job_with(milliseconds::max(), timeout_action::extend, 1000), began);
    CHECK(limits.first_deadline() == no_deadline);
    CHECK(limits.last_deadline() == no_deadline);
    CHECK(limits.next(std::nullopt) == no_deadline);
}

TEST_CASE("rule 13: an attempt fails after the allowed number of intervals without a sign of life", "[unit][heartbeats]")
{
    struct row {
        const char* why;
        int missed_limit;
        std::vector<int> signs;
        const char* expected;
    };
    const auto r = GENERATE(values<row>({
        {"the first interval begins with the attempt", 3, {}, "10:missed 20:missed 30:lost"},
        {"one that may not be missed", 1, {}, "10:lost"},
        {"signs in time", 3, {5, 14, 23, 32}, "42:missed 52:missed 62:lost"},
        {"a sign after missed ones starts anew", 3, {25}, "10:missed 20:missed 35:missed 45:missed 55:lost"},
    }));
    INFO(r.why);
    auto d = job_with(std::nullopt);
    d.heartbeat = heartbeat_policy{.interval = 10s, .missed_limit = r.missed_limit};
    CHECK(story(d, r.signs, 1000s) == r.expected);
}

TEST_CASE("rule 13: to sleep is the runtime's own work and needs no heartbeat", "[unit][heartbeats]")
{
    auto d = job_with(std::nullopt);
    d.handler = sleep_handler{1h};
    d.heartbeat = heartbeat_policy{.interval = 1s, .missed_limit = 1};
    CHECK(time_limits(d, began).next(std::nullopt) == no_deadline);
}

TEST_CASE("what came due first counts, however late it is looked at", "[unit][timeouts][heartbeats]")
{
    auto d = job_with(10s);
    d.heartbeat = heartbeat_policy{.interval = 3s, .missed_limit = 2};
    CHECK(time_limits(d, began).due(began + 1h, std::nullopt) == limit_event::heartbeat_lost);
    CHECK(time_limits(d, began).due(began + 1h, began + 5s) == limit_event::timed_out);
    // After an end there is nothing more.
    time_limits ended(d, began);
    ended.due(began + 1h, std::nullopt);
    CHECK(ended.due(began + 2h, std::nullopt) == limit_event::none);
    CHECK(ended.next(std::nullopt) == no_deadline);
}

TEST_CASE("the budget of a run ends an attempt whatever its timeout says, and the timeout where that comes first", "[unit][time_limits]")
{
    struct row { const char* why; std::optional<milliseconds> timeout; timeout_action action; milliseconds budget; const char* first; };
    const auto& r = GENERATE(values<row>({
        {"there is no timeout", std::nullopt, timeout_action::terminate, 5s, "5:out of budget"},
        {"it is shorter than the timeout", 10s, timeout_action::terminate, 5s, "5:out of budget"},
        {"the timeout comes first", 3s, timeout_action::terminate, 5s, "3:timed out"},
        {"the timeout only warns", 3s, timeout_action::warn, 5s, "3:warned 5:out of budget"},
        {"the timeout is extended", 4s, timeout_action::extend, 5s, "4:extended 5:out of budget"}}));
    INFO(r.why);
    time_limits limits(job_with(r.timeout, r.action), began, r.budget);
    CHECK(limits.last_deadline() == began + (r.action == timeout_action::terminate && r.timeout ? std::min(*r.timeout, r.budget) : r.budget));
    std::string told;
    for (auto now = began; now != no_deadline && now <= began + 20s; now = limits.next(now)) {
        for (auto event = limits.due(now, now); event != limit_event::none; event = limits.due(now, now)) {
            told += (told.empty() ? "" : " ") + std::to_string((now - began) / 1s) + ":" + name_of(event);
        }
    }
    CHECK(told == r.first);
}
