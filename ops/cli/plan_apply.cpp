#include "ops/cli/apply.hpp"
#include "ops/cli/verbs.hpp"

#include <CLI/CLI.hpp>

namespace rowlock::ops {

namespace {

exit_code apply(context& c, const apply_options& options)
{
    definition_set set = load_definitions(options.files, default_runner_options(), wanted_documents::plans);
    for (const definition& plan : set.plans) {
        if (plan.id.empty()) set.complaints.push_back(plan.complaint({"plan_id", "", "is missing; a plan is stored under it"}));
    }
    std::erase_if(set.plans, [](const definition& plan) { return plan.id.empty(); });
    if (!set.complaints.empty()) return fail_with_all(c, plan_definitions, set.plans, set.complaints);
    return apply_and_show(c, plan_definitions, set.plans, options);
}

}

void add_plan_apply(CLI::App& plan, context& c)
{
    CLI::App* verb = plan.add_subcommand("apply", "Store plans from YAML files, in one transaction: all or none");
    const auto options = add_apply_options(*verb);
    verb->footer("Examples:\n"
                 "  rowlock plan apply nightly.yaml\n"
                 "  rowlock plan apply plans/ --reason 'one more gate'\n"
                 "  rowlock plan apply nightly.yaml --dry-run");
    verb->callback([&c, options] { c.chosen = [&c, options] { return apply(c, *options); }; });
}

}
