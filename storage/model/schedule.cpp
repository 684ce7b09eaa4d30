#include "storage/model/schedule.hpp"

#include "storage/model/json_text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/string.hpp>

namespace rowlock {

namespace json = boost::json;

namespace {

void add_zone(std::vector<zone_to_check>& zones, const json::object& of, std::string_view place)
{
    const auto* given = of.if_contains("timezone");
    const auto* name = given ? given->if_string() : nullptr;
    // Names of other lengths are refused where the definition is read.
    if (name && !name->empty() && name->size() <= longest_zone_name) zones.push_back({path_of(place, "timezone"), std::string(name->data(), name->size())});
}

}

std::string_view name_of(schedule_type type)
{
    return schedule_type_names[static_cast<std::size_t>(type)];
}

std::vector<zone_to_check> zones_named_in(const json::object& definition)
{
    std::vector<zone_to_check> zones;
    add_zone(zones, definition, "");
    const auto* schedule = definition.if_contains("schedule");
    if (schedule && schedule->is_object()) add_zone(zones, schedule->get_object(), "schedule");
    const auto* windows = definition.if_contains("execution_windows");
    if (!windows || !windows->is_array()) return zones;
    const auto& list = windows->get_array();
    for (std::size_t i = 0; i < list.size() && i < most_windows; ++i) {
        if (list[i].is_object()) add_zone(zones, list[i].get_object(), path_of("execution_windows", i));
    }
    return zones;
}

}
