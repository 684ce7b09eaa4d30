#include "ops/cli/apply.hpp"
#include "ops/cli/execution_view.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/parameters.hpp"
#include "ops/cli/plan_follower.hpp"
#include "ops/cli/plan_request.hpp"
#include "ops/cli/run_follower.hpp"
#include "ops/cli/verbs.hpp"
#include "storage/model/ids.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

struct run_options {
    std::string file;
    std::vector<std::string> pairs;
    std::string parameters;
    std::string reason;
    bool ignore_dependencies = false;
};

// A plan with an id is stored, as a job is; one without runs as it is.
exit_code run_plan(context& c, definition plan, json::object parameters, const std::string& reason)
{
    plan_source source{{}, std::move(plan)};
    json::object request;
    if (source.file->id.empty()) {
        request = source.request(std::move(parameters));
    } else {
        const auto stored = apply_definition(c, plan_definitions, *source.file, reason);
        if (!stored) return fail_at(c, plan_definitions, *source.file, stored.error());
        c.screen.notice(fmt::format("{}, version {}", source.file->id, stored->version));
        request = json::object{{"plan_id", source.file->id}, {"parameters", std::move(parameters)}};
        if (stored->version > 0) request["plan_version"] = stored->version;
    }
    const auto accepted = start_plan(c, request, {});
    if (!accepted) return fail_at(c, source, accepted.error());
    const std::string id = text_at(*accepted, "plan_run_id");
    c.screen.notice(fmt::format("plan run {}", id));
    return follow_and_show(c, id);
}

exit_code run_job(context& c, const definition& job, json::object parameters, const run_options& options)
{
    const auto stored = apply_definition(c, job_definitions, job, options.reason);
    if (!stored) return fail_at(c, job_definitions, job, stored.error());
    c.screen.notice(fmt::format("{} {}, version {}", job.id, to_string(stored->outcome), stored->version));

    json::object request{{"job_id", job.id}, {"parameters", std::move(parameters)}};
    if (stored->version > 0) request["job_version"] = stored->version;
    if (options.ignore_dependencies) request["ignore_dependencies"] = true;
    const auto accepted = c.api().post(target("/v1/executions"), request, random_uuid().str());
    if (!accepted) return c.fail(accepted.error());
    const std::string id = text_at(accepted->body, "execution_id");
    if (id.empty()) return c.fail(odd_reply("a submission was accepted without an execution_id"));
    c.screen.notice(fmt::format("execution {}", id));

    const auto last = follow_run(c, id, [&c](std::string_view piece) {
        if (!c.screen.quiet()) c.screen.err() << piece << std::flush;
    });
    if (!last) return c.fail(last.error());
    c.screen.notice(one_line_of(*last));
    if (c.screen.human()) c.screen.show(execution_fields(*last));
    else c.screen.document(*last);
    return exit_code_of_execution(*last);
}

exit_code run(context& c, const run_options& options)
{
    auto parameters = read_parameters(options.parameters, options.pairs);
    if (!parameters) return c.fail(parameters.error());
    definition_set set = load_definitions({options.file}, default_runner_options(), wanted_documents::both);
    for (const std::string& complaint : set.complaints) c.screen.complaint(complaint);
    if (!set.complaints.empty()) return exit_code::configuration;
    const std::size_t documents = set.jobs.size() + set.plans.size();
    if (documents != 1) return c.fail(bad_input(fmt::format("{}: has {} definitions; run takes one", options.file, documents)));
    if (!set.plans.empty()) return run_plan(c, std::move(set.plans.front()), std::move(*parameters), options.reason);
    return run_job(c, set.jobs.front(), std::move(*parameters), options);
}

}

void add_run(CLI::App& app, context& c)
{
    CLI::App* verb = app.add_subcommand("run", "Apply the job or plan in a file, run it, follow it; exit code 1 unless COMPLETED");
    verb->group("Work");
    const auto options = std::make_shared<run_options>();
    verb->add_option("FILE", options->file, "YAML file with one job definition or one plan, or - for stdin")->required();
    verb->add_option("-p,--parameter", options->pairs, "A parameter, NAME=VALUE; VALUE is JSON where it parses as JSON, else text")->allow_extra_args(false);
    verb->add_option("--parameters", options->parameters, "All parameters: a JSON object, @FILE, or @- for stdin");
    verb->add_option("--reason", options->reason, "Why the definition changes; kept with its version");
    verb->add_flag("--ignore-dependencies", options->ignore_dependencies, "Do not wait for the jobs that a job depends on");
    verb->footer("Examples:\n"
                 "  rowlock run ingest.yaml -p table=packages\n"
                 "  rowlock run ingest.yaml --format json > result.json\n"
                 "  rowlock run nightly.yaml -p day=2026-01-31\n"
                 "A document with nodes is a plan. The job's log and the news go to stderr, the execution or the plan run as it ended to stdout.");
    verb->callback([&c, options] { c.chosen = [&c, options] { return run(c, *options); }; });
}

}
