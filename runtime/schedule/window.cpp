#include "runtime/schedule/window.hpp"

#include "runtime/schedule/civil.hpp"
#include "runtime/schedule/zone_database.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <boost/json/string.hpp>
#include <chrono>
#include <cstddef>
#include <fmt/format.h>
#include <utility>

namespace rowlock::runtime {

namespace {

struct stretch {
    epoch_seconds begin;
    epoch_seconds end;
};

constexpr epoch_seconds week = 7 * day_seconds;

// When one window is open between two points in time, in order; not cut at them, and not joined with what it meets.
void add_stretches(std::vector<stretch>& found, const compiled_windows::one& one, epoch_seconds from, epoch_seconds until)
{
    const auto& [window, clocks] = one;
    const epoch_seconds length = window.end > window.start ? (window.end - window.start).count() : (window.end - window.start).count() + day_seconds;
    for (auto at = from; at < until;) {
        const zone::period here = clocks->at(at);
        const epoch_seconds last = std::min(here.end, until) + here.offset;
        // The window of the day before may go on past midnight.
        const epoch_seconds begin = std::max(here.begin, from - day_seconds);
        for (auto day = floor_div(begin + here.offset, day_seconds) - 1; day * day_seconds < last; ++day) {
            if (!(window.days >> weekday_of(day) & 1)) continue;
            const epoch_seconds opens = day * day_seconds + window.start.count() - here.offset;
            const stretch open{std::max(opens, here.begin), std::min(opens + length, here.end)};
            if (open.begin < open.end && open.begin < until) found.push_back(open);
        }
        at = here.end;
    }
}

// All windows as one, between two points in time: in order, none meets another.
std::vector<stretch> stretches(const compiled_windows& windows, epoch_seconds from, epoch_seconds until)
{
    std::vector<stretch> found;
    for (const auto& one : windows.all) add_stretches(found, one, from, until);
    std::sort(found.begin(), found.end(), [](const stretch& a, const stretch& b) { return a.begin < b.begin; });
    std::size_t kept = 0;
    for (const auto& each : found) {
        if (kept > 0 && each.begin <= found[kept - 1].end) found[kept - 1].end = std::max(found[kept - 1].end, each.end);
        else found[kept++] = each;
    }
    found.resize(kept);
    return found;
}

timestamp time_of(epoch_seconds at)
{
    return timestamp{std::chrono::seconds{at}};
}

}

result<compiled_windows> compile(const std::vector<execution_window>& windows, zone_database& zones)
{
    compiled_windows made;
    std::vector<field_error> refused;
    for (std::size_t i = 0; i < windows.size(); ++i) {
        auto clocks = zones.find(windows[i].timezone);
        if (clocks) {
            made.all.push_back({windows[i], std::move(*clocks)});
        } else {
            refused.push_back({fmt::format("execution_windows[{}].timezone", i), to_text(boost::json::string(windows[i].timezone)), clocks.error().detail, {},
                               errc::invalid_timezone});
        }
    }
    if (refused.empty()) return made;
    std::string told = fmt::format("The windows are refused: {} {}.", refused.front().field, refused.front().message);
    return error{errc::invalid_timezone, std::move(told), std::move(refused), {}};
}

open_interval window_at(const compiled_windows& windows, timestamp at)
{
    if (windows.all.empty()) return {true, timestamp::min(), timestamp::max()};
    const epoch_seconds now = std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
    for (const epoch_seconds ahead : {2 * week, 5 * week}) {
        for (const auto& [begin, end] : stretches(windows, now - week, now + ahead)) {
            if (end <= now) continue;
            return {begin <= now, time_of(std::max(begin, now - week)), time_of(std::min(end, std::max(begin, now) + week))};
        }
    }
    return {false, time_of(now + 5 * week), time_of(now + 5 * week)};
}

}
