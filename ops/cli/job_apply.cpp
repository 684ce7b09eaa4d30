#include "ops/cli/job_apply.hpp"

#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/verbs.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <fmt/format.h>

namespace rowlock::ops {

namespace json = boost::json;

std::string_view to_string(apply_outcome outcome)
{
    switch (outcome) {
    case apply_outcome::created: return "created";
    case apply_outcome::updated: return "updated";
    case apply_outcome::unchanged: return "unchanged";
    }
    return "";
}

namespace {

struct apply_options {
    std::vector<std::string> files;
    bool dry_run = false;
    std::string reason;
};

json::value body_of(const definition& one, const std::string& reason)
{
    json::object body = one.body;
    if (!reason.empty()) body["reason"] = reason;
    return body;
}

target job_target(const definition& one)
{
    return target("/v1/jobs").segment(one.job_id);
}

// The version that is stored now; 0 where the job is not known yet.
outcome_of<int> current_version(context& c, const definition& one)
{
    const auto now = c.api().get(job_target(one));
    if (!now && now.error().code == exit_code::not_found) return 0;
    if (!now) return now.error();
    return static_cast<int>(number_at(now->body, "version").value_or(0));
}

// A dry run says itself what would change; 201 is for jobs that are new.
applied_job would_apply(const definition& one, api_reply reply)
{
    applied_job would{one.file, one.job_id};
    const json::array* diff = array_at(reply.body, "diff");
    const json::value* changed = member_at(reply.body, "changed");
    if (reply.status == 201 || flag_at(reply.body, "created")) would.outcome = apply_outcome::created;
    else if (changed ? flag_at(reply.body, "changed") : !diff || !diff->empty()) would.outcome = apply_outcome::updated;
    would.version = static_cast<int>(number_at(reply.body, "version").value_or(0));
    would.reply = std::move(reply.body);
    return would;
}

// A dry run has them in the job that would be.
const json::array* warnings_in(const applied_job& job)
{
    const json::array* warnings = array_at(job.reply, "warnings");
    return warnings ? warnings : array_at(job.reply, "job.warnings");
}

json::value document_of(const std::vector<applied_job>& jobs)
{
    json::array items;
    for (const applied_job& job : jobs) {
        json::object item{{"file", job.file}, {"job_id", job.job_id}, {"outcome", to_string(job.outcome)}};
        if (job.version > 0) item["version"] = job.version;
        if (const json::value* diff = member_at(job.reply, "diff")) item["diff"] = *diff;
        if (const json::array* warnings = warnings_in(job)) item["warnings"] = *warnings;
        items.push_back(std::move(item));
    }
    return json::object{{"items", std::move(items)}, {"next_cursor", nullptr}};
}

void warn(context& c, const applied_job& job)
{
    const json::array* warnings = warnings_in(job);
    if (!warnings) return;
    for (const json::value& one : *warnings) {
        const std::string field = text_at(one, "field");
        const std::string message = one.is_string() ? std::string{one.get_string()} : text_at(one, "message");
        c.screen.notice(fmt::format("{}: warning: {}{}{}", job.file, field, field.empty() ? "" : ": ", message));
    }
}

void show(context& c, const std::vector<applied_job>& jobs, bool dry_run)
{
    for (const applied_job& job : jobs) warn(c, job);
    if (!c.screen.human()) {
        c.screen.document(document_of(jobs));
        return;
    }
    for (const applied_job& job : jobs) {
        const std::string_view would = !dry_run || job.outcome == apply_outcome::unchanged ? "" : "would be ";
        const std::string version = job.version > 0 ? fmt::format(", version {}", job.version) : "";
        c.screen.line(fmt::format("{} {}{}{}", job.job_id, would, to_string(job.outcome), version));
    }
}

exit_code apply(context& c, const apply_options& options)
{
    const definition_set set = load_definitions(options.files);
    for (const std::string& complaint : set.complaints) c.screen.complaint(complaint);
    std::vector<applied_job> jobs;
    exit_code code = validate_definitions(c, set.definitions, options.reason, jobs);
    if (code == exit_code::success && !set.complaints.empty()) code = exit_code::configuration;
    if (code != exit_code::success) {
        c.screen.notice("Nothing was applied.");
        return code;
    }
    if (options.dry_run) {
        show(c, jobs, true);
        return exit_code::success;
    }
    jobs.clear();
    for (const definition& one : set.definitions) {
        auto applied = apply_definition(c, one, options.reason);
        if (!applied) {
            // What came before this one is committed, and is said.
            show(c, jobs, false);
            return fail_at(c, one, applied.error());
        }
        jobs.push_back(std::move(*applied));
    }
    show(c, jobs, false);
    return exit_code::success;
}

}

exit_code validate_definitions(context& c, const std::vector<definition>& definitions, const std::string& reason, std::vector<applied_job>& would)
{
    exit_code code = exit_code::success;
    for (const definition& one : definitions) {
        auto reply = c.api().put(job_target(one).query("dry_run", "true"), body_of(one, reason));
        if (reply) {
            would.push_back(would_apply(one, std::move(*reply)));
            continue;
        }
        const refusal& why = reply.error();
        if (code == exit_code::success) code = why.code;
        // Without fields it is not this definition that is wrong: the next one would be refused for the same reason.
        if (why.fields.empty()) return c.fail(why);
        for (const field_error& field : why.fields) c.screen.complaint(one.complaint(field));
    }
    return code;
}

exit_code fail_at(context& c, const definition& one, refusal why)
{
    for (const field_error& field : why.fields) c.screen.complaint(one.complaint(field));
    why.fields.clear();
    return c.fail(why);
}

outcome_of<applied_job> apply_definition(context& c, const definition& one, const std::string& reason)
{
    const auto before = current_version(c, one);
    if (!before) return before.error();
    auto reply = c.api().put(job_target(one), body_of(one, reason));
    if (!reply) return reply.error();
    applied_job done{one.file, one.job_id};
    done.version = static_cast<int>(number_at(reply->body, "version").value_or(0));
    if (reply->status == 201) done.outcome = apply_outcome::created;
    else if (done.version != *before) done.outcome = apply_outcome::updated;
    done.reply = std::move(reply->body);
    return done;
}

void add_job_apply(CLI::App& job, context& c)
{
    CLI::App* verb = job.add_subcommand("apply", "Store definitions from YAML files; all are checked before one is stored");
    const auto options = std::make_shared<apply_options>();
    verb->add_option("FILE", options->files, "YAML files, or - for stdin; a file may hold several documents")->required();
    verb->add_flag("--dry-run", options->dry_run, "Check, and say what would change, but change nothing");
    verb->add_option("--reason", options->reason, "Why; kept with the version");
    verb->footer("Examples:\n"
                 "  rowlock job apply ingest.yaml\n"
                 "  rowlock job apply jobs/*.yaml --reason 'longer timeouts'\n"
                 "  rowlock job apply ingest.yaml --dry-run --format json");
    verb->callback([&c, options] { c.chosen = [&c, options] { return apply(c, *options); }; });
}

}
