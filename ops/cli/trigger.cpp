#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/verbs.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

struct trigger_options {
    std::string id;
    std::string job;
    std::string source;
    std::string reason;
    std::size_t limit = 1000;
};

target triggers()
{
    return target("/v1/triggers");
}

exit_code list_triggers(context& c, const trigger_options& options)
{
    target at = triggers();
    if (!options.job.empty()) at.query("job_id", options.job);
    if (!options.source.empty()) at.query("source", options.source);
    const auto found = c.api().list(at, options.limit);
    if (!found) return c.fail(found.error());
    if (!c.screen.human()) {
        c.screen.document(*found);
        return exit_code::success;
    }
    table shown({{"TRIGGER", false, true}, {"JOB", false, true}, {"TYPE"}, {"SOURCE", false, true}, {"ENABLED"}, {"FILTER", false, true, true}});
    for (const json::value& one : *array_at(*found, "items")) {
        const bool on = flag_at(one, "enabled");
        shown.add({{text_at(one, "trigger_id")}, {text_at(one, "job_id")}, {text_at(one, "trigger_type")}, {text_at(one, "source")}, {on ? "yes" : "no", on ? colour::none : colour::yellow},
                   {text_at(one, "filter")}});
    }
    c.screen.show(shown);
    if (!text_at(*found, "next_cursor").empty()) c.screen.notice(fmt::format("There are more than these {}: see --limit.", options.limit));
    return exit_code::success;
}

exit_code show_one(context& c, const json::value& trigger)
{
    if (!c.screen.human()) {
        c.screen.document(trigger);
        return exit_code::success;
    }
    field_list shown;
    if (const json::object* members = trigger.if_object()) {
        for (const auto& member : *members) {
            const std::string name{member.key()};
            const std::string text = text_at(member.value(), "");
            shown.add(name, name.ends_with("_time") ? human_time(text) : text);
        }
    }
    c.screen.show(shown);
    return exit_code::success;
}

exit_code show_trigger(context& c, const trigger_options& options)
{
    const auto found = c.api().get(triggers().segment(options.id));
    return found ? show_one(c, found->body) : c.fail(found.error());
}

exit_code list_activations(context& c, const trigger_options& options)
{
    const auto found = c.api().list(triggers().segment(options.id).segment("activations"), options.limit);
    if (!found) return c.fail(found.error());
    if (!c.screen.human()) {
        c.screen.document(*found);
        return exit_code::success;
    }
    table shown({{"EVENT"}, {"OUTCOME"}, {"EXECUTION"}, {"AT (UTC)", false, false, true}, {"REASON", false, true, true}});
    for (const json::value& one : *array_at(*found, "items")) {
        shown.add({{text_at(one, "event_id")}, {text_at(one, "outcome")}, {text_at(one, "execution_id")}, {human_time(text_at(one, "at"))}, {text_at(one, "reason")}});
    }
    c.screen.show(shown);
    if (!text_at(*found, "next_cursor").empty()) c.screen.notice(fmt::format("There are more than these {}: see --limit.", options.limit));
    return exit_code::success;
}

exit_code switch_trigger(context& c, const trigger_options& options, const char* action)
{
    json::object request;
    if (!options.reason.empty()) request["reason"] = options.reason;
    const auto changed = c.api().post(triggers().segment(options.id).segment(action), request);
    if (!changed) return c.fail(changed.error());
    if (!c.screen.human()) return show_one(c, changed->body);
    c.screen.line(fmt::format("{} is {}d", options.id, action));
    return exit_code::success;
}

exit_code enable_trigger(context& c, const trigger_options& options) { return switch_trigger(c, options, "enable"); }
exit_code disable_trigger(context& c, const trigger_options& options) { return switch_trigger(c, options, "disable"); }

}

void add_trigger(CLI::App& app, context& c)
{
    CLI::App* verbs = app.add_subcommand("trigger", "What makes executions of events: list, show, activations, enable, disable");
    verbs->group("Definitions");
    verbs->require_subcommand(1);
    verbs->footer("Triggers stand in the definitions of their jobs.\nExamples:\n  rowlock trigger list --job ingest\n  rowlock trigger activations ingest-1\n"
                  "  rowlock trigger disable ingest-1 --reason \"the source floods us\"");
    const auto options = std::make_shared<trigger_options>();
    const auto add = [&](const char* name, const char* what, exit_code (*action)(context&, const trigger_options&), const char* example) {
        CLI::App* verb = verbs->add_subcommand(name, what);
        verb->footer(std::string{"Example:\n  rowlock trigger "} + example);
        verb->callback([&c, options, action] { c.chosen = [&c, options, action] { return action(c, *options); }; });
        return verb;
    };
    const auto add_limit = [&options](CLI::App& verb) {
        verb.add_option("--limit", options->limit, "At most so many; default 1000")->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000}));
    };
    CLI::App* list = add("list", "Every trigger with its source", list_triggers, "list --source orders --format json");
    list->add_option("--job", options->job, "Triggers of this job only");
    list->add_option("--source", options->source, "Of this source only");
    add_limit(*list);
    CLI::App* activations = add("activations", "What it did on each event of its source, and why; the newest first", list_activations, "activations ingest-1 --limit 20");
    add_limit(*activations);
    CLI::App* show = add("show", "Everything about one trigger", show_trigger, "show ingest-1");
    CLI::App* on = add("enable", "Let it act again", enable_trigger, "enable ingest-1");
    CLI::App* off = add("disable", "Let it not act; events come in all the same, and what it did not do is recorded", disable_trigger, "disable ingest-1 --reason maintenance");
    for (CLI::App* verb : {activations, show, on, off}) verb->add_option("TRIGGER", options->id, "Its trigger_id")->required();
    for (CLI::App* verb : {on, off}) verb->add_option("--reason", options->reason, "Why; it is recorded");
}

}
