#include "ops/cli/execution_view.hpp"
#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/parameters.hpp"
#include "ops/cli/verbs.hpp"
#include "storage/model/json_text.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

struct event_options {
    std::string source;
    std::string other_source;                // --source, for the word
    std::string payload;
    std::vector<std::string> pairs;
    std::string key;
    std::string id;
    std::string since;
    std::string until;
    std::size_t limit = 100;
};

target events()
{
    return target("/v1/events");
}

// The JSON of --payload, or an object of the -p; {} where there is neither.
outcome_of<json::value> payload_of(const event_options& options)
{
    if (options.payload.empty() || !options.pairs.empty()) {
        auto object = read_parameters(options.payload, options.pairs);
        if (!object) return object.error();
        return json::value(std::move(*object));
    }
    std::string text = options.payload;
    if (text.starts_with('@')) {
        auto read = read_text_file(text.substr(1));
        if (!read) return read.error();
        text = std::move(*read);
    }
    auto value = parse_json(text);
    if (!value) return bad_input(fmt::format("--payload: {}", value.error().detail));
    return std::move(*value);
}

// "a, b"
std::string joined(const json::value& from, std::string_view member)
{
    std::string text;
    if (const auto* all = array_at(from, member)) {
        for (const auto& one : *all) text += (text.empty() ? "" : ", ") + text_at(one, "");
    }
    return text;
}

exit_code emit_event(context& c, const event_options& options)
{
    if (options.source.empty() == options.other_source.empty()) return c.fail(bad_input("event emit needs a SOURCE, once"));
    auto payload = payload_of(options);
    if (!payload) return c.fail(payload.error());
    json::object request{{"source", options.source.empty() ? options.other_source : options.source}, {"payload", std::move(*payload)}};
    if (!options.key.empty()) request["key"] = options.key;
    const auto taken = c.api().post(events(), request);
    if (!taken) return c.fail(taken.error());
    if (!c.screen.human()) {
        c.screen.document(taken->body);
        return exit_code::success;
    }
    c.screen.line(text_at(taken->body, "event_id"));
    const auto activated = joined(taken->body, "activated");
    const auto waiting = joined(taken->body, "waiting");
    if (flag_at(taken->body, "duplicate")) c.screen.notice("this source and key came in before: nothing new");
    else c.screen.notice(activated.empty() ? std::string("it activates no trigger") : fmt::format("it activates {}", activated));
    if (!waiting.empty()) c.screen.notice(fmt::format("it waits for {}", waiting));
    return exit_code::success;
}

std::string acted_on(const json::value& event)
{
    std::string text;
    if (const auto* all = array_at(event, "activations")) {
        for (const auto& one : *all) text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", text_at(one, "trigger_id"), text_at(one, "outcome"));
    }
    return text;
}

exit_code list_events(context& c, const event_options& options)
{
    target at = events();
    if (!options.other_source.empty()) at.query("source", options.other_source);
    if (!options.key.empty()) at.query("key", options.key);
    if (!options.since.empty()) at.query("since", options.since);
    if (!options.until.empty()) at.query("until", options.until);
    const auto found = c.api().list(at, options.limit);
    if (!found) return c.fail(found.error());
    if (!c.screen.human()) {
        c.screen.document(*found);
        return exit_code::success;
    }
    table shown({{"ID"}, {"SOURCE", false, true}, {"KEY", false, true, true}, {"ORIGIN", false, false, true}, {"TRIGGERS", false, true}, {"RECEIVED (UTC)", false, false, true}});
    for (const json::value& one : *array_at(*found, "items")) {
        shown.add({{text_at(one, "event_id")}, {text_at(one, "source")}, {text_at(one, "key")}, {text_at(one, "origin")}, {acted_on(one)}, {human_time(text_at(one, "received_time"))}});
    }
    c.screen.show(shown);
    if (!text_at(*found, "next_cursor").empty()) c.screen.notice(fmt::format("There are more than these {}: see --limit.", options.limit));
    return exit_code::success;
}

exit_code show_event(context& c, const event_options& options)
{
    const auto found = c.api().get(events().segment(options.id));
    if (!found) return c.fail(found.error());
    if (!c.screen.human()) {
        c.screen.document(found->body);
        return exit_code::success;
    }
    field_list shown;
    for (const char* name : {"event_id", "source", "key", "origin", "submitter", "payload"}) shown.add(name, text_at(found->body, name));
    shown.add("received_time", human_time(text_at(found->body, "received_time")));
    c.screen.show(shown);
    const auto* activations = array_at(found->body, "activations");
    if (!activations || activations->empty()) return exit_code::success;
    table acted({{"TRIGGER", false, true}, {"JOB", false, true}, {"OUTCOME"}, {"EXECUTION"}, {"REASON", false, true, true}});
    for (const json::value& one : *activations) {
        acted.add({{text_at(one, "trigger_id")}, {text_at(one, "job_id")}, {text_at(one, "outcome")}, {text_at(one, "execution_id")}, {text_at(one, "reason")}});
    }
    c.screen.show(acted);
    return exit_code::success;
}

}

void add_event(CLI::App& app, context& c)
{
    CLI::App* verbs = app.add_subcommand("event", "Events, which make executions by way of triggers: emit, list, show");
    verbs->group("Work");
    verbs->require_subcommand(1);
    verbs->footer("Examples:\n  rowlock event emit orders -p amount=50\n  rowlock event list --source orders\n  rowlock event show ID");
    const auto options = std::make_shared<event_options>();
    const auto add = [&](const char* name, const char* what, exit_code (*action)(context&, const event_options&), const char* footer) {
        CLI::App* verb = verbs->add_subcommand(name, what);
        verb->footer(footer);
        verb->callback([&c, options, action] { c.chosen = [&c, options, action] { return action(c, *options); }; });
        return verb;
    };
    CLI::App* emit = add("emit", "Send an event; prints its id, and the triggers that it activates", emit_event,
                         "Examples:\n  rowlock event emit orders -p amount=50 --key order-17\n  rowlock event emit orders --payload @order.json --format json");
    emit->add_option("SOURCE", options->source, "What triggers name as their source");
    emit->add_option("--source", options->other_source, "The same as an option");
    emit->add_option("--payload", options->payload, "What it says: JSON, @FILE, or @- for stdin; without: {}");
    emit->add_option("-p", options->pairs, "A member of the payload, as k=v; v is JSON where it parses as JSON")->allow_extra_args(false);
    emit->add_option("--key", options->key, "Names it within its source: the same within a day is the same event");
    CLI::App* list = add("list", "The newest events first, with what triggers did on them", list_events, "Example:\n  rowlock event list --source orders --since 2026-01-31T00:00:00Z");
    list->add_option("--source", options->other_source, "Events of this source only");
    list->add_option("--key", options->key, "With this key only");
    list->add_option("--since", options->since, "From this RFC 3339 time on");
    list->add_option("--until", options->until, "Before this RFC 3339 time");
    list->add_option("--limit", options->limit, "At most so many; default 100")->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000}));
    add("show", "Everything about one event, with what each trigger of its source did, and why", show_event, "Example:\n  rowlock event show ID")
        ->add_option("ID", options->id, "Its event_id")->required();
}

}
