#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/verbs.hpp"
#include "runtime/schedule/preview.hpp"
#include "runtime/schedule/zone_database.hpp"
#include "storage/model/time.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

// ---- schedule next

struct next_options {
    std::string id;
    std::string cron;
    std::int64_t interval = 0;
    std::string timezone;
    std::string after;
    std::int64_t count = 0;
    std::string gap;
    std::string overlap;
};

// How the members of a schedule are named on the command line.
struct option_of_member {
    std::string_view member;
    std::string_view option;
};
constexpr option_of_member option_names[] = {{"cron_expression", "--cron"}, {"interval_seconds", "--interval"}, {"timezone", "--timezone"}, {"after", "--after"},
                                             {"count", "--count"},          {"dst_gap", "--dst-gap"},           {"dst_overlap", "--dst-overlap"}};

json::object asked_by(const CLI::App& verb, const next_options& options)
{
    json::object asked;
    const auto add = [&](const char* option, std::string_view member, auto value) {
        if (verb.count(option) > 0) asked[member] = json::value(std::move(value));
    };
    add("--cron", "cron_expression", json::string(options.cron));
    add("--interval", "interval_seconds", options.interval);
    add("--timezone", "timezone", json::string(options.timezone));
    add("--after", "after", json::string(options.after));
    add("--count", "count", options.count);
    add("--dst-gap", "dst_gap", json::string(options.gap));
    add("--dst-overlap", "dst_overlap", json::string(options.overlap));
    return asked;
}

refusal refusal_of_schedule(const error& why)
{
    refusal made = bad_input("The schedule is refused");
    made.fields = why.fields;
    for (auto& one : made.fields) {
        for (const auto& [member, option] : option_names) {
            if (one.field == member) one.field = option;
        }
    }
    return made;
}

// 2026-03-29 03:00:00, by clocks that are `offset` ahead of UTC.
std::string clock_text(timestamp at, std::int32_t offset)
{
    std::string text = to_rfc3339(at + std::chrono::seconds{offset}).substr(0, 19);
    text[10] = ' ';
    return text;
}

// What is east of Greenwich is ahead: +02:00.
std::string offset_text(std::int32_t offset)
{
    const int minutes = (offset < 0 ? -offset : offset) / 60;
    return fmt::format("{}{:02}:{:02}", offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

exit_code show_times(context& c, const runtime::schedule_preview& found, runtime::zone_database& zones)
{
    if (!c.screen.human()) {
        c.screen.document(runtime::to_json(found.fire_times));
        return exit_code::success;
    }
    if (found.fire_times.empty()) {
        c.screen.notice("It fires no more.");
        return exit_code::success;
    }
    const auto clocks = zones.find(found.schedule.timezone);
    const bool has_zone = clocks && found.schedule.timezone != "UTC";
    std::vector<table::column> columns{{"FIRES (UTC)"}};
    if (has_zone) columns.push_back({fmt::format("IN {}", found.schedule.timezone)});
    table shown(std::move(columns));
    for (const auto at : found.fire_times) {
        std::vector<cell> row{{clock_text(at, 0)}};
        if (has_zone) {
            const auto offset = (*clocks)->at(std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count()).offset;
            row.push_back({fmt::format("{} {}", clock_text(at, offset), offset_text(offset))});
        }
        shown.add(std::move(row));
    }
    c.screen.show(shown);
    return exit_code::success;
}

// What the server has under this id.
exit_code next_times_of(context& c, const CLI::App& verb, const next_options& options)
{
    for (const auto& [member, option] : option_names) {
        if (member != "after" && member != "count" && verb.count(std::string(option)) > 0) {
            return c.fail(bad_input(fmt::format("{} is for a schedule that the command line says; the times of {} are the server's", option, options.id)));
        }
    }
    target where = target("/v1/schedules").segment(options.id).segment("next");
    if (verb.count("--after") > 0) where.query("after", options.after);
    if (verb.count("--count") > 0) where.query("count", std::to_string(options.count));
    const auto found = c.api().get(where);
    if (!found) return c.fail(found.error());
    if (!c.screen.human()) {
        c.screen.document(found->body);
        return exit_code::success;
    }
    const auto* times = array_at(found->body, "fire_times");
    if (times->empty()) {
        c.screen.notice("It fires no more.");
        return exit_code::success;
    }
    table shown({{"FIRES (UTC)"}});
    for (const json::value& at : *times) shown.add({{human_time(std::string(at.as_string()))}});
    c.screen.show(shown);
    return exit_code::success;
}

// Asks no server.
exit_code next_times(context& c, const json::object& asked)
{
    runtime::zone_database zones;
    const auto found = runtime::preview(asked, zones, wall_clock(), "UTC");
    return found ? show_times(c, *found, zones) : c.fail(refusal_of_schedule(found.error()));
}

void add_schedule_next(CLI::App& schedule, context& c)
{
    CLI::App* verb = schedule.add_subcommand("next", "When a schedule fires next; of a cron expression or an interval without a server");
    const auto options = std::make_shared<next_options>();
    verb->add_option("ID", options->id, "The schedule_id of a schedule that the server has, instead of --cron or --interval");
    verb->add_option("--cron", options->cron, "Five fields (minute, hour, day of month, month, day of week), six with the second first, or @daily and its kind");
    verb->add_option("--interval", options->interval, "Seconds from one time to the next, beginning at --after");
    verb->add_option("--timezone", options->timezone, "An IANA name; default UTC");
    verb->add_option("--after", options->after, "RFC 3339; default now");
    verb->add_option("--count", options->count, "1 to 1000; default 10");
    verb->add_option("--dst-gap", options->gap, "FIRE_AFTER or SKIP: what becomes of times that the clocks leave out");
    verb->add_option("--dst-overlap", options->overlap, "FIRST, SECOND or BOTH: what becomes of times that come twice");
    verb->footer("Examples:\n"
                 "  rowlock schedule next --cron \"0 9 * * MON-FRI\" --timezone Europe/Berlin\n"
                 "  rowlock schedule next --cron \"30 2 L * ?\" --after 2026-01-01T00:00:00Z --count 12\n"
                 "  rowlock schedule next --interval 90 --count 3 --format json\n"
                 "  rowlock schedule next nightly --count 3");
    verb->callback([&c, verb, options] {
        c.chosen = [&c, verb, options] { return options->id.empty() ? next_times(c, asked_by(*verb, *options)) : next_times_of(c, *verb, *options); };
    });
}

}

void add_schedule(CLI::App& app, context& c)
{
    CLI::App* schedule = app.add_subcommand("schedule", "When jobs run by the clock: list, show, next, ticks, pause, resume, run");
    schedule->group("Operating");
    schedule->require_subcommand(1);
    schedule->footer("Examples:\n  rowlock schedule list\n  rowlock schedule pause nightly --reason maintenance\n  rowlock schedule ticks nightly");
    add_schedule_next(*schedule, c);
    add_schedule_control(*schedule, c);
}

}
