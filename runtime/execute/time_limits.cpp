#include "runtime/execute/time_limits.hpp"

#include <algorithm>
#include <variant>

namespace rowlock::runtime {

namespace {

// A moment that no clock can show is never.
deadline later(deadline from, milliseconds by)
{
    return by >= std::chrono::floor<milliseconds>(no_deadline - from) ? no_deadline : from + by;
}

}

time_limits::time_limits(const job_definition& definition, deadline began, std::optional<milliseconds> budget)
    : action_(definition.timeout_action), timeout_(definition.timeout.value_or(milliseconds{0})), max_extensions_(definition.max_extensions), began_(began),
      first_deadline_(definition.timeout ? later(began, *definition.timeout) : no_deadline), budget_end_(budget ? later(began, *budget) : no_deadline), deadline_(first_deadline_), period_began_(began)
{
    // To sleep is the runtime's own work.
    if (!std::holds_alternative<sleep_handler>(definition.handler)) heartbeat_ = definition.heartbeat;
}

deadline time_limits::last_deadline() const
{
    switch (action_) {
    case timeout_action::terminate: return first_deadline();
    case timeout_action::warn: return budget_end_;
    case timeout_action::extend: break;
    }
    deadline last = first_deadline_;
    for (int i = 0; i < max_extensions_ && last != no_deadline; ++i) last = later(last, timeout_);
    return std::min(last, budget_end_);
}

deadline time_limits::silent_since(std::optional<deadline> last_sign) const
{
    return std::max(began_, last_sign.value_or(began_));
}

limit_event time_limits::due(deadline now, std::optional<deadline> last_sign)
{
    if (over_) return limit_event::none;
    const auto silent = silent_since(last_sign);
    const auto lost_at = heartbeat_ ? later(silent, heartbeat_->interval * heartbeat_->missed_limit) : no_deadline;
    if (budget_end_ <= now && budget_end_ < std::min(deadline_, lost_at)) {
        over_ = true;
        return limit_event::budget_used;
    }
    // Both may have come due while the core was busy: what came first counts.
    if (deadline_ <= now && deadline_ <= lost_at) return timeout_is_over(last_sign);
    if (!heartbeat_) return limit_event::none;
    const int missed = static_cast<int>(std::clamp<std::int64_t>((now - silent) / heartbeat_->interval, 0, heartbeat_->missed_limit));
    const bool more = missed > missed_;
    missed_ = missed;
    if (lost_at <= now) {
        over_ = true;
        return limit_event::heartbeat_lost;
    }
    return more ? limit_event::beat_missed : limit_event::none;
}

limit_event time_limits::timeout_is_over(std::optional<deadline> last_sign)
{
    switch (action_) {
    case timeout_action::terminate: break;
    case timeout_action::warn:
        deadline_ = no_deadline;
        return limit_event::warned;
    case timeout_action::extend:
        if (extensions_ >= max_extensions_ || !last_sign || *last_sign <= period_began_) break;
        ++extensions_;
        period_began_ = deadline_;
        deadline_ = later(deadline_, timeout_);
        return limit_event::extended;
    }
    over_ = true;
    return limit_event::timed_out;
}

deadline time_limits::next(std::optional<deadline> last_sign) const
{
    if (over_) return no_deadline;
    const auto end = std::min(deadline_, budget_end_);
    if (!heartbeat_) return end;
    return std::min(end, later(silent_since(last_sign), heartbeat_->interval * (missed_ + 1)));
}

}
