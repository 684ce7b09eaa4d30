#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/parameters.hpp"
#include "ops/cli/plan_request.hpp"
#include "ops/cli/plan_view.hpp"
#include "ops/cli/verbs.hpp"
#include "ops/cli/version_list.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/json_text.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

struct plan_options {
    std::string id;
    std::size_t limit = 100;
    int version = 0;
    std::string plan_id;
    std::string status;
    std::string correlation_id;
    std::string format;
    std::vector<std::string> pairs;
    std::string parameters;
};

bool is_run(const std::string& id)
{
    return uuid::parse(id).has_value();
}

exit_code list_plans(context& c, const plan_options& options)
{
    const auto plans = c.api().list(target("/v1/plans"), options.limit);
    if (!plans) return c.fail(plans.error());
    if (!c.screen.human()) {
        c.screen.document(*plans);
        return exit_code::success;
    }
    table shown({{"PLAN", false, true}, {"VERSION", true}, {"NODES", true}, {"DESCRIPTION", false, true, true}, {"CHANGED (UTC)", false, false, true}});
    for (const json::value& plan : *array_at(*plans, "items")) {
        const json::array* nodes = array_at(plan, "nodes");
        shown.add({{text_at(plan, "plan_id")}, {text_at(plan, "version")}, {std::to_string(nodes ? nodes->size() : 0)}, {text_at(plan, "description")},
                   {human_time(text_at(plan, "changed_time"))}});
    }
    c.screen.show(shown);
    return exit_code::success;
}

exit_code list_runs(context& c, const plan_options& options)
{
    target at("/v1/plan-runs");
    if (!options.plan_id.empty()) at.query("plan_id", options.plan_id);
    if (!options.status.empty()) at.query("status", in_capitals(options.status));
    if (!options.correlation_id.empty()) at.query("correlation_id", options.correlation_id);
    const auto runs = c.api().list(at, options.limit);
    if (!runs) return c.fail(runs.error());
    if (c.screen.human()) c.screen.show(plan_run_table(*array_at(*runs, "items"), c.screen.style()));
    else c.screen.document(*runs);
    return exit_code::success;
}

exit_code show_run(context& c, const plan_options& options)
{
    const auto run = c.api().get(target("/v1/plan-runs").segment(options.id), std::chrono::seconds{120});
    if (!run) return c.fail(run.error());
    if (!c.screen.human()) {
        c.screen.document(run->body);
        return exit_code::success;
    }
    c.screen.show(plan_run_fields(run->body));
    c.screen.line("");
    c.screen.raw(draw_layers(run->body, c.screen.style()));
    return exit_code::success;
}

exit_code show_plan(context& c, const plan_options& options)
{
    target at = target("/v1/plans").segment(options.id);
    if (options.version > 0) at.segment("versions").segment(std::to_string(options.version));
    const auto plan = c.api().get(at);
    if (!plan) return c.fail(plan.error());
    if (!c.screen.human()) {
        c.screen.document(plan->body);
        return exit_code::success;
    }
    target graph_at = target("/v1/plans").segment(options.id).segment("graph");
    if (options.version > 0) graph_at.query("version", std::to_string(options.version));
    const auto graph = c.api().get(graph_at);
    if (!graph) return c.fail(graph.error());
    c.screen.show(plan_run_fields(plan->body));
    c.screen.line("");
    c.screen.raw(draw_layers(graph->body, c.screen.style()));
    if (const json::array* problems = array_at(graph->body, "validation_errors")) {
        for (const json::value& problem : *problems) c.screen.notice("warning: " + text_at(problem, ""));
    }
    return exit_code::success;
}

exit_code show(context& c, const plan_options& options)
{
    if (is_run(options.id) && options.version > 0) return c.fail(bad_input("--version: is of a stored plan, and this is the id of a run"));
    return is_run(options.id) ? show_run(c, options) : show_plan(c, options);
}

// ---- graph

// A drawing as the server makes it, or the graph as JSON text.
outcome_of<std::string> graph_text(context& c, const plan_options& options, const plan_source& source, const std::string& format)
{
    if (is_run(options.id) || !source.file) {
        target at = is_run(options.id) ? target("/v1/plan-runs").segment(options.id) : target("/v1/plans").segment(source.plan_id);
        at.segment("graph").query("format", format);
        if (options.version > 0 && !is_run(options.id)) at.query("version", std::to_string(options.version));
        return c.api().get_text(at);
    }
    auto parameters = read_parameters(options.parameters, options.pairs);
    if (!parameters) return parameters.error();
    json::object request = source.request(std::move(*parameters));
    request["dry_run"] = true;
    return c.api().post_text(target("/v1/plan-runs").query("format", format), request);
}

exit_code graph(context& c, const plan_options& options)
{
    const std::string wanted = options.format.empty() ? c.options.format : options.format;
    const bool drawn = wanted == "dot" || wanted == "mermaid";
    if (!drawn && !parse_output_format(wanted)) return c.fail(bad_input(fmt::format("--format: {} is none of human, json, yaml, dot, mermaid", wanted)));
    plan_source source;
    if (!is_run(options.id)) {
        auto found = find_plan_source(c, options.id);
        if (!found) return c.fail(found.error());
        source = std::move(*found);
    }
    const auto text = graph_text(c, options, source, drawn ? wanted : "json");
    if (!text) return fail_at(c, source, text.error());
    if (drawn) {
        c.screen.raw(*text);
        return exit_code::success;
    }
    const auto document = parse_json(*text, {.max_depth = 256});
    if (!document) return c.fail(odd_reply("a graph was answered with something other than JSON"));
    c.screen.configure(*parse_output_format(wanted), c.screen.style(), c.screen.quiet());
    if (c.screen.human()) c.screen.raw(draw_layers(*document, c.screen.style()));
    else c.screen.document(*document);
    return exit_code::success;
}

void add_graph(CLI::App& plan, context& c, const std::shared_ptr<plan_options>& options)
{
    CLI::App* verb = plan.add_subcommand("graph", "The graph of a run, of a stored plan, or of one in a file");
    verb->add_option("ID", options->id, "A plan_run_id, a plan_id, or a YAML file with one plan, or - for stdin")->required();
    verb->add_option("--format", options->format, "human, json, yaml, dot (for Graphviz) or mermaid");
    verb->add_option("--version", options->version, "Of a stored plan: another version than the current one")->check(CLI::PositiveNumber);
    verb->add_option("-p,--parameter", options->pairs, "Of a plan in a file: a parameter, NAME=VALUE")->allow_extra_args(false);
    verb->add_option("--parameters", options->parameters, "The same, all of them: a JSON object, or @FILE");
    verb->footer("Examples:\n"
                 "  rowlock plan graph nightly\n"
                 "  rowlock plan graph nightly.yaml --format dot | dot -Tsvg > nightly.svg\n"
                 "  rowlock plan graph RUN_ID --format mermaid");
    verb->callback([&c, options] { c.chosen = [&c, options] { return graph(c, *options); }; });
}

}

void add_plan(CLI::App& app, context& c)
{
    CLI::App* plan = app.add_subcommand("plan", "Graphs of jobs: apply, list, show, graph, run, runs, watch, rerun, cancel");
    plan->group("Definitions");
    plan->require_subcommand(1);
    plan->footer("Examples:\n  rowlock plan apply nightly.yaml\n  rowlock plan run nightly\n  rowlock plan graph nightly --format mermaid");
    add_plan_apply(*plan, c);
    add_plan_run(*plan, c);

    const auto options = std::make_shared<plan_options>();
    const auto most = CLI::Range(std::size_t{1}, std::size_t{1'000'000});
    CLI::App* list = plan->add_subcommand("list", "All stored plans of the tenant");
    list->add_option("--limit", options->limit, "At most so many")->check(most)->capture_default_str();
    list->footer("Example:\n  rowlock plan list --format json");
    list->callback([&c, options] { c.chosen = [&c, options] { return list_plans(c, *options); }; });

    CLI::App* versions = plan->add_subcommand("versions", "Who changed a plan, when and why");
    versions->add_option("PLAN", options->id, "Its plan_id")->required();
    versions->add_option("--limit", options->limit, "At most so many")->check(most)->capture_default_str();
    versions->footer("Example:\n  rowlock plan versions nightly");
    versions->callback([&c, options] { c.chosen = [&c, options] { return show_versions(c, "/v1/plans", options->id, options->limit); }; });

    CLI::App* runs = plan->add_subcommand("runs", "Runs of plans, newest first");
    runs->add_option("--plan", options->plan_id, "Of this plan");
    runs->add_option("--status", options->status, "running, completed, failed or cancelled");
    runs->add_option("--correlation-id", options->correlation_id, "With this correlation_id");
    runs->add_option("--limit", options->limit, "At most so many")->check(most)->capture_default_str();
    runs->footer("Example:\n  rowlock plan runs --plan nightly --status failed");
    runs->callback([&c, options] { c.chosen = [&c, options] { return list_runs(c, *options); }; });

    CLI::App* shown = plan->add_subcommand("show", "A run with its layers and states, or a stored plan");
    shown->add_option("ID", options->id, "A plan_run_id, or a plan_id")->required();
    shown->add_option("--version", options->version, "Of a stored plan: another version than the current one")->check(CLI::PositiveNumber);
    shown->footer("Examples:\n  rowlock plan show RUN_ID\n  rowlock plan show nightly --version 2");
    shown->callback([&c, options] { c.chosen = [&c, options] { return show(c, *options); }; });

    add_graph(*plan, c, options);
}

}
