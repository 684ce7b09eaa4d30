#include "runtime/limits/pressure_report.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <cmath>
#include <fmt/format.h>

namespace rowlock::runtime {

namespace {

namespace json = boost::json;

constexpr std::size_t most_named = 100;

// To a tenth: what is further behind is noise.
double rounded(double percent)
{
    return std::round(percent * 10) / 10;
}

json::string_view text(std::string_view s)
{
    return {s.data(), s.size()};
}

json::value usage_of(const resource_sample& sample)
{
    return sample.usage ? json::value(rounded(*sample.usage)) : json::value(nullptr);
}

json::array names_of(action_set actions)
{
    json::array names;
    for (const auto a : all_pressure_actions) {
        if (actions.has(a)) names.emplace_back(text(to_string(a)));
    }
    return names;
}

json::value since_of(const pressure_report::item& of)
{
    return of.since ? json::value(text(to_rfc3339(*of.since))) : json::value(nullptr);
}

}

bool pressure_report::any() const
{
    return std::any_of(watched.begin(), watched.end(), [](const item& each) { return each.pressed; });
}

std::string words_of(const pressure_report& report)
{
    std::string words;
    for (const auto& each : report.watched) {
        if (!each.pressed) continue;
        if (!words.empty()) words += "; ";
        words += fmt::format("{} at {:.1f} %, short from {:g} % on", to_string(each.what), each.last.usage.value_or(0), each.bounds.high);
        if (each.what == resource::disk && !report.disk_path.empty()) words += fmt::format(" ({})", report.disk_path);
    }
    return words;
}

std::string words_of(action_set actions)
{
    std::string words;
    for (const auto a : all_pressure_actions) {
        if (actions.has(a)) words += fmt::format("{}{}", words.empty() ? "" : ", ", to_string(a));
    }
    return words.empty() ? "nothing" : words;
}

json::object pressed_json(const pressure_report& report)
{
    json::array resources;
    for (const auto& each : report.watched) {
        if (!each.pressed) continue;
        resources.push_back({{"resource", text(to_string(each.what))}, {"usage_percent", usage_of(each.last)}, {"threshold_percent", each.bounds.high}, {"since", since_of(each)}});
    }
    return {{"resources", std::move(resources)}, {"actions", names_of(report.actions)}};
}

json::object health_json(const pressure_report& report)
{
    json::array resources;
    for (const auto& each : report.watched) {
        resources.push_back({{"resource", text(to_string(each.what))}, {"usage_percent", usage_of(each.last)}, {"threshold_percent", each.bounds.high},
                             {"low_percent", each.bounds.low}, {"under_pressure", each.pressed}, {"since", since_of(each)}});
    }
    return {{"resources", std::move(resources)}, {"actions", names_of(report.actions)}};
}

json::object exhaustion_json(const pressure_report& report, const pressure_report::item& of)
{
    json::object details{{"resource_type", text(to_string(of.what))}, {"current_usage", usage_of(of.last)}, {"threshold", of.bounds.high},
                         {"estimated_recovery_seconds", report.recovery.count()}, {"actions", names_of(report.actions)}};
    if (of.what == resource::disk) details["path"] = report.disk_path;
    return details;
}

std::optional<error> refusal_under_pressure(const submit_request& request, const pressure_report& report, timestamp now)
{
    if (!report.actions.has(pressure_action::reject_low_priority)) return std::nullopt;
    std::vector<field_error> fields;
    const bool one = request.items.size() == 1;
    for (std::size_t i = 0; i < request.items.size() && fields.size() < most_named; ++i) {
        const auto& each = request.items[i];
        if (each.priority >= report.reject_below || (each.scheduled_time && *each.scheduled_time > now)) continue;
        fields.push_back({one ? "priority" : fmt::format("executions[{}].priority", i), std::to_string(each.priority),
                          fmt::format("is below {} (PRESSURE_REJECT_BELOW_PRIORITY)", report.reject_below)});
    }
    if (fields.empty()) return std::nullopt;
    return error{errc::resource_exhausted,
                 fmt::format("Nothing was submitted: the server is under pressure ({}), and takes nothing of a priority below {} until that is over. Try again later, or at another instance.",
                             words_of(report), report.reject_below),
                 std::move(fields), report.recovery};
}

}
