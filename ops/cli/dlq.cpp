#include "ops/cli/execution_view.hpp"
#include "ops/cli/failure_options.hpp"
#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/progress_bar.hpp"
#include "ops/cli/verbs.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <fmt/format.h>
#include <optional>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

// What one request retries: few enough for the bar to move, many enough for the requests not to matter.
constexpr int retries_in_a_request = 2000;

struct dlq_options : failure_options {
    std::string status;
};

target dead_letters()
{
    return target("/v1/dead-letters");
}

target filtered(const dlq_options& options)
{
    target at = dead_letters();
    put_filter(at, options);
    if (!options.status.empty()) at.query("status", in_capitals(options.status));
    return at;
}

exit_code list_dead_letters(context& c, const dlq_options& options)
{
    const auto found = c.api().list(filtered(options), options.limit);
    if (!found) return c.fail(found.error());
    if (!c.screen.human()) {
        c.screen.document(*found);
        return exit_code::success;
    }
    table shown({{"ID"}, {"JOB", false, true}, {"STATUS"}, {"ERROR", false, true}, {"MESSAGE", false, true, true}, {"CREATED (UTC)", false, false, true}});
    for (const json::value& one : *array_at(*found, "items")) {
        const std::string status = text_at(one, "status");
        shown.add({{text_at(one, "dead_letter_id")}, {text_at(one, "job_id")}, {status, status == "OPEN" ? colour::red : colour::dim}, {text_at(one, "error_code")},
                   {text_at(one, "error_message")}, {human_time(text_at(one, "created_time"))}});
    }
    c.screen.show(shown);
    if (!text_at(*found, "next_cursor").empty()) c.screen.notice(fmt::format("There are more than these {}: see --limit.", options.limit));
    return exit_code::success;
}

exit_code show_dead_letter(context& c, const dlq_options& options)
{
    const auto found = c.api().get(dead_letters().segment(options.id));
    if (!found) return c.fail(found.error());
    if (c.screen.human()) c.screen.show(execution_fields(found->body));
    else c.screen.document(found->body);
    return exit_code::success;
}

exit_code retry_one(context& c, const dlq_options& options)
{
    const auto next = c.api().post(dead_letters().segment(options.id).segment("retry"), json::object{});
    if (!next) return c.fail(next.error());
    if (c.screen.human()) c.screen.line(text_at(next->body, "execution_id"));
    else c.screen.document(next->body);
    return exit_code::success;
}

struct retried {
    std::size_t done = 0;
    std::size_t skipped = 0;
    std::size_t remaining = 0;
};

// One walk over all that match, oldest first. What was done before a refusal is in `so_far`.
std::optional<refusal> retry_all(context& c, const dlq_options& options, retried& so_far)
{
    std::optional<progress_bar> bar;
    std::string cursor;
    do {
        json::object request{{"filter", filter_object(options)}, {"limit", retries_in_a_request}};
        if (!cursor.empty()) request["cursor"] = cursor;
        const auto answer = c.api().post(target("/v1/dead-letters/retry"), request);
        if (!answer) return answer.error();
        const auto count = [&answer](const char* member) { return static_cast<std::size_t>(number_at(answer->body, member).value_or(0)); };
        so_far.done += count("retried");
        so_far.skipped += count("skipped");
        so_far.remaining = count("remaining");
        cursor = text_at(answer->body, "next_cursor");
        const std::size_t seen = so_far.done + so_far.skipped;
        if (!bar) bar.emplace(c.screen.err(), c.screen.style(), c.screen.quiet(), "retrying", seen + so_far.remaining);
        bar->advance_to(seen);
    } while (!cursor.empty());
    return std::nullopt;
}

exit_code retry_many(context& c, const dlq_options& options)
{
    retried sum;
    const auto broken = retry_all(c, options, sum);
    if (broken) {
        if (sum.done > 0) c.screen.complaint(fmt::format("{} retried before this; the same command again goes on with the rest", counted(sum.done, "dead letter")));
        return c.fail(*broken);
    }
    if (!c.screen.human()) {
        c.screen.document(json::object{{"retried", sum.done}, {"skipped", sum.skipped}, {"remaining", sum.remaining}});
        return exit_code::success;
    }
    c.screen.line(fmt::format("{} retried", counted(sum.done, "dead letter")));
    if (sum.skipped > 0) c.screen.notice(fmt::format("{} left: a run with the same parameters has not ended, and the job has `dedupe`", counted(sum.skipped, "dead letter")));
    if (sum.remaining > 0) c.screen.notice(fmt::format("{} came meanwhile, or others are working on them: the same command again takes those up", counted(sum.remaining, "dead letter")));
    return exit_code::success;
}

exit_code retry(context& c, const dlq_options& options)
{
    if (!options.id.empty()) {
        if (options.has_filter() || options.all) return c.fail(bad_input("dlq retry takes an ID or a filter, not both"));
        return retry_one(c, options);
    }
    if (!options.has_filter()) {
        return c.fail(bad_input(options.all ? "--all needs a filter: at least one of --job, --error-code, --since, --until"
                                            : "dlq retry needs an ID, or a filter: at least one of --job, --error-code, --since, --until"));
    }
    return retry_many(c, options);
}

exit_code purge(context& c, const dlq_options& options)
{
    const bool many = options.has_filter() || !options.status.empty();
    if (!options.id.empty()) {
        if (many || options.all) return c.fail(bad_input("dlq purge takes an ID or a filter, not both"));
        return purge_one(c, dead_letters().segment(options.id), options.id);
    }
    if (!many && !options.all) return c.fail(bad_input("dlq purge needs an ID, a filter (--job, --error-code, --since, --until, --status), or --all"));
    target at = filtered(options);
    if (options.all) at.query("all", "true");
    return purge_by_filter(c, at, "dead letter");
}

}

void add_dlq(CLI::App& app, context& c)
{
    CLI::App* dlq = app.add_subcommand("dlq", "Dead letters, the runs that have failed for good: list, show, retry, purge");
    dlq->group("Operating");
    dlq->require_subcommand(1);
    dlq->footer("Examples:\n"
                "  rowlock dlq list --job ingest\n"
                "  rowlock dlq retry --job ingest --error-code CONNECTION_FAILED\n"
                "  rowlock dlq purge --status RETRIED");
    const auto options = std::make_shared<dlq_options>();
    const auto add = [&](const char* name, const char* what, exit_code (*action)(context&, const dlq_options&), const char* footer) {
        CLI::App* verb = dlq->add_subcommand(name, what);
        verb->footer(footer);
        verb->callback([&c, options, action] { c.chosen = [&c, options, action] { return action(c, *options); }; });
        return verb;
    };
    CLI::App* list = add("list", "The newest dead letters first", list_dead_letters, "Example:\n  rowlock dlq list --job ingest --status OPEN --since 2026-01-31T00:00:00Z");
    add_failure_filter(*list, *options);
    list->add_option("--status", options->status, "OPEN or RETRIED");
    add_failure_limit(*list, *options);

    add("show", "Everything about one dead letter", show_dead_letter, "Example:\n  rowlock dlq show ID --format json")
        ->add_option("ID", options->id, "Its dead_letter_id, which is the execution_id of the last attempt")
        ->required();

    CLI::App* again = add("retry", "Try one run again, or all that a filter names", retry,
                          "Examples:\n"
                          "  rowlock dlq retry ID\n"
                          "  rowlock dlq retry --job ingest --error-code HTTP_503\n"
                          "Any number is retried, in batches. An interrupted command has retried what it has: the same command again goes on with the rest.");
    again->add_option("ID", options->id, "Its dead_letter_id");
    add_failure_filter(*again, *options);
    again->add_flag("--all", options->all, "All that the filter names, which is what is done without it too; refused without a filter");

    CLI::App* drop = add("purge", "Delete one dead letter, or all that a filter names; history keeps the executions", purge,
                         "Examples:\n  rowlock dlq purge ID\n  rowlock dlq purge --job ingest --until 2026-01-31T00:00:00Z\n  rowlock dlq purge --all");
    drop->add_option("ID", options->id, "Its dead_letter_id");
    add_failure_filter(*drop, *options);
    drop->add_option("--status", options->status, "OPEN or RETRIED");
    drop->add_flag("--all", options->all, "All there are, where no filter is given");
}

}
