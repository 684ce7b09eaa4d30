#include "storage/model/cron.hpp"
#include "storage/model/document_fields.hpp"
#include "storage/model/job_definition_parts.hpp"

#include <algorithm>
#include <boost/json/string.hpp>
#include <fmt/format.h>
#include <utility>

namespace rowlock {

namespace json = boost::json;

namespace definition {

namespace {

constexpr text_bounds cron_bounds{1, 512};
constexpr text_bounds zone_bounds{1, longest_zone_name};
constexpr std::int64_t most_catchup_runs = 10'000;
constexpr std::int64_t most_concurrent_runs = 100'000;
constexpr milliseconds longest_jitter = std::chrono::hours{24};

std::optional<timestamp> read_time(json_fields& fields, std::string_view name)
{
    const auto f = fields.find(name);
    if (!f) return std::nullopt;
    const auto* text = f.value->if_string();
    const auto at = text ? parse_rfc3339({text->data(), text->size()}) : std::nullopt;
    if (at) fields.accept(name, json::string(to_rfc3339(*at)));
    else fields.refuse(f, fmt::format("must be a time as in RFC 3339, like 2026-01-31T09:30:00Z, {}from 1970 to 9999", name == "run_at" ? "" : "or a day, like 2026-01-31, "));
    return at;
}

// ---- when it fires

// Which member says when a schedule of each type fires.
struct timing {
    schedule_type type;
    std::string_view member;
    std::string_view alias = {};
};
constexpr std::array<timing, 3> timings{{
    {schedule_type::cron, "cron_expression", "cron"},
    {schedule_type::interval, "interval_seconds"},
    {schedule_type::once, "run_at"},
}};

// Under its name or its other one; where it stands under both, the reader of its value compares them.
json_fields::found find_either(json_fields& fields, const timing& each)
{
    const auto member = fields.find(each.member);
    return member || each.alias.empty() ? member : fields.find(each.alias);
}

// The type that is named, or else the one that the members tell. nullopt: neither does, or they contradict each other; that is refused.
std::optional<schedule_type> read_type(json_fields& fields)
{
    const auto named = fields.find("schedule_type");
    const auto name = fields.choice("schedule_type", schedule_type_names);
    if (named && !name) {
        for (const auto& each : timings) find_either(fields, each);
        return std::nullopt;
    }
    std::optional<schedule_type> type;
    if (name) type = static_cast<schedule_type>(std::find(schedule_type_names.begin(), schedule_type_names.end(), *name) - schedule_type_names.begin());
    bool good = true;
    for (const auto& each : timings) {
        const auto member = find_either(fields, each);
        if (!member) {
            if (type == each.type && name) {
                fields.require(each.member);
                good = false;
            }
        } else if (!type) {
            type = each.type;
        } else if (type != each.type) {
            fields.refuse(member, fmt::format("is for schedules of type {}, and this one is {}; leave it out, or give it a schedule of its own", name_of(each.type), name_of(*type)),
                          errc::schedule_conflict);
            good = false;
        }
    }
    if (!type) {
        // Where it stands by itself it has no path: its type is what is missing.
        fields.errors().add(fields.path().empty() ? "schedule_type" : fields.path(), nullptr, "must say when: give it cron_expression, interval_seconds or run_at");
        return std::nullopt;
    }
    fields.accept("schedule_type", json::string(name_of(*type)));
    return good ? type : std::nullopt;
}

void read_cron(json_fields& fields, schedule_spec& made)
{
    const auto& [type, member, alias] = timings[0];
    auto text = fields.text(member, cron_bounds, alias);
    if (!text) return;
    const auto parsed = parse_cron(*text);
    if (const auto* bad = std::get_if<cron_error>(&parsed)) fields.refuse(find_either(fields, timings[0]), bad->message, errc::invalid_cron);
    made.cron_expression = std::move(*text);
}

// What only times of the wall clock can be asked.
void read_dst(json_fields& fields, schedule_spec& made)
{
    const auto gap = fields.choice("dst_gap", dst_gap_names);
    const auto overlap = fields.choice("dst_overlap", dst_overlap_names);
    if (gap) made.gap = static_cast<dst_gap>(std::find(dst_gap_names.begin(), dst_gap_names.end(), *gap) - dst_gap_names.begin());
    if (overlap) made.overlap = static_cast<dst_overlap>(std::find(dst_overlap_names.begin(), dst_overlap_names.end(), *overlap) - dst_overlap_names.begin());
    if (made.type == schedule_type::cron) return;
    for (const std::string_view name : {"dst_gap", "dst_overlap"}) {
        const auto f = fields.find(name);
        if (f) fields.refuse(f, fmt::format("is for schedules of type CRON: those of type {} do not go by the clocks of a zone; leave it out", name_of(made.type)), errc::schedule_conflict);
    }
}

void read_bounds(json_fields& fields, schedule_spec& made)
{
    made.start_date = read_time(fields, "start_date");
    made.end_date = read_time(fields, "end_date");
    if (made.start_date && made.end_date && *made.end_date <= *made.start_date) {
        fields.refuse(fields.find("end_date"), fmt::format("must be after start_date, {}", to_rfc3339(*made.start_date)), errc::schedule_conflict);
        return;
    }
    const bool outside = made.run_at && ((made.start_date && *made.run_at < *made.start_date) || (made.end_date && *made.run_at >= *made.end_date));
    if (outside) fields.refuse(fields.find("run_at"), "must not be before start_date, and must be before end_date", errc::schedule_conflict);
}

// ---- what a tick does

void read_conduct(json_fields& fields, schedule_spec& made)
{
    made.skip_if_running = fields.boolean("skip_if_running").value_or(false);
    made.queue_if_running = fields.boolean("queue_if_running").value_or(false);
    if (made.skip_if_running && made.queue_if_running) {
        fields.refuse(fields.find("queue_if_running"), "contradicts skip_if_running: a tick that comes while the job runs is skipped or waits; set one of them to false",
                      errc::schedule_conflict);
    }
    made.catchup_enabled = fields.boolean("catchup_enabled").value_or(false);
    if (const auto n = fields.integer("max_catchup_runs", 0, most_catchup_runs)) made.max_catchup_runs = static_cast<int>(*n);
    if (const auto t = fields.seconds("tolerance_seconds", milliseconds{0}, longest_duration)) made.tolerance = *t;
    if (const auto j = fields.seconds("jitter_seconds", milliseconds{0}, longest_jitter)) made.jitter = *j;
    if (const auto n = fields.integer("max_concurrent_runs", 1, most_concurrent_runs)) made.max_concurrent_runs = static_cast<int>(*n);
    made.enabled = fields.boolean("enabled").value_or(true);
}

schedule_spec read_one_schedule(json_fields& fields, std::string_view job_id, const std::string& default_zone)
{
    schedule_spec made;
    made.schedule_id = fields.slug("schedule_id").value_or(std::string(job_id));
    if (!fields.has("schedule_id")) fields.accept("schedule_id", json::string(made.schedule_id));
    const auto type = read_type(fields);
    made.type = type.value_or(schedule_type::cron);
    read_cron(fields, made);
    if (const auto n = fields.integer("interval_seconds", 1, std::chrono::duration_cast<std::chrono::seconds>(longest_duration).count())) made.interval = std::chrono::seconds{*n};
    made.run_at = read_time(fields, "run_at");
    made.timezone = fields.text("timezone", zone_bounds).value_or(default_zone);
    if (!fields.has("timezone")) fields.accept("timezone", json::string(made.timezone));
    read_bounds(fields, made);
    read_conduct(fields, made);
    if (type) {
        read_dst(fields, made);
    } else {
        fields.drop("dst_gap");
        fields.drop("dst_overlap");
    }
    made.tags = document::read_tags(fields);
    return made;
}

// ---- windows

std::optional<int> two_digits(std::string_view text)
{
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    if (text.size() != 2 || !is_digit(text[0]) || !is_digit(text[1])) return std::nullopt;
    return (text[0] - '0') * 10 + (text[1] - '0');
}

// HH:MM or HH:MM:SS, up to 24:00.
std::optional<std::chrono::seconds> time_of_day(std::string_view text)
{
    const bool has_seconds = text.size() == 8;
    if ((!has_seconds && text.size() != 5) || text[2] != ':' || (has_seconds && text[5] != ':')) return std::nullopt;
    const auto hour = two_digits(text.substr(0, 2));
    const auto minute = two_digits(text.substr(3, 2));
    const auto second = has_seconds ? two_digits(text.substr(6)) : std::optional(0);
    if (!hour || !minute || !second || *minute > 59 || *second > 59 || *hour > 24 || (*hour == 24 && (*minute > 0 || *second > 0))) return std::nullopt;
    return std::chrono::seconds{(*hour * 60 + *minute) * 60 + *second};
}

std::chrono::seconds read_time_of_day(json_fields& fields, std::string_view name, bool may_be_midnight_after)
{
    const auto f = fields.find(name);
    if (!f) {
        fields.require(name);
        return {};
    }
    const auto* text = f.value->if_string();
    const auto at = text ? time_of_day({text->data(), text->size()}) : std::nullopt;
    if (!at || (*at == std::chrono::hours{24} && !may_be_midnight_after)) {
        fields.refuse(f, may_be_midnight_after ? "must be a time of day in quotes, like \"22:30\", from \"00:00\" to \"24:00\""
                                               : "must be a time of day in quotes, like \"22:30\", from \"00:00\" to \"23:59:59\"");
        return {};
    }
    fields.accept(name, *f.value);
    return *at;
}

constexpr std::array<std::string_view, 7> weekdays{"SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY"};

// Sunday is 0. Also takes the first three letters, in any case.
std::optional<unsigned> weekday_of(std::string_view text)
{
    for (unsigned day = 0; day < weekdays.size(); ++day) {
        const auto same = [](char given, char known) { return given == known || (given >= 'a' && given <= 'z' && given - 'a' + 'A' == known); };
        const std::string_view name = text.size() == 3 ? weekdays[day].substr(0, 3) : weekdays[day];
        if (std::equal(text.begin(), text.end(), name.begin(), name.end(), same)) return day;
    }
    return std::nullopt;
}

weekday_set read_days(json_fields& fields)
{
    const auto f = fields.find("days");
    if (!f) return every_weekday;
    weekday_set days = 0;
    json::array kept;
    const auto names = fields.texts("days", {1, weekdays.size(), {1, 16}});
    for (std::size_t i = 0; i < names.size(); ++i) {
        const auto day = weekday_of(names[i]);
        if (!day) {
            const json::value shown = json::string(names[i]);
            fields.errors().add(path_of(fields.path_of_member("days"), i), &shown, "must be one of MON, TUE, WED, THU, FRI, SAT, SUN");
            continue;
        }
        const auto bit = static_cast<weekday_set>(1U << *day);
        if ((days & bit) == 0) kept.emplace_back(json::string(weekdays[*day].substr(0, 3)));
        days = static_cast<weekday_set>(days | bit);
    }
    fields.accept("days", std::move(kept));
    return days == 0 ? every_weekday : days;
}

execution_window read_window(json_fields& fields)
{
    execution_window made;
    made.start = read_time_of_day(fields, "start", false);
    made.end = read_time_of_day(fields, "end", true);
    made.days = read_days(fields);
    if (auto zone = fields.text("timezone", zone_bounds)) made.timezone = std::move(*zone);
    return made;
}

}

void read_schedule(json_fields& definition, job_definition& made, const definition_defaults& defaults)
{
    definition.object("schedule", [&](json_fields& fields) { made.schedule = read_one_schedule(fields, made.job_id, defaults.timezone); });
}

void read_windows(json_fields& definition, job_definition& made)
{
    definition.objects("execution_windows", most_windows, [&made](json_fields& fields) { made.windows.push_back(read_window(fields)); });
    made.skip_outside_window = definition.boolean("skip_outside_window").value_or(false);
}

}

result<schedule_spec> parse_schedule(const json::object& document)
{
    field_errors errors;
    json::object kept;
    json_fields fields(document, "", errors, kept);
    schedule_spec made = definition::read_one_schedule(fields, "", "UTC");
    fields.refuse_rest();
    if (errors.empty()) return made;
    return std::move(errors).take("The schedule");
}

}
