#include "ops/cli/execution_view.hpp"
#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/parameters.hpp"
#include "ops/cli/progress_bar.hpp"
#include "ops/cli/run_follower.hpp"
#include "ops/cli/submission_file.hpp"
#include "ops/cli/verbs.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/time.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <map>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

constexpr std::size_t largest_batch = 1000;
constexpr std::size_t most_ids_on_terminal = 20;

struct submit_options {
    std::string job;
    std::vector<std::string> pairs;
    std::string parameters;
    std::optional<int> priority;
    bool wait = false;
    std::optional<double> timeout;
    std::string idempotency_key;
    std::string correlation_id;
    std::vector<std::string> tags;
    std::string at;
    std::optional<std::size_t> count;
    std::string each;
    std::optional<int> job_version;
    bool ignore_dependencies = false;

    std::optional<std::chrono::seconds> wait_limit() const
    {
        if (!timeout) return std::nullopt;
        return std::chrono::ceil<std::chrono::seconds>(std::chrono::duration<double>{*timeout});
    }
};

outcome_of<json::object> request_of(const submit_options& options)
{
    json::object request{{"job_id", options.job}};
    auto parameters = read_parameters(options.parameters, options.pairs);
    if (!parameters) return parameters.error();
    request["parameters"] = std::move(*parameters);
    if (options.priority) request["priority"] = *options.priority;
    if (!options.correlation_id.empty()) request["correlation_id"] = options.correlation_id;
    if (options.job_version) request["job_version"] = *options.job_version;
    if (options.ignore_dependencies) request["ignore_dependencies"] = true;
    if (!options.tags.empty()) {
        auto tags = read_tags(options.tags);
        if (!tags) return tags.error();
        request["tags"] = std::move(*tags);
    }
    if (!options.at.empty()) {
        const auto at = parse_rfc3339(options.at);
        if (!at) return bad_input(fmt::format("--at: {} is not an RFC 3339 time, as in 2026-01-31T09:30:00Z", options.at));
        request["scheduled_time"] = to_rfc3339(*at);
    }
    return request;
}

// Without a key of the user's, one of our own makes a repetition after a lost connection safe.
std::string key_of(const submit_options& options)
{
    return options.idempotency_key.empty() ? random_uuid().str() : options.idempotency_key;
}

exit_code submit_one(context& c, const submit_options& options, const json::object& request)
{
    const auto accepted = c.api().post(target("/v1/executions"), request, key_of(options));
    if (!accepted) return c.fail(accepted.error());
    const std::string id = text_at(accepted->body, "execution_id");
    if (id.empty()) return c.fail(odd_reply("a submission was accepted without an execution_id"));
    c.screen.notice(fmt::format("{} {} version {}: {}{}", options.wait ? id : "submitted", options.job, text_at(accepted->body, "job_version"),
                                text_at(accepted->body, "status"), flag_at(accepted->body, "replayed") ? " (the key was used before: nothing new)" : ""));
    if (!options.wait) {
        if (c.screen.human()) c.screen.line(id);
        else c.screen.document(accepted->body);
        return exit_code::success;
    }
    const auto last = wait_for_run(c, id, options.wait_limit());
    if (!last) return c.fail(last.error());
    if (c.screen.human()) c.screen.show(execution_fields(*last));
    else c.screen.document(*last);
    if (!has_ended(*last)) c.screen.complaint(fmt::format("{} has not ended within --timeout; it goes on", id));
    return exit_code_of_execution(*last);
}

// Sends a batch and adds what was accepted.
std::optional<refusal> submit_batch(context& c, json::array&& requests, const std::string& key, json::array& accepted)
{
    const std::size_t size = requests.size();
    auto reply = c.api().post(target("/v1/executions/batch"), json::object{{"executions", std::move(requests)}}, key);
    if (!reply) return reply.error();
    const json::array* some = array_at(reply->body, "executions");
    if (!some || some->size() != size) return odd_reply(fmt::format("a batch of {} was accepted without {} executions", size, size));
    accepted.insert(accepted.end(), some->begin(), some->end());
    return std::nullopt;
}

// Sends `count` times the same request in batches. What was accepted before a refusal is in `accepted`.
std::optional<refusal> submit_same(context& c, const submit_options& options, const json::object& request, json::array& accepted)
{
    const std::size_t count = *options.count;
    const std::string key = key_of(options);
    progress_bar bar(c.screen.err(), c.screen.style(), c.screen.quiet(), "submitting", count);
    for (std::size_t batch = 0; accepted.size() < count; ++batch) {
        const std::size_t size = std::min(count - accepted.size(), largest_batch);
        // Each batch has a key made of the whole one's, so that the same command again continues where it broke off.
        if (auto refused = submit_batch(c, json::array(size, json::value(request)), fmt::format("{}/{}", key, batch), accepted)) return refused;
        bar.advance_to(accepted.size());
    }
    return std::nullopt;
}

// Sends the lines of a file in batches; each has its own key, so the batches need none.
std::optional<refusal> submit_lines(context& c, const submit_options& options, const json::object& request, json::array& accepted)
{
    auto file = read_submissions(options.each, request, key_of(options));
    if (!file) return file.error();
    progress_bar bar(c.screen.err(), c.screen.style(), c.screen.quiet(), "submitting", file->items.size());
    while (accepted.size() < file->items.size()) {
        const std::size_t first = accepted.size();
        const std::size_t size = std::min(file->items.size() - first, largest_batch);
        json::array batch;
        for (std::size_t i = first; i < first + size; ++i) batch.emplace_back(std::move(file->items[i]));
        if (auto refused = submit_batch(c, std::move(batch), {}, accepted)) return in_lines(std::move(*refused), *file, first);
        bar.advance_to(accepted.size());
    }
    return std::nullopt;
}

// Replaces each acceptance by the last attempt of its run.
std::optional<refusal> wait_for_all(context& c, const submit_options& options, json::array& executions)
{
    const auto start = std::chrono::steady_clock::now();
    progress_bar bar(c.screen.err(), c.screen.style(), c.screen.quiet(), "waiting", executions.size());
    for (std::size_t i = 0; i < executions.size(); ++i) {
        auto left = options.wait_limit();
        if (left) left = std::max(*left - std::chrono::floor<std::chrono::seconds>(std::chrono::steady_clock::now() - start), std::chrono::seconds{0});
        auto last = wait_for_run(c, text_at(executions[i], "execution_id"), left);
        if (!last) return last.error();
        executions[i] = std::move(*last);
        bar.advance_to(i + 1);
    }
    return std::nullopt;
}

void show_counts(context& c, const json::array& executions)
{
    std::map<std::string, std::size_t> counts;
    for (const json::value& one : executions) ++counts[text_at(one, "status")];
    table shown({{"STATUS"}, {"EXECUTIONS", true}});
    for (const auto& [status, n] : counts) shown.add({{status, colour_of_status(status)}, {std::to_string(n)}});
    c.screen.show(shown);
}

void show_ids(context& c, const json::array& executions)
{
    const bool to_terminal = c.screen.style().width > 0;
    if (to_terminal && executions.size() > most_ids_on_terminal) return;
    std::string lines;
    for (const json::value& one : executions) lines += text_at(one, "execution_id") + '\n';
    c.screen.raw(lines);
}

exit_code submit_many(context& c, const submit_options& options, const json::object& request)
{
    json::array executions;
    const auto start = std::chrono::steady_clock::now();
    const auto refused = options.each.empty() ? submit_same(c, options, request, executions) : submit_lines(c, options, request, executions);
    const auto length = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
    c.screen.notice(fmt::format("submitted {} of {} in {}", executions.size(), options.job, human_duration(length)));
    if (refused) return c.fail(*refused);

    if (options.wait) {
        if (const auto broken = wait_for_all(c, options, executions)) return c.fail(*broken);
    }
    if (!c.screen.human()) c.screen.document(json::object{{"executions", executions}});
    else if (options.wait) show_counts(c, executions);
    else show_ids(c, executions);
    if (!options.wait) return exit_code::success;
    const bool all_well = std::all_of(executions.begin(), executions.end(), [](const json::value& e) { return exit_code_of_execution(e) == exit_code::success; });
    return all_well ? exit_code::success : exit_code::execution_failed;
}

exit_code submit(context& c, const submit_options& options)
{
    if (options.timeout && !options.wait) return c.fail(bad_input("--timeout: has a meaning only with --wait"));
    const auto request = request_of(options);
    if (!request) return c.fail(request.error());
    return options.count || !options.each.empty() ? submit_many(c, options, *request) : submit_one(c, options, *request);
}

}

void add_submit(CLI::App& app, context& c)
{
    CLI::App* verb = app.add_subcommand("submit", "Submit executions of a job");
    verb->group("Work");
    const auto options = std::make_shared<submit_options>();
    verb->add_option("JOB", options->job, "Its job_id")->required();
    verb->add_option("-p,--parameter", options->pairs, "A parameter, NAME=VALUE; VALUE is JSON where it parses as JSON, else text")->allow_extra_args(false);
    verb->add_option("--parameters", options->parameters, "All parameters: a JSON object, @FILE, or @- for stdin");
    verb->add_option("--priority", options->priority, "-1000 to 1000; higher goes first")->check(CLI::Range(-1000, 1000));
    verb->add_flag("--wait", options->wait, "Wait for the end; exit code 1 unless COMPLETED");
    verb->add_option("--timeout", options->timeout, "Wait so many seconds at most; the execution goes on")->check(CLI::NonNegativeNumber);
    verb->add_option("--idempotency-key", options->idempotency_key, "The same key and request again gives the first execution back");
    verb->add_option("--correlation-id", options->correlation_id, "Kept with the execution and passed on");
    verb->add_option("--tag", options->tags, "A tag, NAME=VALUE; may be given several times")->allow_extra_args(false);
    verb->add_option("--at", options->at, "Start no earlier than this RFC 3339 time");
    auto* count = verb->add_option("--count", options->count, "Submit so many of the same, in batches")->check(CLI::Range(std::size_t{1}, std::size_t{100'000'000}));
    verb->add_option("--each", options->each, "Submit one execution for each line of this file (- is stdin), in batches: a line is a JSON object with what is its own, as in\n"
                                              "{\"parameters\": {\"n\": 1}, \"idempotency_key\": \"a\", \"priority\": 5}; the rest is as the other options say")
        ->excludes(count);
    verb->add_option("--job-version", options->job_version, "Another version than the current one")->check(CLI::PositiveNumber);
    verb->add_flag("--ignore-dependencies", options->ignore_dependencies, "Do not wait for the jobs that it depends on");
    verb->footer("Examples:\n"
                 "  rowlock submit ingest -p table=packages -p limit=10\n"
                 "  rowlock submit ingest --parameters @parameters.json --wait --timeout 60\n"
                 "  rowlock submit noop --count 100000 --wait\n"
                 "  rowlock submit ingest --each tables.jsonl --wait --format json > results.json\n"
                 "stdout carries the execution_id (with --wait: the execution), so: ID=$(rowlock submit ingest)");
    verb->callback([&c, options] { c.chosen = [&c, options] { return submit(c, *options); }; });
}

}
