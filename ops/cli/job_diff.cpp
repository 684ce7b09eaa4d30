#include "ops/cli/apply.hpp"
#include "ops/cli/job_apply.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/verbs.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <filesystem>
#include <fmt/format.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

struct diff_options {
    std::string what;
    int from = 0;
    int to = 0;
};

// A job_id may have dots too, so a name with these endings means a file even where there is none: then the message is about the file.
bool names_a_file(const std::string& what)
{
    std::error_code ec;
    return what == "-" || what.find('/') != std::string::npos || what.ends_with(".yaml") || what.ends_with(".yml") || std::filesystem::exists(what, ec);
}

exit_code diff_versions(context& c, const diff_options& options)
{
    target at = target("/v1/jobs").segment(options.what).segment("diff");
    if (options.from > 0) at.query("from", std::to_string(options.from));
    if (options.to > 0) at.query("to", std::to_string(options.to));
    const auto reply = c.api().get(at);
    if (!reply) return c.fail(reply.error());
    const json::array* diff = array_at(reply->body, "diff");
    if (!diff) return c.fail(odd_reply("a comparison of versions must have a diff"));
    if (!c.screen.human()) {
        c.screen.document(reply->body);
        return exit_code::success;
    }
    const std::string from = text_at(reply->body, "from");
    c.screen.line(fmt::format("{}: {} -> version {}{}", options.what, from.empty() ? "nothing" : "version " + from, text_at(reply->body, "to"),
                              diff->empty() ? ", no difference" : ""));
    show_diff(c, *diff);
    return exit_code::success;
}

exit_code diff_file(context& c, const diff_options& options, const runner_options& runners)
{
    if (options.from > 0 || options.to > 0) return c.fail(bad_input("--from and --to are versions of a job; a file is compared with the current ones"));
    const definition_set set = load_definitions({options.what}, runners);
    for (const std::string& warning : set.warnings) c.screen.notice(warning);
    if (!set.complaints.empty()) return fail_with_all(c, job_definitions, set.jobs, set.complaints);
    const auto jobs = apply_definitions(c, job_definitions, set.jobs, "", true);
    if (!jobs) return fail_at(c, job_definitions, set.jobs, jobs.error());
    show_warnings(c, *jobs);
    if (!c.screen.human()) {
        c.screen.document(document_of(job_definitions, *jobs));
        return exit_code::success;
    }
    for (const applied& job : *jobs) {
        switch (job.outcome) {
        case apply_outcome::created: c.screen.line(fmt::format("{}: nothing -> {}", job.id, job.file)); break;
        case apply_outcome::updated: c.screen.line(fmt::format("{}: current version -> {}", job.id, job.file)); break;
        case apply_outcome::unchanged: c.screen.line(fmt::format("{}: no difference", job.id)); break;
        }
        show_diff(c, job.diff);
    }
    return exit_code::success;
}

}

void add_job_diff(CLI::App& job, context& c)
{
    CLI::App* verb = job.add_subcommand("diff", "What differs between two versions of a job, or between the jobs and a file");
    const auto options = std::make_shared<diff_options>();
    verb->add_option("JOB_OR_FILE", options->what, "A job_id; or a YAML file, a folder, or - for stdin, compared with the current versions")->required();
    verb->add_option("--from", options->from, "A version; left out: the one before --to")->check(CLI::PositiveNumber);
    verb->add_option("--to", options->to, "A version; left out: the current one")->check(CLI::PositiveNumber);
    const auto runners = add_runner_options(*verb);
    verb->footer("Examples:\n  rowlock job diff ingest\n  rowlock job diff ingest --from 2 --to 5\n  rowlock job diff ingest.yaml");
    verb->callback([&c, options, runners] {
        c.chosen = [&c, options, runners] { return names_a_file(options->what) ? diff_file(c, *options, *runners) : diff_versions(c, *options); };
    });
}

}
