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

struct job_options {
    std::string job_id;
    std::size_t limit = 100;
    int version = 0;
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
                   {text_at(job, "handler.type")}, {schedule_text(job)}, {human_time(text_at(job, "created_time"))}});
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

exit_code list_versions(context& c, const job_options& options)
{
    const auto versions = c.api().list(target("/v1/jobs").segment(options.job_id).segment("versions"), options.limit);
    if (!versions) return c.fail(versions.error());
    if (!c.screen.human()) {
        c.screen.document(*versions);
        return exit_code::success;
    }
    table shown({{"VERSION", true}, {"CREATED (UTC)"}, {"AUTHOR", false, true}, {"REASON", false, true}});
    for (const json::value& version : *array_at(*versions, "items")) {
        shown.add({{text_at(version, "version")}, {human_time(text_at(version, "created_time"))}, {text_at(version, "author")}, {text_at(version, "reason")}});
    }
    c.screen.show(shown);
    return exit_code::success;
}

exit_code switch_job(context& c, const job_options& options, const char* action)
{
    const auto job = c.api().post(target("/v1/jobs").segment(options.job_id).segment(action), json::object{});
    if (!job) return c.fail(job.error());
    if (c.screen.human()) c.screen.line(fmt::format("{} {}d", options.job_id, action));
    else c.screen.document(job->body);
    return exit_code::success;
}

}

void add_job(CLI::App& app, context& c)
{
    CLI::App* job = app.add_subcommand("job", "Job definitions: apply, list, show, versions, enable, disable");
    job->group("Definitions");
    job->require_subcommand(1);
    job->footer("Examples:\n  rowlock job apply ingest.yaml\n  rowlock job list\n  rowlock job show ingest --format yaml");
    add_job_apply(*job, c);

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
    versions->callback([&c, options] { c.chosen = [&c, options] { return list_versions(c, *options); }; });

    CLI::App* enable = job->add_subcommand("enable", "Let a job start again");
    enable->add_option("JOB", options->job_id, "Its job_id")->required();
    enable->footer("Example:\n  rowlock job enable ingest");
    enable->callback([&c, options] { c.chosen = [&c, options] { return switch_job(c, *options, "enable"); }; });

    CLI::App* disable = job->add_subcommand("disable", "Refuse new executions of a job");
    disable->add_option("JOB", options->job_id, "Its job_id")->required();
    disable->footer("Example:\n  rowlock job disable ingest");
    disable->callback([&c, options] { c.chosen = [&c, options] { return switch_job(c, *options, "disable"); }; });
}

}
