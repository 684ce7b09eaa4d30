#include "ops/cli/definition_file.hpp"
#include "ops/cli/job_apply.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/verbs.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <fmt/format.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

struct apply_options {
    std::vector<std::string> files;
    bool dry_run = false;
    std::string reason;
};

struct applied_plan {
    std::string file;
    std::string plan_id;
    apply_outcome outcome = apply_outcome::unchanged;
    int version = 0;
    json::value diff{};
};

exit_code fail_at(context& c, const plan_in_file& plan, refusal why)
{
    for (const field_error& field : why.fields) c.screen.complaint(plan.complaint(field));
    why.fields.clear();
    return c.fail(why);
}

json::value body_of(const plan_in_file& plan, const std::string& reason)
{
    json::object body = plan.body;
    if (!reason.empty()) body["reason"] = reason;
    return body;
}

// Asks the server whether it would take every plan. The exit code of the first refusal, once all are told.
exit_code rehearse(context& c, const std::vector<plan_in_file>& plans, const std::string& reason, std::vector<applied_plan>& would)
{
    exit_code code = exit_code::success;
    for (const plan_in_file& plan : plans) {
        const auto reply = c.api().put(target("/v1/plans").segment(plan.plan_id).query("dry_run", "true"), body_of(plan, reason));
        if (!reply) {
            const exit_code refused = fail_at(c, plan, reply.error());
            if (code == exit_code::success) code = refused;
            // Without fields it is not this plan that is wrong: the next one would be refused for the same reason.
            if (reply.error().fields.empty()) return code;
            continue;
        }
        applied_plan one{plan.file, plan.plan_id};
        if (flag_at(reply->body, "created")) one.outcome = apply_outcome::created;
        else if (flag_at(reply->body, "changed")) one.outcome = apply_outcome::updated;
        one.version = static_cast<int>(number_at(reply->body, "version").value_or(0));
        if (const json::value* diff = member_at(reply->body, "diff")) one.diff = *diff;
        would.push_back(std::move(one));
    }
    return code;
}

void show(context& c, const std::vector<applied_plan>& plans, bool dry_run)
{
    if (!c.screen.human()) {
        json::array items;
        for (const applied_plan& one : plans) {
            items.push_back(json::object{{"file", one.file}, {"plan_id", one.plan_id}, {"outcome", to_string(one.outcome)}, {"version", one.version}, {"diff", one.diff}});
        }
        c.screen.document(json::object{{"items", std::move(items)}, {"next_cursor", nullptr}});
        return;
    }
    for (const applied_plan& one : plans) {
        const std::string_view would = !dry_run || one.outcome == apply_outcome::unchanged ? "" : "would be ";
        c.screen.line(fmt::format("{} {}{}, version {}", one.plan_id, would, to_string(one.outcome), one.version));
        if (dry_run && one.outcome == apply_outcome::updated) show_diff(c, one.diff);
    }
}

exit_code apply(context& c, const apply_options& options)
{
    definition_set set = load_definitions(options.files, default_runner_options(), wanted_documents::plans);
    for (const plan_in_file& plan : set.plans) {
        if (plan.plan_id.empty()) set.complaints.push_back(plan.complaint({"plan_id", "", "is missing; a plan is stored under it"}));
    }
    for (const std::string& complaint : set.complaints) c.screen.complaint(complaint);
    std::erase_if(set.plans, [](const plan_in_file& plan) { return plan.plan_id.empty(); });
    std::vector<applied_plan> would;
    exit_code code = rehearse(c, set.plans, options.reason, would);
    if (code == exit_code::success && !set.complaints.empty()) code = exit_code::configuration;
    if (code != exit_code::success) {
        c.screen.notice("Nothing was applied.");
        return code;
    }
    if (options.dry_run) {
        show(c, would, true);
        return exit_code::success;
    }
    std::vector<applied_plan> done;
    for (std::size_t i = 0; i < set.plans.size(); ++i) {
        const plan_in_file& plan = set.plans[i];
        const auto reply = c.api().put(target("/v1/plans").segment(plan.plan_id), body_of(plan, options.reason));
        if (!reply) {
            // What came before this one is committed, and is said.
            show(c, done, false);
            return fail_at(c, plan, reply.error());
        }
        applied_plan one = would[i];
        one.version = static_cast<int>(number_at(reply->body, "version").value_or(0));
        done.push_back(std::move(one));
    }
    show(c, done, false);
    return exit_code::success;
}

}

void add_plan_apply(CLI::App& plan, context& c)
{
    CLI::App* verb = plan.add_subcommand("apply", "Store plans from YAML files; all are checked before one is stored");
    const auto options = std::make_shared<apply_options>();
    verb->add_option("FILE", options->files, "YAML files, folders of them, or - for stdin; a file may hold several documents, parted by ---")->required();
    verb->add_flag("--dry-run", options->dry_run, "Check, and say what would change, but change nothing");
    verb->add_option("--reason", options->reason, "Why; kept with the version");
    verb->footer("Examples:\n"
                 "  rowlock plan apply nightly.yaml\n"
                 "  rowlock plan apply plans/ --reason 'one more gate'\n"
                 "  rowlock plan apply nightly.yaml --dry-run");
    verb->callback([&c, options] { c.chosen = [&c, options] { return apply(c, *options); }; });
}

}
