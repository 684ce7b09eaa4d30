#include "ops/cli/failure_options.hpp"

#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/progress_bar.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <optional>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

std::size_t count_at(const json::value& answer, std::string_view member)
{
    return static_cast<std::size_t>(number_at(answer, member).value_or(0));
}

}

void add_failure_filter(CLI::App& verb, failure_options& options)
{
    verb.add_option("--job", options.job, "Of this job");
    verb.add_option("--error-code", options.error_code, "With this error code");
    verb.add_option("--since", options.since, "Not older than this RFC 3339 time");
    verb.add_option("--until", options.until, "Older than this RFC 3339 time");
}

void add_failure_limit(CLI::App& verb, failure_options& options)
{
    verb.add_option("--limit", options.limit, "At most so many")->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000}))->capture_default_str();
}

void put_filter(target& at, const failure_options& options)
{
    const auto filter = filter_object(options);
    for (const auto& member : filter) at.query(std::string(member.key()), text_at(member.value(), ""));
}

json::object filter_object(const failure_options& options)
{
    json::object filter;
    const auto put = [&filter](const char* name, const std::string& value) {
        if (!value.empty()) filter[name] = value;
    };
    put("job_id", options.job);
    put("error_code", options.error_code);
    put("since", options.since);
    put("until", options.until);
    return filter;
}

exit_code purge_by_filter(context& c, const target& at, const char* noun)
{
    std::size_t purged = 0;
    std::optional<refusal> broken;
    {
        std::optional<progress_bar> bar;
        for (;;) {
            const auto answer = c.api().remove(at);
            if (!answer) {
                broken = answer.error();
                break;
            }
            const std::size_t now = count_at(answer->body, "purged");
            const std::size_t left = count_at(answer->body, "remaining");
            purged += now;
            if (!bar) bar.emplace(c.screen.err(), c.screen.style(), c.screen.quiet(), "purging", purged + left);
            bar->advance_to(purged);
            // What others are just working on stays, and is theirs.
            if (left == 0 || now == 0) break;
        }
    }
    if (broken) {
        if (purged > 0) c.screen.complaint(fmt::format("{} purged before this; the same command again goes on", counted(purged, noun)));
        return c.fail(*broken);
    }
    if (c.screen.human()) c.screen.line(fmt::format("{} purged", counted(purged, noun)));
    else c.screen.document(json::object{{"purged", purged}});
    return exit_code::success;
}

exit_code purge_one(context& c, const target& at, const std::string& id)
{
    const auto gone = c.api().remove(at);
    if (!gone) return c.fail(gone.error());
    if (c.screen.human()) c.screen.line(fmt::format("{} purged", id));
    else c.screen.document(json::object{{"purged", 1}});
    return exit_code::success;
}

}
