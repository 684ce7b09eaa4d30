#include "ops/cli/execution_view.hpp"
#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/parameters.hpp"
#include "ops/cli/progress_bar.hpp"
#include "ops/cli/verbs.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <optional>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

// Few enough for the bar to move, many enough for the requests not to matter.
constexpr int times_in_a_request = 200;

struct backfill_options {
    std::string job;
    std::string from;
    std::string to;
    std::string reason;
    bool dry_run = false;
    bool ignore_dependencies = false;
};

struct backfilled {
    std::size_t total = 0;
    std::size_t submitted = 0;
    std::size_t replayed = 0;
    json::array executions;
};

// One walk from `from` to `to`. What was done before a refusal is in `so_far`.
std::optional<refusal> backfill_all(context& c, const backfill_options& options, backfilled& so_far)
{
    std::optional<progress_bar> bar;
    for (std::string from = options.from; !from.empty();) {
        json::object request{{"from", from}, {"to", options.to}, {"dry_run", options.dry_run}, {"limit", times_in_a_request}};
        if (!options.reason.empty()) request["reason"] = options.reason;
        if (options.ignore_dependencies) request["ignore_dependencies"] = true;
        const auto answer = c.api().post(target("/v1/jobs").segment(options.job).segment("backfill"), request);
        if (!answer) return answer.error();
        const auto count = [&answer](const char* member) { return static_cast<std::size_t>(number_at(answer->body, member).value_or(0)); };
        if (from == options.from) so_far.total = count("total");
        so_far.submitted += count("submitted");
        so_far.replayed += count("replayed");
        for (const auto& one : *array_at(answer->body, "executions")) so_far.executions.push_back(one);
        if (!bar) bar.emplace(c.screen.err(), c.screen.style(), c.screen.quiet(), "submitting", so_far.total);
        bar->advance_to(so_far.executions.size());
        from = text_at(answer->body, "next_from");
    }
    return std::nullopt;
}

exit_code backfill(context& c, const backfill_options& options)
{
    backfilled sum;
    const auto broken = backfill_all(c, options, sum);
    if (broken) {
        if (sum.submitted > 0) c.screen.complaint(fmt::format("{} submitted before this; the same command again goes on with the rest", counted(sum.submitted, "execution")));
        return c.fail(*broken);
    }
    if (!c.screen.human()) {
        c.screen.document(json::object{{"job_id", options.job}, {"dry_run", options.dry_run}, {"total", sum.total}, {"submitted", sum.submitted}, {"replayed", sum.replayed},
                                       {"executions", std::move(sum.executions)}});
        return exit_code::success;
    }
    if (options.dry_run) {
        for (const auto& one : sum.executions) c.screen.line(text_at(one, "scheduled_time"));
        c.screen.notice(fmt::format("{} would be submitted", counted(sum.total, "execution")));
        return exit_code::success;
    }
    c.screen.line(fmt::format("{} submitted", counted(sum.submitted, "execution")));
    if (sum.replayed > 0) c.screen.notice(fmt::format("{} had been submitted before", counted(sum.replayed, "execution")));
    return exit_code::success;
}

}

void add_backfill(CLI::App& app, context& c)
{
    CLI::App* verb = app.add_subcommand("backfill", "One execution for each time of a job's schedule that lies in the past");
    verb->group("Operating");
    verb->footer("Examples:\n"
                 "  rowlock backfill ingest --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z --dry-run\n"
                 "  rowlock backfill ingest --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z --reason 'source was wrong'\n"
                 "Each execution has its time as scheduled_time. An interrupted command has submitted what it has: the same command again finds those, and goes on\n"
                 "with the rest, for as long as idempotency keys are kept. At most 10000 times at once.");
    const auto options = std::make_shared<backfill_options>();
    verb->add_option("JOB", options->job, "The job, which has a schedule")->required();
    verb->add_option("--from", options->from, "The first time, RFC 3339")->required();
    verb->add_option("--to", options->to, "Up to here, and not at it; not in the future")->required();
    verb->add_flag("--dry-run", options->dry_run, "Show the times, and submit nothing");
    verb->add_flag("--ignore-dependencies", options->ignore_dependencies, "Do not wait for the jobs that it depends on");
    verb->add_option("--reason", options->reason, "Why, for the record");
    verb->callback([&c, options] { c.chosen = [&c, options] { return backfill(c, *options); }; });
}

}
