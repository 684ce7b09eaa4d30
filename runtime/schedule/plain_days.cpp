#include "runtime/schedule/plain_days.hpp"

#include "runtime/schedule/zone_database.hpp"
#include "storage/model/time.hpp"

#include <algorithm>
#include <array>
#include <boost/json/string.hpp>
#include <chrono>
#include <string_view>

namespace rowlock::runtime {

namespace json = boost::json;

namespace {

constexpr std::array<std::string_view, 2> members{"start_date", "end_date"};
constexpr std::size_t day_length = std::string_view("2026-11-22").size();

std::optional<std::string_view> text_of(const json::object& object, std::string_view name)
{
    const auto* value = object.if_contains(name);
    const auto* text = value ? value->if_string() : nullptr;
    if (!text) return std::nullopt;
    return std::string_view(text->data(), text->size());
}

// The midnight of that day, as UTC has it.
std::optional<timestamp> midnight_of(std::string_view day)
{
    if (day.size() != day_length) return std::nullopt;
    return parse_rfc3339(std::string(day) + "T00:00:00Z");
}

// When the clocks show `reading` for the first time, or where they leave it out, the first instant after that.
epoch_seconds first_instant(const zone& clocks, epoch_seconds reading)
{
    // No clock is more than this ahead.
    constexpr epoch_seconds most_ahead = 2 * 86'400;
    auto here = clocks.at(reading - most_ahead);
    while (reading - here.offset >= here.end) here = clocks.at(here.end);
    return std::max(reading - here.offset, here.begin);
}

}

std::optional<json::object> with_days_as_times(const json::object& schedule, zone_database& zones, const std::string& default_zone)
{
    std::optional<json::object> made;
    for (const auto name : members) {
        const auto given = text_of(schedule, name);
        const auto midnight = given ? midnight_of(*given) : std::nullopt;
        if (!midnight) continue;
        const auto clocks = zones.find(text_of(schedule, "timezone").value_or(default_zone));
        if (!clocks) continue;
        if (!made) made = schedule;
        const auto begins = first_instant(**clocks, std::chrono::floor<std::chrono::seconds>(*midnight).time_since_epoch().count());
        (*made)[name] = json::string(to_rfc3339(timestamp{std::chrono::seconds{begins}}));
    }
    return made;
}

std::optional<json::object> definition_with_days_as_times(const json::object& definition, zone_database& zones, const std::string& default_zone)
{
    const auto* schedule = definition.if_contains("schedule");
    if (!schedule || !schedule->is_object()) return std::nullopt;
    auto resolved = with_days_as_times(schedule->get_object(), zones, default_zone);
    if (!resolved) return std::nullopt;
    std::optional<json::object> made(definition);
    (*made)["schedule"] = std::move(*resolved);
    return made;
}

}
