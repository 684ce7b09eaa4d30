#include "runtime/schedule/preview.hpp"

#include "runtime/schedule/next_fire.hpp"
#include "runtime/schedule/plain_days.hpp"
#include "runtime/schedule/zone_database.hpp"
#include "storage/model/json_fields.hpp"

#include <boost/json/array.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>

namespace rowlock::runtime {

namespace json = boost::json;

namespace {

constexpr std::int64_t default_count = 10;

struct question {
    timestamp after;
    std::size_t count;
};

question read_question(const json::object& asked, timestamp now, field_errors& errors)
{
    json::object accepted;
    json_fields fields(asked, "", errors, accepted);
    question made{now, static_cast<std::size_t>(fields.integer("count", 1, most_previewed).value_or(default_count))};
    if (const auto given = fields.find("after")) {
        const auto* text = given.value->if_string();
        const auto at = text ? parse_rfc3339({text->data(), text->size()}) : std::nullopt;
        if (at) made.after = *at;
        else fields.refuse(given, "must be a time as in RFC 3339, like 2026-01-31T09:30:00Z, from 1970 to 9999");
    }
    return made;
}

}

result<schedule_preview> preview(const json::object& asked, zone_database& zones, timestamp now, const std::string& default_zone)
{
    field_errors errors;
    const auto [after, count] = read_question(asked, now, errors);
    json::object document(asked, json::storage_ptr());
    for (const auto name : {"after", "count"}) document.erase(name);
    if (const auto* zone = document.if_contains("timezone"); !zone || zone->is_null()) document["timezone"] = default_zone;

    const auto with_times = with_days_as_times(document, zones, default_zone);
    auto schedule = parse_schedule(with_times ? *with_times : document);
    if (!schedule) errors.add_all(schedule.error(), "");
    for (const auto& [field, name] : zones_named_in(document)) {
        const json::value shown = json::string(name);
        if (const auto known = zones.find(name); !known) errors.add(field, &shown, known.error().detail, errc::invalid_timezone);
    }
    if (!errors.empty()) return std::move(errors).take("The schedule");
    const auto compiled = compile(*schedule, zones, after);
    if (!compiled) return compiled.error();
    return schedule_preview{std::move(*schedule), ticks_between(*compiled, after, timestamp::max(), count)};
}

json::object to_json(const std::vector<timestamp>& fire_times)
{
    json::array list;
    for (const auto at : fire_times) list.emplace_back(to_rfc3339(at));
    return {{"fire_times", std::move(list)}};
}

}
