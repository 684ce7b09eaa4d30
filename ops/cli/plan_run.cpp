#include "ops/cli/json_read.hpp"
#include "ops/cli/parameters.hpp"
#include "ops/cli/plan_follower.hpp"
#include "ops/cli/plan_request.hpp"
#include "ops/cli/plan_view.hpp"
#include "ops/cli/verbs.hpp"
#include "storage/model/ids.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

struct run_options {
    std::string plan;
    std::vector<std::string> pairs;
    std::string parameters;
    bool dry_run = false;
    bool wait = true;
    std::string idempotency_key;
    std::string correlation_id;
    std::vector<std::string> tags;
    int version = 0;
};

struct control_options {
    std::string id;
    std::string from;
    std::string reason;
    bool wait = true;
    std::string idempotency_key;
};

outcome_of<json::object> request_of(const run_options& options, const plan_source& source)
{
    auto parameters = read_parameters(options.parameters, options.pairs);
    if (!parameters) return parameters.error();
    json::object request = source.request(std::move(*parameters));
    if (options.version > 0 && source.file) return bad_input("--version: is of a stored plan, and this one is in a file");
    if (options.version > 0) request["plan_version"] = options.version;
    if (!options.correlation_id.empty()) request["correlation_id"] = options.correlation_id;
    if (options.tags.empty()) return request;
    auto tags = read_tags(options.tags);
    if (!tags) return tags.error();
    request["tags"] = std::move(*tags);
    return request;
}

exit_code rehearse(context& c, const plan_source& source, json::object request)
{
    request["dry_run"] = true;
    const auto reply = c.api().post(target("/v1/plan-runs"), request);
    if (!reply) return fail_at(c, source, reply.error());
    if (c.screen.human()) c.screen.raw(draw_layers(reply->body, c.screen.style()));
    else c.screen.document(reply->body);
    c.screen.notice("Nothing was started.");
    return exit_code::success;
}

// What was started: told at once, or followed to its end.
exit_code show_started(context& c, const json::value& accepted, bool wait)
{
    const std::string id = text_at(accepted, "plan_run_id");
    c.screen.notice(fmt::format("plan run {}{}", id, flag_at(accepted, "replayed") ? " (the key was used before: nothing new)" : ""));
    if (wait) return follow_and_show(c, id);
    if (c.screen.human()) c.screen.line(id);
    else c.screen.document(accepted);
    return exit_code::success;
}

exit_code run_plan(context& c, const run_options& options)
{
    const auto source = find_plan_source(c, options.plan);
    if (!source) return c.fail(source.error());
    auto request = request_of(options, *source);
    if (!request) return c.fail(request.error());
    if (options.dry_run) return rehearse(c, *source, std::move(*request));
    const auto accepted = start_plan(c, *request, options.idempotency_key);
    if (!accepted) return fail_at(c, *source, accepted.error());
    return show_started(c, *accepted, options.wait);
}

exit_code rerun_plan(context& c, const control_options& options)
{
    json::object body;
    if (!options.from.empty()) body["from"] = options.from;
    // Without a key of the user's, one of our own makes a repetition after a lost connection safe.
    const std::string key = options.idempotency_key.empty() ? random_uuid().str() : options.idempotency_key;
    const auto reply = c.api().post(target("/v1/plan-runs").segment(options.id).segment("rerun"), body, key);
    if (!reply) return c.fail(reply.error());
    return show_started(c, reply->body, options.wait);
}

exit_code cancel_plan(context& c, const control_options& options)
{
    json::object body;
    if (!options.reason.empty()) body["reason"] = options.reason;
    const auto reply = c.api().post(target("/v1/plan-runs").segment(options.id).segment("cancel"), body);
    if (!reply) return c.fail(reply.error());
    if (c.screen.human()) c.screen.line(fmt::format("{} {}", options.id, plan_run_has_ended(reply->body) ? text_at(reply->body, "status") : "is being cancelled"));
    else c.screen.document(reply->body);
    return exit_code::success;
}

}

void add_plan_run(CLI::App& plan, context& c)
{
    CLI::App* run = plan.add_subcommand("run", "Run a plan, stored or in a file; exit code 1 unless COMPLETED");
    const auto options = std::make_shared<run_options>();
    run->add_option("PLAN", options->plan, "Its plan_id, or a YAML file with one plan, or - for stdin")->required();
    run->add_option("-p,--parameter", options->pairs, "A parameter, NAME=VALUE; VALUE is JSON where it parses as JSON, else text")->allow_extra_args(false);
    run->add_option("--parameters", options->parameters, "All parameters: a JSON object, @FILE, or @- for stdin");
    run->add_flag("--dry-run", options->dry_run, "Check, and show the graph, but start nothing");
    run->add_flag("--wait,!--no-wait", options->wait, "Wait for its end and show how far it has come; the default");
    run->add_option("--idempotency-key", options->idempotency_key, "The same key and request again gives the first run back");
    run->add_option("--correlation-id", options->correlation_id, "Kept with the run and its executions");
    run->add_option("--tag", options->tags, "A tag, NAME=VALUE; may be given several times")->allow_extra_args(false);
    run->add_option("--version", options->version, "Another version than the current one")->check(CLI::PositiveNumber);
    run->footer("Examples:\n"
                "  rowlock plan run nightly -p day=2026-01-31\n"
                "  rowlock plan run nightly.yaml --dry-run\n"
                "  ID=$(rowlock plan run nightly --no-wait)\n"
                "The news goes to stderr, the run as it ended to stdout.");
    run->callback([&c, options] { c.chosen = [&c, options] { return run_plan(c, *options); }; });

    const auto control = std::make_shared<control_options>();
    CLI::App* rerun = plan.add_subcommand("rerun", "Run a plan again from what failed, or from a node, and keep what succeeded before it");
    rerun->add_option("ID", control->id, "The plan_run_id of the run before")->required();
    rerun->add_option("--from", control->from, "The node to begin with; it and all below it run again");
    rerun->add_flag("--wait,!--no-wait", control->wait, "Wait for its end and show how far it has come; the default");
    rerun->add_option("--idempotency-key", control->idempotency_key, "The same key and request again gives the first rerun back");
    rerun->footer("Examples:\n  rowlock plan rerun ID\n  rowlock plan rerun ID --from clean --no-wait");
    rerun->callback([&c, control] { c.chosen = [&c, control] { return rerun_plan(c, *control); }; });

    CLI::App* watch = plan.add_subcommand("watch", "Follow a run to its end, as `plan run` does; exit code 1 unless COMPLETED");
    watch->add_option("ID", control->id, "Its plan_run_id")->required();
    watch->footer("Example:\n  rowlock plan watch ID\nThe news goes to stderr, the run as it ended to stdout. To stop watching changes nothing of the run.");
    watch->callback([&c, control] { c.chosen = [&c, control] { return follow_and_show(c, control->id); }; });

    CLI::App* cancel = plan.add_subcommand("cancel", "Start nothing more of a run, and cancel what runs");
    cancel->add_option("ID", control->id, "Its plan_run_id")->required();
    cancel->add_option("--reason", control->reason, "Why; kept with the run");
    cancel->footer("Example:\n  rowlock plan cancel ID --reason 'wrong day'");
    cancel->callback([&c, control] { c.chosen = [&c, control] { return cancel_plan(c, *control); }; });
}

}
