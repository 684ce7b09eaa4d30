#include "runtime/limits/pressure.hpp"
#include "runtime/limits/pressure_report.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace rowlock;
using namespace rowlock::runtime;
using namespace std::chrono_literals;

namespace {

pressure_rules rules_of_a_test()
{
    pressure_rules rules;
    rules.of[resource::memory] = {90, 80};
    rules.of[resource::disk] = {95, 90, 1000};
    rules.of[resource::queue] = {90, 75};
    rules.after = 10s;
    rules.clear_after = 20s;
    for (const auto a : all_pressure_actions) rules.actions = rules.actions.with(a);
    return rules;
}

// An instance whose clock and figures a test moves.
struct watched {
    pressure_rules rules = rules_of_a_test();
    pressure_state state{};
    pressure_time now{};
    resource_samples samples{};

    // What changes, as in "MEMORY! DISK.", when `r` is so at this second.
    std::string at(std::chrono::seconds second, resource r, std::optional<double> usage, std::optional<std::int64_t> left_mb = std::nullopt)
    {
        samples[r] = {usage, left_mb};
        auto decision = decide(rules, state, samples, now + second);
        state = decision.state;
        std::string changes;
        for (const auto& change : decision.changes) changes += (changes.empty() ? "" : " ") + std::string(to_string(change.what)) + (change.pressed ? "!" : ".");
        return changes;
    }
};

submission of_priority(int priority, std::optional<timestamp> scheduled = std::nullopt)
{
    submission one;
    one.priority = priority;
    one.scheduled_time = scheduled;
    return one;
}

pressure_report short_of_memory()
{
    pressure_report report;
    report.watched.push_back({resource::memory, {97.24, {}}, {95, 90}, true, {}});
    report.watched.push_back({resource::disk, {50, 9000}, {97, 95}, false, {}});
    report.actions = report.actions.with(pressure_action::reject_low_priority).with(pressure_action::queue_all);
    report.recovery = 7s;
    return report;
}

}

TEST_CASE("a resource is short when it has been at its threshold for long enough, and until it has been low for long enough", "[unit][pressure]")
{
    watched w;
    CHECK(w.at(0s, resource::memory, 95) == "");
    CHECK(w.at(9s, resource::memory, 90) == "");
    CHECK(w.at(10s, resource::memory, 90) == "MEMORY!");
    CHECK(w.at(11s, resource::memory, 99) == "");
    CHECK(w.at(12s, resource::memory, 79.9) == "");
    CHECK(w.at(31s, resource::memory, 10) == "");
    CHECK(w.at(32s, resource::memory, 10) == "MEMORY.");
    CHECK(w.at(33s, resource::memory, 99) == "");
    CHECK(actions_of(w.rules, w.state) == action_set{});
}

TEST_CASE("how long it lasted is told at its end", "[unit][pressure]")
{
    watched w;
    w.rules.after = w.rules.clear_after = 0s;
    CHECK(w.at(1s, resource::memory, 95) == "MEMORY!");
    w.samples[resource::memory].usage = 5;
    const auto over = decide(w.rules, w.state, w.samples, w.now + 5s);
    REQUIRE(over.changes.size() == 1);
    CHECK(over.changes[0].lasted == 4s);
    CHECK(over.changes[0].usage == 5);
}

TEST_CASE("between the two thresholds nothing changes, and whoever wavers begins anew", "[unit][pressure]")
{
    watched w;
    w.at(0s, resource::memory, 95);
    CHECK(w.at(8s, resource::memory, 89.9) == "");       // not without a break
    CHECK(w.at(12s, resource::memory, 95) == "");
    CHECK(w.at(21s, resource::memory, 95) == "");
    CHECK(w.at(22s, resource::memory, 95) == "MEMORY!");
    for (int i = 23; i < 300; i += 10) {
        CHECK(w.at(std::chrono::seconds{i}, resource::memory, 70) == "");
        CHECK(w.at(std::chrono::seconds{i + 5}, resource::memory, 85) == "");    // neither high nor low
    }
    CHECK(w.at(300s, resource::memory, 70) == "");
    CHECK(w.at(320s, resource::memory, 70) == "MEMORY.");
}

TEST_CASE("a disk that has enough left is not short, however full it is", "[unit][pressure]")
{
    watched w;
    w.rules.after = w.rules.clear_after = 0s;
    CHECK(w.at(0s, resource::disk, 99, 1000) == "");
    CHECK(w.at(1s, resource::disk, 94, 10) == "");
    CHECK(w.at(2s, resource::disk, 95, 999) == "DISK!");
    CHECK(w.at(3s, resource::disk, 95, 1249) == "");     // enough, and not plenty
    CHECK(w.at(4s, resource::disk, 95, 1250) == "DISK.");
    CHECK(w.at(5s, resource::disk, 99, 10) == "DISK!");
    CHECK(w.at(6s, resource::disk, 89, 10) == "DISK.");
    w.rules.of[resource::disk].enough_mb = 0;
    CHECK(w.at(7s, resource::disk, 95, 1'000'000) == "DISK!");
}

TEST_CASE("several resources come and go by themselves, and the actions last as long as one of them", "[unit][pressure]")
{
    watched w;
    w.rules.after = 0s;
    w.rules.clear_after = 5s;
    CHECK(w.at(0s, resource::memory, 95) == "MEMORY!");
    CHECK(w.at(1s, resource::disk, 99, 0) == "DISK!");
    CHECK(actions_of(w.rules, w.state) == w.rules.actions);
    CHECK(w.at(2s, resource::memory, 10) == "");
    CHECK(w.at(7s, resource::memory, 10) == "MEMORY.");
    CHECK(actions_of(w.rules, w.state) == w.rules.actions);
    CHECK(w.at(8s, resource::disk, 10, 5000) == "");
    CHECK(w.at(13s, resource::disk, 10, 5000) == "DISK.");
    CHECK(actions_of(w.rules, w.state) == action_set{});
    w.samples[resource::disk] = {99, 0};
    CHECK(w.at(20s, resource::memory, 95) == "MEMORY! DISK!");
}

TEST_CASE("a full queue keeps nothing from starting, as that is what empties it", "[unit][pressure]")
{
    watched w;
    w.rules.after = 0s;
    CHECK(w.at(0s, resource::queue, 95) == "QUEUE!");
    const auto actions = actions_of(w.rules, w.state);
    CHECK_FALSE(actions.has(pressure_action::queue_all));
    CHECK(actions.has(pressure_action::reject_low_priority));
    CHECK(actions.has(pressure_action::pause_scheduling));
    CHECK(w.at(1s, resource::memory, 95) == "MEMORY!");
    CHECK(actions_of(w.rules, w.state).has(pressure_action::queue_all));
    w.rules.actions = {};
    CHECK(actions_of(w.rules, w.state) == action_set{});
}

TEST_CASE("what nobody watches is never short, and what cannot be measured keeps nobody waiting", "[unit][pressure]")
{
    watched w;
    w.rules.after = 0s;
    w.rules.clear_after = 3s;
    CHECK(w.at(0s, resource::cpu, 100) == "");
    CHECK(w.at(1s, resource::memory, std::nullopt) == "");
    CHECK(w.at(2s, resource::memory, 95) == "MEMORY!");
    CHECK(w.at(3s, resource::memory, std::nullopt) == "");
    CHECK(w.at(6s, resource::memory, std::nullopt) == "MEMORY.");
}

TEST_CASE("the earliest end is told in whole seconds, from one to sixty", "[unit][pressure]")
{
    watched w;
    w.rules.after = 0s;
    w.rules.clear_after = 20s;
    CHECK(earliest_recovery(w.rules, w.state, w.now) == 1s);
    w.at(0s, resource::memory, 95);
    CHECK(earliest_recovery(w.rules, w.state, w.now + 5s) == 20s);
    w.at(10s, resource::memory, 10);
    CHECK(earliest_recovery(w.rules, w.state, w.now + 15500ms) == 15s);
    CHECK(earliest_recovery(w.rules, w.state, w.now + 1h) == 1s);
    w.rules.clear_after = 1h;
    CHECK(earliest_recovery(w.rules, w.state, w.now + 15s) == 60s);
}

TEST_CASE("names are read as they are written", "[unit][pressure]")
{
    for (const auto a : all_pressure_actions) CHECK(parse_pressure_action(to_string(a)) == a);
    CHECK(parse_pressure_action("queue_all") == std::nullopt);
    CHECK(parse_pressure_action("") == std::nullopt);
    CHECK(words_of(action_set{}) == "nothing");
}

TEST_CASE("while it is short of something an instance refuses what is less urgent, and says of what", "[unit][pressure]")
{
    const auto now = wall_clock();
    auto report = short_of_memory();
    submit_request request;
    request.items = {of_priority(0), of_priority(5)};
    CHECK_FALSE(refusal_under_pressure(request, report, now));
    request.items = {of_priority(0), of_priority(-1), of_priority(-5, now + 1h), of_priority(-7, now - 1h)};
    const auto why = refusal_under_pressure(request, report, now);
    REQUIRE(why);
    CHECK(why->code == errc::resource_exhausted);
    CHECK(why->retry_after == 7s);
    CHECK_THAT(why->detail, Catch::Contains("MEMORY at 97.2 %, short from 95 % on") && !Catch::Contains("DISK"));
    REQUIRE(why->fields.size() == 2);
    CHECK(why->fields[0].field == "executions[1].priority");
    CHECK(why->fields[0].value == "-1");
    CHECK(why->fields[1].field == "executions[3].priority");
    request.items = {of_priority(9)};
    report.reject_below = 10;
    CHECK(refusal_under_pressure(request, report, now)->fields[0].field == "priority");
    report.actions = report.actions.without(pressure_action::reject_low_priority);
    CHECK_FALSE(refusal_under_pressure(request, report, now));
}

TEST_CASE("others are told of what is short, health of all that is watched", "[unit][pressure]")
{
    const auto report = short_of_memory();
    const auto pressed = pressed_json(report);
    REQUIRE(pressed.at("resources").as_array().size() == 1);
    CHECK(pressed.at("resources").at(0).at("resource") == "MEMORY");
    CHECK(pressed.at("resources").at(0).at("usage_percent") == 97.2);
    CHECK(pressed.at("resources").at(0).at("threshold_percent") == 95.0);
    CHECK(pressed.at("actions").as_array().size() == 2);
    const auto all = health_json(report);
    REQUIRE(all.at("resources").as_array().size() == 2);
    CHECK(all.at("resources").at(1).at("under_pressure") == false);
    const auto details = exhaustion_json(report, report.watched[0]);
    CHECK(details.at("resource_type") == "MEMORY");
    CHECK(details.at("current_usage") == 97.2);
    CHECK(details.at("estimated_recovery_seconds") == 7);
}
