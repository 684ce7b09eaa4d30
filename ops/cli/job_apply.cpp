#include "ops/cli/job_apply.hpp"

#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/verbs.hpp"
#include "storage/model/json_text.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <charconv>
#include <fmt/format.h>
#include <optional>

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

std::optional<apply_outcome> parse_outcome(std::string_view text)
{
    for (const auto outcome : {apply_outcome::created, apply_outcome::updated, apply_outcome::unchanged}) {
        if (text == to_string(outcome)) return outcome;
    }
    return std::nullopt;
}

// A field of the request, as in jobs[3].handler.type, as one of the definition that it is in. nullopt: it is in none.
struct placed_field {
    std::size_t definition;
    std::string field;
};

std::optional<placed_field> placed(std::string_view field)
{
    constexpr std::string_view list = "jobs[";
    if (!field.starts_with(list)) return std::nullopt;
    std::size_t index = 0;
    const char* const end = field.data() + field.size();
    const auto [at, ec] = std::from_chars(field.data() + list.size(), end, index);
    if (ec != std::errc() || at == end || *at != ']') return std::nullopt;
    std::string_view rest(at + 1, static_cast<std::size_t>(end - at - 1));
    if (rest.starts_with('.')) rest.remove_prefix(1);
    return placed_field{index, std::string(rest)};
}

void complain(context& c, const std::vector<definition>& definitions, const refusal& why)
{
    for (const field_error& field : why.fields) {
        const auto place = placed(field.field);
        if (!place || place->definition >= definitions.size()) c.screen.complaint(field_line(field));
        else c.screen.complaint(definitions[place->definition].complaint({place->field, field.value, field.message}));
    }
}

void show(context& c, const std::vector<applied_job>& jobs, bool dry_run)
{
    show_warnings(c, jobs);
    if (!c.screen.human()) {
        c.screen.document(document_of(jobs));
        return;
    }
    for (const applied_job& job : jobs) {
        const std::string_view would = !dry_run || job.outcome == apply_outcome::unchanged ? "" : "would be ";
        c.screen.line(fmt::format("{} {}{}, version {}", job.job_id, would, to_string(job.outcome), job.version));
        if (dry_run && job.outcome == apply_outcome::updated) show_diff(c, job.diff);
    }
}

exit_code apply(context& c, const apply_options& options, const runner_options& runners)
{
    const definition_set set = load_definitions(options.files, runners);
    for (const std::string& warning : set.warnings) c.screen.notice(warning);
    if (!set.complaints.empty()) return fail_with_all(c, set);
    const auto jobs = apply_definitions(c, set.definitions, options.reason, options.dry_run);
    if (!jobs) {
        const bool of_a_file = !jobs.error().fields.empty();
        const exit_code code = fail_at(c, set.definitions, jobs.error());
        if (of_a_file) c.screen.notice("Nothing was applied.");
        return code;
    }
    show(c, *jobs, options.dry_run);
    return exit_code::success;
}

}

outcome_of<std::vector<applied_job>> apply_definitions(context& c, const std::vector<definition>& definitions, const std::string& reason, bool dry_run)
{
    json::array bodies;
    for (const definition& one : definitions) bodies.push_back(one.body);
    json::object request{{"jobs", std::move(bodies)}};
    if (!reason.empty()) request["reason"] = reason;
    if (dry_run) request["dry_run"] = true;
    const auto reply = c.api().post(target("/v1/jobs").segment("apply"), request);
    if (!reply) return reply.error();
    const json::array* jobs = array_at(reply->body, "jobs");
    if (!jobs || jobs->size() != definitions.size()) return odd_reply("so many definitions were sent, and another number of jobs came back");
    std::vector<applied_job> all;
    for (std::size_t i = 0; i < jobs->size(); ++i) {
        const json::value& job = (*jobs)[i];
        const auto outcome = parse_outcome(text_at(job, "outcome"));
        const json::array* diff = array_at(job, "diff");
        const json::array* warnings = array_at(job, "warnings");
        if (!outcome || text_at(job, "job_id") != definitions[i].job_id) return odd_reply(fmt::format("it is not clear what has become of the job {}", definitions[i].job_id));
        all.push_back({definitions[i].file, definitions[i].job_id, *outcome, static_cast<int>(number_at(job, "version").value_or(0)),
                       diff ? *diff : json::array(), warnings ? *warnings : json::array()});
    }
    return all;
}

outcome_of<applied_job> apply_definition(context& c, const definition& one, const std::string& reason)
{
    auto all = apply_definitions(c, {one}, reason, false);
    if (!all) return all.error();
    return std::move(all->front());
}

exit_code fail_at(context& c, const std::vector<definition>& definitions, refusal why)
{
    if (why.fields.empty()) return c.fail(why);
    complain(c, definitions, why);
    return why.code;
}

exit_code fail_at(context& c, const definition& one, refusal why)
{
    complain(c, {one}, why);
    why.fields.clear();
    return c.fail(why);
}

exit_code fail_with_all(context& c, const definition_set& set)
{
    for (const std::string& complaint : set.complaints) c.screen.complaint(complaint);
    // Everything that is wrong is told at once, also what only the server knows; if it cannot be asked, that is not the point now.
    if (!set.definitions.empty()) {
        const auto would = apply_definitions(c, set.definitions, "", true);
        if (!would) complain(c, set.definitions, would.error());
    }
    c.screen.notice("Nothing was applied.");
    return exit_code::configuration;
}

json::value document_of(const std::vector<applied_job>& jobs)
{
    json::array items;
    for (const applied_job& job : jobs) {
        items.push_back(json::object{{"file", job.file}, {"job_id", job.job_id}, {"outcome", to_string(job.outcome)}, {"version", job.version},
                                     {"diff", job.diff}, {"warnings", job.warnings}});
    }
    return json::object{{"items", std::move(items)}, {"next_cursor", nullptr}};
}

void show_warnings(context& c, const std::vector<applied_job>& jobs)
{
    for (const applied_job& job : jobs) {
        if (!job.warnings.is_array()) continue;
        for (const json::value& one : job.warnings.get_array()) c.screen.notice(fmt::format("{}: warning: {}: {}", job.file, job.job_id, text_at(one, "")));
    }
}

void show_diff(context& c, const json::value& diff)
{
    if (!diff.is_array()) return;
    for (const json::value& one : diff.get_array()) {
        const json::value* before = member_at(one, "before");
        const json::value* after = member_at(one, "after");
        const bool had = before && !before->is_null();
        const bool has = after && !after->is_null();
        const std::string was = had ? to_text(*before) : std::string();
        const std::string is = has ? to_text(*after) : std::string();
        c.screen.line(fmt::format("  {} {}: {}{}{}", had && has ? '~' : has ? '+' : '-', text_at(one, "field"), was, had && has ? " -> " : "", is));
    }
}

std::shared_ptr<runner_options> add_runner_options(CLI::App& verb)
{
    const auto options = std::make_shared<runner_options>(default_runner_options());
    verb.add_flag("--without-schedules", options->without_schedules, "Of runner files: make the jobs, and leave out the schedules and limits that this version does not have");
    verb.add_option("--dativo-command", options->command, "Of runner files: what their jobs run; {{ config }}, {{ name }} and {{ tenant_id }} are replaced")
        ->envname("ROWLOCK_DATIVO_COMMAND")->capture_default_str();
    return options;
}

void add_job_apply(CLI::App& job, context& c)
{
    CLI::App* verb = job.add_subcommand("apply", "Store definitions from YAML files, in one transaction: all or none");
    const auto options = std::make_shared<apply_options>();
    verb->add_option("FILE", options->files, "YAML files, folders of them, or - for stdin; a file may hold several documents, parted by ---")->required();
    verb->add_flag("--dry-run", options->dry_run, "Check, and say what would change, but change nothing");
    verb->add_option("--reason", options->reason, "Why; kept with each version that it makes");
    const auto runners = add_runner_options(*verb);
    verb->footer("Examples:\n"
                 "  rowlock job apply ingest.yaml\n"
                 "  rowlock job apply jobs/ --reason 'longer timeouts'\n"
                 "  rowlock job apply ingest.yaml --dry-run --format json\n"
                 "  rowlock job apply runner.yaml jobs/acme/*.yaml --without-schedules");
    verb->callback([&c, options, runners] { c.chosen = [&c, options, runners] { return apply(c, *options, *runners); }; });
}

}
