#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/verbs.hpp"
#include "ops/cli/version_list.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

struct job_options {
    std::string job_id;
    std::size_t limit = 100;
    int version = 0;
    std::string reason;
};

std::string schedule_text(const json::value& job)
{
    if (const std::string cron = text_at(job, "schedule.cron_expression"); !cron.empty()) return cron;
    if (const std::string interval = text_at(job, "schedule.interval_seconds"); !interval.empty()) return "every " + interval + " s";
    if (const std::string at = text_at(job, "schedule.run_at"); !at.empty()) return "once at " + human_time(at);
    return {};
}

exit_code list_jobs(context& c, const job_options& options)
{
    const auto jobs = c.api().list(target("/v1/jobs"), options.limit);
    if (!jobs) return c.fail(jobs.error());
    if (!c.screen.human()) {
        c.screen.document(*jobs);
        return exit_code::success;
    }
    table shown({{"JOB", false, true}, {"VERSION", true}, {"ENABLED"}, {"HANDLER"}, {"SCHEDULE", false, true, true}, {"CHANGED (UTC)", false, false, true}});
    for (const json::value& job : *array_at(*jobs, "items")) {
        const bool enabled = flag_at(job, "enabled");
        shown.add({{text_at(job, "job_id")}, {text_at(job, "version")}, {enabled ? "yes" : "no", enabled ? colour::none : colour::yellow},
                   {text_at(job, "handler.type")}, {schedule_text(job)}, {human_time(text_at(job, "changed_time"))}});
    }
    c.screen.show(shown);
    return exit_code::success;
}

exit_code show_job(context& c, const job_options& options)
{
    target at = target("/v1/jobs").segment(options.job_id);
    if (options.version > 0) at.segment("versions").segment(std::to_string(options.version));
    const auto job = c.api().get(at);
    if (!job) return c.fail(job.error());
    if (!c.screen.human()) {
        c.screen.document(job->body);
        return exit_code::success;
    }
    const json::object* members = job->body.if_object();
    if (!members) return c.fail(odd_reply("a job must be an object"));
    field_list shown;
    for (const auto& member : *members) {
        const std::string value = text_at(member.value(), "");
        shown.add(std::string{member.key()}, std::string_view{member.key()}.ends_with("_time") ? human_time(value) : value);
    }
    c.screen.show(shown);
    return exit_code::success;
}

json::object body_of(const job_options& options)
{
    json::object body;
    if (!options.reason.empty()) body["reason"] = options.reason;
    return body;
}

exit_code switch_job(context& c, const job_options& options, const char* action)
{
    const auto job = c.api().post(target("/v1/jobs").segment(options.job_id).segment(action), body_of(options));
    if (!job) return c.fail(job.error());
    if (c.screen.human()) c.screen.line(fmt::format("{} {}d", options.job_id, action));
    else c.screen.document(job->body);
    return exit_code::success;
}

exit_code rollback(context& c, const job_options& options)
{
    if (options.version <= 0) return c.fail(bad_input("rowlock job rollback: which version? See rowlock job versions JOB"));
    json::object body = body_of(options);
    body["version"] = options.version;
    const auto job = c.api().post(target("/v1/jobs").segment(options.job_id).segment("rollback"), body);
    if (!job) return c.fail(job.error());
    if (c.screen.human()) c.screen.line(fmt::format("{} is as in version {} again, version {}", options.job_id, options.version, text_at(job->body, "version")));
    else c.screen.document(job->body);
    return exit_code::success;
}

exit_code delete_job(context& c, const job_options& options)
{
    target at = target("/v1/jobs").segment(options.job_id);
    if (!options.reason.empty()) at.query("reason", options.reason);
    const auto gone = c.api().remove(at);
    if (!gone) return c.fail(gone.error());
    if (c.screen.human()) c.screen.line(fmt::format("{} deleted", options.job_id));
    else c.screen.document(json::object{{"job_id", options.job_id}, {"deleted", true}});
    return exit_code::success;
}

// A verb that does something to one job, for a reason.
CLI::App* add_action(CLI::App& job, const char* name, const char* meaning, const std::shared_ptr<job_options>& options)
{
    CLI::App* verb = job.add_subcommand(name, meaning);
    verb->add_option("JOB", options->job_id, "Its job_id")->required();
    verb->add_option("--reason", options->reason, "Why; kept");
    verb->footer(fmt::format("Example:\n  rowlock job {} ingest --reason 'the source has moved'", name));
    return verb;
}

}

void add_job(CLI::App& app, context& c)
{
    CLI::App* job = app.add_subcommand("job", "Job definitions: apply, list, show, diff, versions, rollback, enable, disable, delete");
    job->group("Definitions");
    job->require_subcommand(1);
    job->footer("Examples:\n  rowlock job apply ingest.yaml\n  rowlock job list\n  rowlock job show ingest --format yaml");
    add_job_apply(*job, c);
    add_job_diff(*job, c);

    const auto options = std::make_shared<job_options>();
    CLI::App* list = job->add_subcommand("list", "All jobs of the tenant");
    list->add_option("--limit", options->limit, "At most so many")->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000}))->capture_default_str();
    list->footer("Example:\n  rowlock job list --format json");
    list->callback([&c, options] { c.chosen = [&c, options] { return list_jobs(c, *options); }; });

    CLI::App* show = job->add_subcommand("show", "One definition, whole");
    show->add_option("JOB", options->job_id, "Its job_id")->required();
    show->add_option("--version", options->version, "Another version than the current one")->check(CLI::PositiveNumber);
    show->footer("Examples:\n  rowlock job show ingest --format yaml\n  rowlock job show ingest --version 3");
    show->callback([&c, options] { c.chosen = [&c, options] { return show_job(c, *options); }; });

    CLI::App* versions = job->add_subcommand("versions", "Who changed a job, when and why");
    versions->add_option("JOB", options->job_id, "Its job_id")->required();
    versions->add_option("--limit", options->limit, "At most so many")->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000}))->capture_default_str();
    versions->footer("Example:\n  rowlock job versions ingest");
    versions->callback([&c, options] { c.chosen = [&c, options] { return show_versions(c, "/v1/jobs", options->job_id, options->limit); }; });

    CLI::App* back = add_action(*job, "rollback", "Make a new version with the contents of an earlier one", options);
    back->add_option("VERSION,--version", options->version, "The earlier version")->check(CLI::PositiveNumber);
    back->footer("Example:\n  rowlock job rollback ingest 3 --reason 'version 4 reads the wrong table'");
    back->callback([&c, options] { c.chosen = [&c, options] { return rollback(c, *options); }; });

    CLI::App* enable = add_action(*job, "enable", "Let a job start again", options);
    enable->callback([&c, options] { c.chosen = [&c, options] { return switch_job(c, *options, "enable"); }; });

    CLI::App* disable = add_action(*job, "disable", "Refuse new executions of a job; what was submitted goes on", options);
    disable->callback([&c, options] { c.chosen = [&c, options] { return switch_job(c, *options, "disable"); }; });

    CLI::App* remove = add_action(*job, "delete", "Take a job out of the list; what was submitted goes on, and history stays", options);
    remove->callback([&c, options] { c.chosen = [&c, options] { return delete_job(c, *options); }; });
}

}
