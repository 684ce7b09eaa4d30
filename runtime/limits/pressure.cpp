#include "runtime/limits/pressure.hpp"

#include <algorithm>

namespace rowlock::runtime {

namespace {

bool is_short(const pressure_bounds& bounds, const resource_sample& now)
{
    const bool enough = bounds.enough_mb > 0 && now.left_mb && *now.left_mb >= bounds.enough_mb;
    return now.usage && *now.usage >= bounds.high && !enough;
}

// Between the two it stays as it is; of what is left, a quarter more than enough is plenty.
bool is_relieved(const pressure_bounds& bounds, const resource_sample& now)
{
    const bool plenty = bounds.enough_mb > 0 && now.left_mb && *now.left_mb >= bounds.enough_mb + bounds.enough_mb / 4;
    return !now.usage || *now.usage < bounds.low || plenty;
}

}

std::string_view to_string(resource r)
{
    switch (r) {
    case resource::memory: return "MEMORY";
    case resource::cpu: return "CPU";
    case resource::disk: return "DISK";
    case resource::connections: return "CONNECTIONS";
    case resource::queue: return "QUEUE";
    }
    return "";
}

std::string_view to_string(pressure_action a)
{
    switch (a) {
    case pressure_action::queue_all: return "QUEUE_ALL";
    case pressure_action::reject_low_priority: return "REJECT_LOW_PRIORITY";
    case pressure_action::pause_scheduling: return "PAUSE_SCHEDULING";
    }
    return "";
}

std::optional<pressure_action> parse_pressure_action(std::string_view text)
{
    for (const auto a : all_pressure_actions) {
        if (text == to_string(a)) return a;
    }
    return std::nullopt;
}

pressure_decision decide(const pressure_rules& rules, pressure_state state, const resource_samples& samples, pressure_time now)
{
    pressure_decision decision{state, {}};
    for (const auto r : all_resources) {
        const auto& bounds = rules.of[r];
        auto& is = decision.state[r];
        if (!bounds.watched()) continue;
        is.last = samples[r];
        const bool turns = is.pressed ? is_relieved(bounds, is.last) : is_short(bounds, is.last);
        if (!turns) {
            is.turning_since.reset();
            continue;
        }
        if (!is.turning_since) is.turning_since = now;
        if (now - *is.turning_since < (is.pressed ? rules.clear_after : rules.after)) continue;
        pressure_change change{r, !is.pressed, is.last.usage.value_or(0), {}};
        if (is.pressed) change.lasted = std::chrono::duration_cast<std::chrono::milliseconds>(now - is.since);
        is.pressed = !is.pressed;
        is.since = now;
        is.turning_since.reset();
        decision.changes.push_back(change);
    }
    return decision;
}

action_set actions_of(const pressure_rules& rules, const pressure_state& state)
{
    bool any = false;
    bool beside_queue = false;
    for (const auto r : all_resources) {
        any = any || state[r].pressed;
        beside_queue = beside_queue || (state[r].pressed && r != resource::queue);
    }
    if (!any) return {};
    return beside_queue ? rules.actions : rules.actions.without(pressure_action::queue_all);
}

std::chrono::seconds earliest_recovery(const pressure_rules& rules, const pressure_state& state, pressure_time now)
{
    pressure_time::duration longest{0};
    for (const auto r : all_resources) {
        const auto& is = state[r];
        if (!is.pressed) continue;
        const auto gone = is.turning_since ? now - *is.turning_since : pressure_time::duration{0};
        longest = std::max<pressure_time::duration>(longest, rules.clear_after - gone);
    }
    return std::clamp(std::chrono::ceil<std::chrono::seconds>(longest), std::chrono::seconds{1}, std::chrono::seconds{60});
}

}
