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

struct explain_options {
    std::string id;
    std::string job;
};

// "ingest (7 since 2026-01-31 09:30:00), 12 of other tenants"
std::string holders_text(const json::array& holders)
{
    std::string text;
    for (const json::value& one : holders) {
        const std::string job = text_at(one, "job_id");
        const std::string running = text_at(one, "running");
        if (!text.empty()) text += ", ";
        if (running.empty()) text += text_at(one, "execution_id");
        else if (job.empty()) text += running + " of other tenants";
        else text += fmt::format("{} ({} since {})", job, running, human_time(text_at(one, "since")));
    }
    return text;
}

void add_figures(field_list& shown, const json::object& rule)
{
    const bool is_least = flag_at(rule, "position_is_least");
    for (const auto& member : rule) {
        const std::string name{member.key()};
        if (name == "rule" || name == "detail" || name == "position_is_least") continue;
        if (name == "held_by") {
            if (const json::array* holders = member.value().if_array()) shown.add("  held by", holders_text(*holders));
            continue;
        }
        const std::string text = text_at(member.value(), "");
        if (name == "position" && is_least) shown.add("  " + name, "at least " + text);
        else shown.add("  " + name, name.ends_with("_at") || name.ends_with("_time") ? human_time(text) : text);
    }
}

void add_end(field_list& shown, const json::value& why)
{
    shown.add("why", text_at(why, "detail"));
    shown.add("  no retry because", text_at(why, "not_retried_because"));
    for (const char* name : {"error_code", "error_message", "error_category", "ended_by", "attempt_number", "max_attempts", "next_execution_id", "dead_letter.dead_letter_id", "dead_letter.status"}) {
        shown.add(std::string{"  "} + name, text_at(why, name));
    }
    shown.add("  next_retry_time", human_time(text_at(why, "next_retry_time")));
}

exit_code explain_one(context& c, const std::string& id)
{
    const auto explained = c.api().get(target("/v1/executions").segment(id).segment("explain"));
    if (!explained) return c.fail(explained.error());
    if (!c.screen.human()) {
        c.screen.document(explained->body);
        return exit_code::success;
    }
    field_list shown;
    const std::string status = text_at(explained->body, "status");
    shown.add("status", status, colour_of_status(status));
    if (const json::array* rules = array_at(explained->body, "blocked_by")) {
        for (const json::value& one : *rules) {
            shown.add("waits for", fmt::format("{}: {}", text_at(one, "rule"), text_at(one, "detail")), colour::yellow);
            if (const json::object* rule = one.if_object()) add_figures(shown, *rule);
        }
        if (!rules->empty()) {
            const std::string start = text_at(explained->body, "expected_start");
            const std::string reason = text_at(explained->body, "expected_start_reason");
            shown.add("starts", start.empty() ? fmt::format("nobody can say: {}", reason) : fmt::format("about {} ({})", human_time(start), reason));
        }
    }
    shown.add("next look", human_time(text_at(explained->body, "next_evaluation")));
    if (const json::value* why = member_at(explained->body, "why"); why && why->is_object()) add_end(shown, *why);
    c.screen.show(shown);
    return exit_code::success;
}

// "ingest, fetch and 3 more"
std::string jobs_text(const json::value& reason)
{
    std::string text;
    std::size_t named = 0;
    if (const json::array* jobs = array_at(reason, "job_ids")) {
        for (const json::value& one : *jobs) {
            if (named == 3) break;
            text += fmt::format("{}{}", text.empty() ? "" : ", ", text_at(one, "job_id"));
            ++named;
        }
    }
    const auto all = static_cast<std::size_t>(number_at(reason, "jobs").value_or(0));
    return all > named ? fmt::format("{} and {} more", text, all - named) : text;
}

std::string number_text(const json::value& from, std::string_view number, std::string_view is_least)
{
    return (flag_at(from, is_least) ? "at least " : "") + text_at(from, number);
}

void show_reasons(context& c, const json::array& reasons)
{
    table shown({{"WAIT", true}, {"RULE"}, {"BECAUSE", false, true}, {"JOBS", false, true}});
    for (const json::value& one : reasons) {
        shown.add({{number_text(one, "executions", "executions_is_least")}, {text_at(one, "rule"), colour::yellow}, {text_at(one, "detail")}, {jobs_text(one)}});
    }
    c.screen.show(shown);
}

exit_code explain_all(context& c, const target& at)
{
    const auto explained = c.api().get(at);
    if (!explained) return c.fail(explained.error());
    if (!c.screen.human()) {
        c.screen.document(explained->body);
        return exit_code::success;
    }
    const json::value& told = explained->body;
    c.screen.line(text_at(told, "headline"));
    if (const json::array* reasons = array_at(told, "reasons"); reasons && !reasons->empty()) show_reasons(c, *reasons);
    field_list shown;
    shown.add("running", text_at(told, "running"));
    shown.add("queued", text_at(told, "queued"));
    shown.add("pending", text_at(told, "pending"));
    shown.add("instances", fmt::format("{} alive, {} take work, {} of {} slots in use", text_at(told, "instances.alive"), text_at(told, "instances.taking_work"), text_at(told, "instances.in_use"), text_at(told, "instances.slots")));
    shown.add("next schedule", text_at(told, "schedules.next_schedule_id"));
    shown.add("  fires", human_time(text_at(told, "schedules.next_fire_time")));
    shown.add("next look", human_time(text_at(told, "next_evaluation")));
    c.screen.show(shown);
    return exit_code::success;
}

exit_code explain(context& c, const explain_options& options)
{
    if (!options.id.empty() && !options.job.empty()) return c.fail(bad_input("explain: an ID and --job exclude each other: leave one out"));
    if (!options.id.empty()) return explain_one(c, options.id);
    target at("/v1/explain");
    if (!options.job.empty()) at.query("job_id", options.job);
    // Which tenant is asked about stands in the query, so that one that is not there is told apart from one that may not be acted for.
    if (!c.options.tenant.empty()) at.query("tenant_id", c.options.tenant);
    c.options.tenant.clear();
    return explain_all(c, at);
}

}

void add_explain(CLI::App& app, context& c)
{
    CLI::App* verb = app.add_subcommand("explain", "Why an execution waits or how it ended; or why nothing of a job, of a tenant, or of all runs");
    verb->group("Operating");
    verb->footer("Examples:\n  rowlock explain ID                 of one execution\n  rowlock explain --job ingest       why nothing of it runs\n"
                 "  rowlock explain --tenant acme      of a tenant\n  rowlock explain                    of all that you may see");
    const auto options = std::make_shared<explain_options>();
    verb->add_option("ID", options->id, "An execution_id");
    verb->add_option("--job", options->job, "Of this job");
    verb->callback([&c, options] { c.chosen = [&c, options] { return explain(c, *options); }; });
}

void add_execution_explain(CLI::App& execution, context& c)
{
    CLI::App* verb = execution.add_subcommand("explain", "Why it waits, or how it ended and what follows");
    verb->footer("Example:\n  rowlock execution explain ID");
    const auto id = std::make_shared<std::string>();
    verb->add_option("ID", *id, "Its execution_id")->required();
    verb->callback([&c, id] { c.chosen = [&c, id] { return explain_one(c, *id); }; });
}

}
