#include "ops/cli/execution_view.hpp"
#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/parameters.hpp"
#include "ops/cli/verbs.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

constexpr std::size_t most_schedules = 1'000'000;

struct schedule_options {
    std::string id;
    std::string reason;
    std::size_t limit = 100;
};

target schedule_target(const schedule_options& options)
{
    return target("/v1/schedules").segment(options.id);
}

colour colour_of_state(std::string_view state)
{
    if (state == "ACTIVE") return colour::green;
    if (state == "INVALID") return colour::red;
    return state == "PAUSED" ? colour::yellow : colour::dim;
}

// When it fires, in a few words.
std::string timing_of(const json::value& schedule)
{
    const std::string type = text_at(schedule, "schedule_type");
    if (type == "CRON") return fmt::format("{} {}", text_at(schedule, "cron_expression"), text_at(schedule, "timezone"));
    if (type == "INTERVAL") return fmt::format("every {} s", text_at(schedule, "interval_seconds"));
    return fmt::format("at {}", human_time(text_at(schedule, "run_at")));
}

exit_code show_one(context& c, const json::value& schedule)
{
    if (!c.screen.human()) {
        c.screen.document(schedule);
        return exit_code::success;
    }
    field_list shown;
    if (const json::object* members = schedule.if_object()) {
        for (const auto& member : *members) {
            const std::string name{member.key()};
            const std::string text = text_at(member.value(), "");
            if (text.empty()) continue;
            if (name == "state") shown.add(name, text, colour_of_state(text));
            else shown.add(name, name.ends_with("_time") ? human_time(text) : text);
        }
    }
    c.screen.show(shown);
    return exit_code::success;
}

exit_code list_schedules(context& c, const schedule_options&)
{
    const auto found = c.api().list(target("/v1/schedules"), most_schedules);
    if (!found) return c.fail(found.error());
    if (!c.screen.human()) {
        c.screen.document(*found);
        return exit_code::success;
    }
    table shown({{"SCHEDULE", false, true}, {"JOB", false, true}, {"STATE"}, {"WHEN", false, true}, {"NEXT (UTC)"}, {"LAST (UTC)", false, false, true}});
    for (const json::value& one : *array_at(*found, "items")) {
        const std::string state = text_at(one, "state");
        shown.add({{text_at(one, "schedule_id")}, {text_at(one, "job_id")}, {state, colour_of_state(state)}, {timing_of(one)}, {human_time(text_at(one, "next_fire_time"))},
                   {human_time(text_at(one, "last_fire_time"))}});
    }
    c.screen.show(shown);
    return exit_code::success;
}

exit_code show_schedule(context& c, const schedule_options& options)
{
    const auto found = c.api().get(schedule_target(options));
    return found ? show_one(c, found->body) : c.fail(found.error());
}

exit_code list_ticks(context& c, const schedule_options& options)
{
    const auto found = c.api().list(schedule_target(options).segment("ticks"), options.limit);
    if (!found) return c.fail(found.error());
    if (!c.screen.human()) {
        c.screen.document(*found);
        return exit_code::success;
    }
    table shown({{"TIME (UTC)"}, {"OUTCOME"}, {"REASON", false, true}, {"TIMES", true}, {"EXECUTION"}, {"DECIDED (UTC)", false, false, true}});
    for (const json::value& one : *array_at(*found, "items")) {
        const std::string outcome = text_at(one, "outcome");
        shown.add({{human_time(text_at(one, "tick_time"))}, {outcome, outcome == "SKIPPED" ? colour::yellow : colour::green}, {text_at(one, "reason")}, {text_at(one, "ticks")},
                   {text_at(one, "execution_id")}, {human_time(text_at(one, "decided_time"))}});
    }
    c.screen.show(shown);
    return exit_code::success;
}

exit_code switch_schedule(context& c, const schedule_options& options, const char* action)
{
    json::object request;
    if (!options.reason.empty()) request["reason"] = options.reason;
    const auto changed = c.api().post(schedule_target(options).segment(action), request);
    if (!changed) return c.fail(changed.error());
    if (!c.screen.human()) return show_one(c, changed->body);
    const std::string next = human_time(text_at(changed->body, "next_fire_time"));
    c.screen.line(fmt::format("{} is {}{}", options.id, text_at(changed->body, "state"), next.empty() ? "" : ", and fires next at " + next + " UTC"));
    return exit_code::success;
}

exit_code pause_schedule(context& c, const schedule_options& options)
{
    return switch_schedule(c, options, "pause");
}

exit_code resume_schedule(context& c, const schedule_options& options)
{
    return switch_schedule(c, options, "resume");
}

exit_code run_schedule(context& c, const schedule_options& options)
{
    json::object request;
    if (!options.reason.empty()) request["reason"] = options.reason;
    const auto made = c.api().post(schedule_target(options).segment("run"), request);
    if (!made) return c.fail(made.error());
    if (c.screen.human()) c.screen.line(text_at(made->body, "execution_id"));
    else c.screen.document(made->body);
    return exit_code::success;
}

}

void add_schedule_control(CLI::App& schedule, context& c)
{
    const auto options = std::make_shared<schedule_options>();
    const auto add = [&](const char* name, const char* what, exit_code (*action)(context&, const schedule_options&), const char* example) {
        CLI::App* verb = schedule.add_subcommand(name, what);
        verb->footer(std::string{"Example:\n  rowlock schedule "} + example);
        verb->callback([&c, options, action] { c.chosen = [&c, options, action] { return action(c, *options); }; });
        return verb;
    };
    const auto needs_id = [&](CLI::App* verb) {
        verb->add_option("ID", options->id, "The schedule_id, which is the job_id where the definition gives no other")->required();
        return verb;
    };
    add("list", "Every schedule with its state, and when it fires next", list_schedules, "list --format json");
    needs_id(add("show", "Everything about one schedule", show_schedule, "show nightly"));
    needs_id(add("ticks", "What became of its times, the latest first", list_ticks, "ticks nightly --limit 20"))
        ->add_option("--limit", options->limit, "So many at most")
        ->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000}))
        ->capture_default_str();
    for (CLI::App* verb : {needs_id(add("pause", "Let it make no executions until it is resumed; what has been made goes on", pause_schedule, "pause nightly --reason maintenance")),
                           needs_id(add("resume", "Let it go on; times that went by are skipped, unless it has catchup_enabled", resume_schedule, "resume nightly")),
                           needs_id(add("run", "Make one execution now, beside its times", run_schedule, "run nightly"))}) {
        verb->add_option("--reason", options->reason, "Why, for the record");
    }
}

}
