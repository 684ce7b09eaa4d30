#include "ops/cli/execution_view.hpp"
#include "ops/cli/job_apply.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/parameters.hpp"
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
};

exit_code run(context& c, const run_options& options)
{
    auto parameters = read_parameters(options.parameters, options.pairs);
    if (!parameters) return c.fail(parameters.error());
    const definition_set set = load_definitions({options.file});
    for (const std::string& complaint : set.complaints) c.screen.complaint(complaint);
    if (!set.complaints.empty()) return exit_code::configuration;
    if (set.definitions.size() != 1) return c.fail(bad_input(fmt::format("{}: has {} definitions; run takes one", options.file, set.definitions.size())));
    const definition& job = set.definitions.front();

    const auto applied = apply_definition(c, job, options.reason);
    if (!applied) return fail_at(c, job, applied.error());
    c.screen.notice(fmt::format("{} {}, version {}", job.job_id, to_string(applied->outcome), applied->version));

    json::object request{{"job_id", job.job_id}, {"parameters", std::move(*parameters)}};
    if (applied->version > 0) request["job_version"] = applied->version;
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

}

void add_run(CLI::App& app, context& c)
{
    CLI::App* verb = app.add_subcommand("run", "Apply the job in a file, run it, follow its log; exit code 1 unless COMPLETED");
    verb->group("Work");
    const auto options = std::make_shared<run_options>();
    verb->add_option("FILE", options->file, "YAML file with one job definition, or - for stdin")->required();
    verb->add_option("-p,--parameter", options->pairs, "A parameter, NAME=VALUE; VALUE is JSON where it parses as JSON, else text")->allow_extra_args(false);
    verb->add_option("--parameters", options->parameters, "All parameters: a JSON object, @FILE, or @- for stdin");
    verb->add_option("--reason", options->reason, "Why the definition changes; kept with its version");
    verb->footer("Examples:\n"
                 "  rowlock run ingest.yaml -p table=packages\n"
                 "  rowlock run ingest.yaml --format json > result.json\n"
                 "The job's log and the news go to stderr, the execution as it ended to stdout.");
    verb->callback([&c, options] { c.chosen = [&c, options] { return run(c, *options); }; });
}

}
