#include "runtime/schedule/next_fire.hpp"

#include "runtime/schedule/wall_search.hpp"
#include "runtime/schedule/zone_database.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <boost/json/string.hpp>
#include <fmt/format.h>
#include <utility>

namespace rowlock::runtime {

namespace {

using std::chrono::seconds;

// 9999-12-31T23:59:59: the last tick that can be written in RFC 3339.
constexpr epoch_seconds last_second = 253'402'300'799;

error refused(std::string field, const std::string& value, std::string message, errc kind)
{
    std::string told = fmt::format("The schedule is refused: {} {}.", field, message);
    return {kind, std::move(told), {{std::move(field), to_text(boost::json::string(value)), std::move(message), {}, kind}}, {}};
}

// The first second at or after `from` that is a tick, by the clocks of its zone, one stretch without a jump after the other.
std::optional<epoch_seconds> next_cron(const compiled_schedule& schedule, epoch_seconds from)
{
    while (from <= last_second) {
        const zone::period here = schedule.clocks->at(from);
        const bool after_gap = here.offset_before < here.offset;
        if (after_gap && from == here.begin && schedule.gap == dst_gap::fire_after &&
            next_reading(schedule.cron, here.begin + here.offset_before, here.begin + here.offset)) {
            return from;
        }
        // Readings that came before this period too, or come again after it, are taken in one of the two.
        epoch_seconds first = from + here.offset;
        if (schedule.overlap == dst_overlap::first && here.offset_before > here.offset) first = std::max(first, here.begin + here.offset_before);
        epoch_seconds until = here.end + here.offset;
        if (schedule.overlap == dst_overlap::second && here.offset_after < here.offset) until = here.end + here.offset_after;
        if (const auto reading = next_reading(schedule.cron, first, until)) return *reading - here.offset;
        from = here.end;
    }
    return std::nullopt;
}

std::optional<timestamp> next_of_cron(const compiled_schedule& schedule, timestamp after)
{
    // A year 0 is before all schedules, and keeps the sums below within their range.
    const auto earliest = std::max({after, schedule.start - timestamp::duration{schedule.start == timestamp::min() ? 0 : 1}, timestamp{seconds{-62'167'219'200}}});
    const auto found = next_cron(schedule, std::chrono::floor<seconds>(earliest).time_since_epoch().count() + 1);
    if (!found || *found > last_second) return std::nullopt;
    return timestamp{seconds{*found}};
}

std::optional<timestamp> next_of_interval(const compiled_schedule& schedule, timestamp after)
{
    if (after < schedule.first) return schedule.first;
    const timestamp::duration interval = schedule.interval;
    const timestamp next = schedule.first + ((after - schedule.first) / interval + 1) * interval;
    return next > timestamp{seconds{last_second}} ? std::nullopt : std::optional(next);
}

// A schedule that fires once a year at most needs no more than this, one that fires each second no more than a minute.
constexpr std::chrono::seconds first_look{60};

// The last `keep` ticks: looks at the end, and at twice as much of it each time until there are enough.
std::vector<timestamp> last_ticks(const compiled_schedule& schedule, timestamp after, timestamp until, std::size_t keep)
{
    std::vector<timestamp> found;
    for (timestamp::duration look = first_look;; look *= 2) {
        const bool all = look >= until - after;
        found.clear();
        std::size_t oldest = 0;
        for (auto at = next_fire(schedule, all ? after : until - look); at && *at <= until; at = next_fire(schedule, *at)) {
            if (found.size() < keep) {
                found.push_back(*at);
            } else {
                found[oldest] = *at;
                oldest = (oldest + 1) % keep;
            }
        }
        std::rotate(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(oldest), found.end());
        if (all || found.size() == keep) return found;
    }
}

}

result<compiled_schedule> compile(const schedule_spec& spec, zone_database& zones, timestamp registered)
{
    compiled_schedule made;
    made.type = spec.type;
    if (spec.start_date) made.start = *spec.start_date;
    if (spec.end_date) made.end = *spec.end_date;
    switch (spec.type) {
    case schedule_type::once: made.first = spec.run_at.value_or(registered); break;
    case schedule_type::interval:
        made.interval = std::max(spec.interval, seconds{1});
        made.first = spec.start_date.value_or(registered + made.interval);
        break;
    case schedule_type::cron: {
        auto pattern = parse_cron(spec.cron_expression);
        if (const auto* bad = std::get_if<cron_error>(&pattern)) return refused("cron_expression", spec.cron_expression, bad->message, errc::invalid_cron);
        auto clocks = zones.find(spec.timezone);
        if (!clocks) return refused("timezone", spec.timezone, clocks.error().detail, errc::invalid_timezone);
        made.cron = std::get<cron_pattern>(pattern);
        made.clocks = std::move(*clocks);
        made.gap = spec.gap.value_or(made.cron.any_hour ? dst_gap::skip : dst_gap::fire_after);
        made.overlap = spec.overlap.value_or(made.cron.any_hour ? dst_overlap::both : dst_overlap::first);
        if (!next_cron(made, std::chrono::floor<seconds>(registered).time_since_epoch().count())) {
            return refused("cron_expression", spec.cron_expression,
                           fmt::format("never fires in {}: the clocks there leave out each of its times when they go forward, and dst_gap is SKIP", spec.timezone), errc::invalid_cron);
        }
        break;
    }
    }
    return made;
}

std::optional<timestamp> next_fire(const compiled_schedule& schedule, timestamp after)
{
    std::optional<timestamp> next;
    switch (schedule.type) {
    case schedule_type::once:
        if (after < schedule.first && schedule.first >= schedule.start) next = schedule.first;
        break;
    case schedule_type::interval: next = next_of_interval(schedule, after); break;
    case schedule_type::cron: next = next_of_cron(schedule, after); break;
    }
    return next && *next < schedule.end ? next : std::nullopt;
}

std::vector<timestamp> ticks_between(const compiled_schedule& schedule, timestamp after, timestamp until, std::size_t limit)
{
    std::vector<timestamp> found;
    for (auto at = after; found.size() < limit;) {
        const auto next = next_fire(schedule, at);
        if (!next || *next > until) break;
        found.push_back(*next);
        at = *next;
    }
    return found;
}

latest_ticks latest_ticks_between(const compiled_schedule& schedule, timestamp after, timestamp until, std::size_t keep, std::size_t count_limit)
{
    latest_ticks made;
    if (until <= after) return made;
    if (keep > 0) made.ticks = last_ticks(schedule, after, until, keep);
    const timestamp end = made.ticks.empty() ? until + timestamp::duration{1} : made.ticks.front();
    for (auto at = next_fire(schedule, after); at && *at < end; at = next_fire(schedule, *at)) {
        if (made.earlier == count_limit) {
            made.earlier_is_exact = false;
            break;
        }
        ++made.earlier;
    }
    return made;
}

}
