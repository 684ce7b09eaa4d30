#include "ops/cli/job_apply.hpp"

#include "ops/cli/apply.hpp"
#include "ops/cli/verbs.hpp"

#include <CLI/CLI.hpp>

namespace rowlock::ops {

namespace {

exit_code apply(context& c, const apply_options& options, const runner_options& runners)
{
    const definition_set set = load_definitions(options.files, runners);
    for (const std::string& warning : set.warnings) c.screen.notice(warning);
    if (!set.complaints.empty()) return fail_with_all(c, job_definitions, set.jobs, set.complaints);
    return apply_and_show(c, job_definitions, set.jobs, options);
}

}

std::shared_ptr<runner_options> add_runner_options(CLI::App& verb)
{
    const auto options = std::make_shared<runner_options>(default_runner_options());
    verb.add_flag("--without-schedules", options->without_schedules, "Of runner files: make the jobs, and leave out their schedules and limits");
    verb.add_option("--dativo-command", options->command, "Of runner files: what their jobs run; {{ config }}, {{ name }} and {{ tenant_id }} are replaced")
        ->envname("ROWLOCK_DATIVO_COMMAND")->capture_default_str();
    return options;
}

void add_job_apply(CLI::App& job, context& c)
{
    CLI::App* verb = job.add_subcommand("apply", "Store definitions from YAML files, in one transaction: all or none");
    const auto options = add_apply_options(*verb);
    const auto runners = add_runner_options(*verb);
    verb->footer("Examples:\n"
                 "  rowlock job apply ingest.yaml\n"
                 "  rowlock job apply jobs/ --reason 'longer timeouts'\n"
                 "  rowlock job apply ingest.yaml --dry-run --format json\n"
                 "  rowlock job apply runner.yaml jobs/acme/*.yaml --without-schedules");
    verb->callback([&c, options, runners] { c.chosen = [&c, options, runners] { return apply(c, *options, *runners); }; });
}

}
