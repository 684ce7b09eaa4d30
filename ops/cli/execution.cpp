#include "ops/cli/execution_view.hpp"
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

struct execution_options {
    std::string id;
    std::string job;
    std::vector<std::string> statuses;
    std::string run;
    std::string correlation;
    std::string trigger;
    std::string since;
    std::string until;
    std::vector<std::string> tags;
    std::size_t limit = 100;
    bool follow = false;
    bool of_run = false;
    std::string reason;
};

target execution_target(const execution_options& options)
{
    return target("/v1/executions").segment(options.id);
}

exit_code list_executions(context& c, const execution_options& options)
{
    target at("/v1/executions");
    const auto filter = [&](const char* name, const std::string& value) {
        if (!value.empty()) at.query(name, value);
    };
    filter("job_id", options.job);
    for (const std::string& status : options.statuses) filter("status", in_capitals(status));
    filter("run_id", options.run);
    filter("correlation_id", options.correlation);
    filter("trigger_type", in_capitals(options.trigger));
    filter("since", options.since);
    filter("until", options.until);
    for (const std::string& tag : options.tags) {
        const std::size_t equals = tag.find('=');
        filter("tag", equals == std::string::npos ? tag : tag.substr(0, equals) + ':' + tag.substr(equals + 1));
    }
    const auto executions = c.api().list(at, options.limit);
    if (!executions) return c.fail(executions.error());
    if (!c.screen.human()) {
        c.screen.document(*executions);
        return exit_code::success;
    }
    c.screen.show(execution_table(*array_at(*executions, "items"), c.screen.style()));
    if (!text_at(*executions, "next_cursor").empty()) c.screen.notice(fmt::format("There are more than these {}: see --limit.", options.limit));
    return exit_code::success;
}

exit_code show_execution(context& c, const execution_options& options)
{
    const auto execution = c.api().get(execution_target(options));
    if (!execution) return c.fail(execution.error());
    if (c.screen.human()) c.screen.show(execution_fields(execution->body));
    else c.screen.document(execution->body);
    return exit_code::success;
}

exit_code show_log(context& c, const execution_options& options)
{
    target at = execution_target(options).segment("log");
    if (options.follow) at.query("follow", "true");
    const auto broken = c.api().stream(at, [&c](std::string_view piece) { c.screen.raw(piece); });
    return broken ? c.fail(*broken) : exit_code::success;
}

exit_code cancel_execution(context& c, const execution_options& options)
{
    json::object body;
    if (!options.reason.empty()) body["reason"] = options.reason;
    const auto execution = c.api().post(execution_target(options).segment("cancel"), body);
    if (!execution) return c.fail(execution.error());
    if (!c.screen.human()) {
        c.screen.document(execution->body);
        return exit_code::success;
    }
    const std::string status = text_at(execution->body, "status");
    c.screen.line(fmt::format("{} {}", options.id, status == "CANCELLED" ? "is CANCELLED" : fmt::format("will be cancelled (now {})", status)));
    return exit_code::success;
}

exit_code show_transitions(context& c, const execution_options& options)
{
    const auto transitions = c.api().list(execution_target(options).segment("transitions"), options.limit);
    if (!transitions) return c.fail(transitions.error());
    if (!c.screen.human()) {
        c.screen.document(*transitions);
        return exit_code::success;
    }
    table shown({{"AT (UTC)"}, {"FROM"}, {"TO"}, {"FENCE", true, false, true}, {"ACTOR", false, true}, {"REASON", false, true}});
    for (const json::value& one : *array_at(*transitions, "items")) {
        const std::string to = text_at(one, "to_status");
        shown.add({{human_time(text_at(one, "at"))}, {text_at(one, "from_status")}, {to, colour_of_status(to)}, {text_at(one, "fence")},
                   {text_at(one, "actor")}, {text_at(one, "reason")}});
    }
    c.screen.show(shown);
    return exit_code::success;
}

exit_code show_artifacts(context& c, const execution_options& options)
{
    const char* const collection = options.of_run ? "/v1/runs" : "/v1/executions";
    const auto artifacts = c.api().list(target(collection).segment(options.id).segment("artifacts"), options.limit);
    if (!artifacts) return c.fail(artifacts.error());
    if (!c.screen.human()) {
        c.screen.document(*artifacts);
        return exit_code::success;
    }
    table shown({{"NAME", false, true}, {"BYTES", true}, {"SHA-256", false, true}, {"CREATED (UTC)"}, {"EXECUTION", false, false, true}});
    for (const json::value& one : *array_at(*artifacts, "items")) {
        shown.add({{text_at(one, "name")}, {text_at(one, "size_bytes")}, {text_at(one, "sha256")}, {human_time(text_at(one, "created_time"))}, {text_at(one, "execution_id")}});
    }
    c.screen.show(shown);
    return exit_code::success;
}

using execution_action = exit_code (*)(context&, const execution_options&);

CLI::App* add_verb(CLI::App& execution, context& c, const std::shared_ptr<execution_options>& options, const char* name, const char* what,
                   execution_action action, const char* example)
{
    CLI::App* verb = execution.add_subcommand(name, what);
    verb->footer(std::string{"Example:\n  rowlock execution "} + example);
    verb->callback([&c, options, action] { c.chosen = [&c, options, action] { return action(c, *options); }; });
    return verb;
}

}

void add_execution(CLI::App& app, context& c)
{
    CLI::App* execution = app.add_subcommand("execution", "Executions: list, show, log, watch, cancel, retry, replay, explain, transitions, artifacts");
    execution->group("Work");
    execution->require_subcommand(1);
    execution->footer("Examples:\n  rowlock execution list --status FAILED --limit 20\n  rowlock execution show ID\n  rowlock execution log ID --follow");
    const auto options = std::make_shared<execution_options>();

    CLI::App* list = add_verb(*execution, c, options, "list", "The newest executions first", list_executions, "list --job ingest --status FAILED --status TIMEOUT");
    list->add_option("--job", options->job, "Of this job");
    list->add_option("--status", options->statuses, "In this state; may be given several times")->allow_extra_args(false);
    list->add_option("--run", options->run, "Attempts of this run");
    list->add_option("--correlation-id", options->correlation, "With this correlation id");
    list->add_option("--trigger", options->trigger, "Started by SCHEDULED, MANUAL, DEPENDENCY, EVENT, RETRY or REPLAY");
    list->add_option("--since", options->since, "Not older than this RFC 3339 time");
    list->add_option("--until", options->until, "Older than this RFC 3339 time");
    list->add_option("--tag", options->tags, "With this tag, NAME=VALUE; may be given several times")->allow_extra_args(false);
    list->add_option("--limit", options->limit, "At most so many")->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000}))->capture_default_str();

    const auto with_id = [&](CLI::App* verb) {
        verb->add_option("ID", options->id, "Its execution_id")->required();
        return verb;
    };
    with_id(add_verb(*execution, c, options, "show", "Everything about one execution", show_execution, "show ID --format json"));
    with_id(add_verb(*execution, c, options, "log", "What an execution has written", show_log, "log ID --follow"))
        ->add_flag("-f,--follow", options->follow, "Go on until the execution has ended");
    with_id(add_verb(*execution, c, options, "cancel", "Stop an execution, or keep it from starting", cancel_execution, "cancel ID --reason 'wrong input'"))
        ->add_option("--reason", options->reason, "Why; kept with the transition");
    with_id(add_verb(*execution, c, options, "transitions", "Every change of state of an execution, oldest first", show_transitions, "transitions ID"));
    with_id(add_verb(*execution, c, options, "artifacts", "The files that an execution has declared finished", show_artifacts, "artifacts ID --run"))
        ->add_flag("--run", options->of_run, "Those of all attempts of a run, whose run_id ID is");
    add_execution_watch(*execution, c);
    add_execution_again(*execution, c);
    add_execution_explain(*execution, c);
}

}
