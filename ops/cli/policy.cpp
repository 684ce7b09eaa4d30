#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/show_things.hpp"
#include "ops/cli/verbs.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

struct policy_options {
    std::string id;
    std::string type;
    std::string scope = "global";
    std::string level;
    std::vector<std::string> allow;
    bool allow_none = false;
    std::optional<std::int64_t> attempts;
    std::optional<double> seconds;
    std::optional<double> cost_units;
    std::string per;
    std::string description;
    std::string reason;
    bool disabled = false;
    std::string job;
    std::string since;
    std::size_t limit = 100;
};

target policy_target(const policy_options& options)
{
    return target("/v1/policies").segment(options.id);
}

// "job:ingest", "global".
json::object scope_of(const std::string& text)
{
    const auto colon = text.find(':');
    json::object scope{{"kind", text.substr(0, colon)}};
    if (colon != std::string::npos) scope["key"] = text.substr(colon + 1);
    return scope;
}

json::object body_of(const policy_options& options)
{
    json::object payload;
    if (!options.allow.empty() || options.allow_none) payload["allow"] = json::array(options.allow.begin(), options.allow.end());
    if (options.attempts) payload["attempts"] = *options.attempts;
    if (options.seconds) payload["seconds"] = *options.seconds;
    if (options.cost_units) payload["cost_units"] = *options.cost_units;
    if (!options.per.empty()) payload["per"] = options.per;
    else if (options.type == "BUDGET") payload["per"] = "run";
    json::object body{{"type", options.type}, {"scope", scope_of(options.scope)}, {"enforcement_level", options.level}, {"payload", std::move(payload)}, {"enabled", !options.disabled}};
    if (!options.description.empty()) body["description"] = options.description;
    if (!options.reason.empty()) body["reason"] = options.reason;
    return body;
}

// "allow sleep, noop"; "3 attempts, 60 s per run".
std::string payload_text(const json::value& policy)
{
    if (const auto* allow = array_at(policy, "payload.allow")) {
        std::vector<std::string> names;
        for (const auto& each : *allow) names.push_back(text_at(each, ""));
        return names.empty() ? "allow nothing" : fmt::format("allow {}", fmt::join(names, ", "));
    }
    std::vector<std::string> parts;
    for (const auto& [member, unit] : {std::pair{"payload.attempts", "attempts"}, std::pair{"payload.seconds", "s"}, std::pair{"payload.cost_units", "cost units"}}) {
        if (const auto amount = text_at(policy, member); !amount.empty()) parts.push_back(fmt::format("{} {}", amount, unit));
    }
    return fmt::format("{} per {}", fmt::join(parts, ", "), text_at(policy, "payload.per"));
}

std::string scope_text(const json::value& policy)
{
    const auto kind = text_at(policy, "scope.kind");
    return kind == "global" ? kind : fmt::format("{}:{}", kind, text_at(policy, "scope.key"));
}

exit_code show_policies(context& c, const json::array& policies)
{
    table shown({{"POLICY", false, true}, {"TYPE"}, {"SCOPE", false, true}, {"LEVEL"}, {"WHAT", false, true}, {"ENABLED", false, false, true}, {"TENANT", false, true, true}, {"VERSION", true, false, true}});
    for (const json::value& one : policies) {
        const auto tenant = text_at(one, "tenant_id");
        shown.add({{text_at(one, "policy_id")}, {text_at(one, "type")}, {scope_text(one)}, {text_at(one, "enforcement_level")}, {payload_text(one)},
                   {flag_at(one, "enabled") ? "yes" : "no"}, {tenant.empty() ? "all" : tenant}, {text_at(one, "version")}});
    }
    c.screen.show(shown);
    return exit_code::success;
}

exit_code list_policies(context& c, const policy_options&)
{
    return list_things(c, target("/v1/policies"), show_policies);
}

exit_code show_policy(context& c, const policy_options& options)
{
    return show_thing(c, c.api().get(policy_target(options)), show_policies);
}

exit_code set_policy(context& c, const policy_options& options)
{
    return show_thing(c, c.api().put(policy_target(options), body_of(options)), show_policies);
}

exit_code delete_policy(context& c, const policy_options& options)
{
    target at = policy_target(options);
    if (!options.reason.empty()) at.query("reason", options.reason);
    const auto removed = c.api().remove(at);
    if (!removed) return c.fail(removed.error());
    if (c.screen.human()) c.screen.line(fmt::format("{} is deleted", options.id));
    else c.screen.document(json::object{{"policy_id", options.id}, {"deleted", true}});
    return exit_code::success;
}

exit_code list_violations(context& c, const policy_options& options)
{
    target at("/v1/policy-violations");
    if (!options.id.empty()) at.query("policy_id", options.id);
    if (!options.job.empty()) at.query("job_id", options.job);
    if (!options.since.empty()) at.query("since", options.since);
    const auto found = c.api().list(at, options.limit);
    if (!found) return c.fail(found.error());
    if (!c.screen.human()) {
        c.screen.document(*found);
        return exit_code::success;
    }
    table shown({{"AT (UTC)"}, {"POLICY", false, true}, {"JOB", false, true}, {"STAGE"}, {"BLOCKED"}, {"TIMES", true, false, true}, {"WHAT", false, true}, {"EXECUTION", false, false, true}});
    for (const json::value& one : *array_at(*found, "items")) {
        shown.add({{human_time(text_at(one, "at"))}, {text_at(one, "policy_id")}, {text_at(one, "job_id")}, {text_at(one, "stage")}, {flag_at(one, "blocked") ? "yes" : "no"},
                   {text_at(one, "occurrences")}, {text_at(one, "detail")}, {text_at(one, "execution_id")}});
    }
    c.screen.show(shown);
    if (!text_at(*found, "next_cursor").empty()) c.screen.notice(fmt::format("There are more than these {}: see --limit.", options.limit));
    return exit_code::success;
}

void add_set_options(CLI::App& set, policy_options& options)
{
    set.add_option("--type", options.type, "BUDGET, ALLOWED_HANDLERS or ALLOWED_LIFECYCLES")->required();
    set.add_option("--scope", options.scope, "global (default), tenant:TENANT, job:JOB, job_type:TYPE or, for budgets per plan, plan:PLAN");
    set.add_option("--level", options.level, "warn: record what is against it; block: refuse it, too")->required();
    set.add_option("--allow", options.allow, "Handlers or lifecycles that are allowed, with commas between them")->delimiter(',');
    set.add_flag("--allow-none", options.allow_none, "Allow none of them");
    set.add_option("--attempts", options.attempts, "Of a budget: so many attempts");
    set.add_option("--seconds", options.seconds, "Of a budget: so long attempts may run, together");
    set.add_option("--cost-units", options.cost_units, "Of a budget: so much of what jobs report as the metric cost_units");
    set.add_option("--per", options.per, "Of a budget: run (default), plan (all nodes of a plan run) or tenant_day");
    set.add_option("--description", options.description, "What it is for");
    set.add_option("--reason", options.reason, "Why it is changed; kept");
    set.add_flag("--disabled", options.disabled, "Keep it, but do not judge by it");
}

}

void add_policy(CLI::App& app, context& c)
{
    CLI::App* policy = app.add_subcommand("policy", "Policies on handlers, lifecycles and budgets: list, show, set, delete, violations");
    policy->group("Operating");
    policy->require_subcommand(1);
    policy->footer("Examples:\n  rowlock policy list\n  rowlock policy set no-shell --type ALLOWED_HANDLERS --allow http,sql --scope tenant:acme --level block\n"
                   "  rowlock policy set small-runs --type BUDGET --attempts 5 --seconds 3600 --level warn\n"
                   "  rowlock policy set nightly --type BUDGET --scope plan:nightly --per plan --cost-units 100 --level block\n  rowlock policy violations --policy no-shell");
    const auto options = std::make_shared<policy_options>();
    const auto add = [&](const char* name, const char* what, exit_code (*action)(context&, const policy_options&), const char* example) {
        CLI::App* verb = policy->add_subcommand(name, what);
        verb->footer(std::string{"Example:\n  rowlock policy "} + example);
        verb->callback([&c, options, action] { c.chosen = [&c, options, action] { return action(c, *options); }; });
        return verb;
    };
    const auto add_id = [&options](CLI::App* verb) { verb->add_option("POLICY", options->id, "The policy_id")->required(); };
    add("list", "Every policy that holds here", list_policies, "list --format json");
    add_id(add("show", "One policy", show_policy, "show no-shell"));
    CLI::App* set = add("set", "Make or replace a policy; it holds within a second", set_policy, "set no-shell --type ALLOWED_HANDLERS --allow http,sql --level block");
    add_id(set);
    add_set_options(*set, *options);
    CLI::App* remove = add("delete", "Delete a policy; its versions and violations are kept", delete_policy, "delete no-shell --reason 'replaced by no-process'");
    add_id(remove);
    remove->add_option("--reason", options->reason, "Why; kept");
    CLI::App* violations = add("violations", "What was found against policies, newest first", list_violations, "violations --policy no-shell --since 2026-01-01T00:00:00Z");
    violations->add_option("--policy", options->id, "Of this policy");
    violations->add_option("--job", options->job, "Of this job");
    violations->add_option("--since", options->since, "From this time on (RFC 3339)");
    violations->add_option("--limit", options->limit, "At most so many (default 100)")->check(CLI::Range(1, 100'000));
}

}
