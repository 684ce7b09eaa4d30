#include "ops/cli/execution_view.hpp"
#include "ops/cli/failure_options.hpp"
#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/verbs.hpp"
#include "storage/model/error_codes.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <fmt/format.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

struct errors_options : failure_options {
    std::string queue;
    std::string category;
};

target errors()
{
    return target("/v1/errors");
}

target filtered(const errors_options& options)
{
    target at = errors();
    put_filter(at, options);
    if (!options.queue.empty()) at.query("queue", options.queue);
    if (!options.category.empty()) at.query("error_category", in_capitals(options.category));
    return at;
}

exit_code list_errors(context& c, const errors_options& options)
{
    const auto found = c.api().list(filtered(options), options.limit);
    if (!found) return c.fail(found.error());
    if (!c.screen.human()) {
        c.screen.document(*found);
        return exit_code::success;
    }
    table shown({{"ID"}, {"JOB", false, true}, {"CODE", false, true}, {"CATEGORY", false, false, true}, {"RETRIED"}, {"MESSAGE", false, true, true}, {"CREATED (UTC)", false, false, true}});
    for (const json::value& one : *array_at(*found, "items")) {
        shown.add({{text_at(one, "error_id")}, {text_at(one, "job_id")}, {text_at(one, "error_code"), colour::red}, {text_at(one, "error_category")},
                   {flag_at(one, "will_retry") ? "yes" : "no"}, {text_at(one, "error_message")}, {human_time(text_at(one, "created_time"))}});
    }
    c.screen.show(shown);
    if (!text_at(*found, "next_cursor").empty()) c.screen.notice(fmt::format("There are more than these {}: see --limit.", options.limit));
    return exit_code::success;
}

exit_code show_error(context& c, const errors_options& options)
{
    const auto found = c.api().get(errors().segment(options.id));
    if (!found) return c.fail(found.error());
    if (c.screen.human()) c.screen.show(execution_fields(found->body));
    else c.screen.document(found->body);
    return exit_code::success;
}

exit_code retry_error(context& c, const errors_options& options)
{
    const auto next = c.api().post(errors().segment(options.id).segment("retry"), json::object{});
    if (!next) return c.fail(next.error());
    if (c.screen.human()) c.screen.line(text_at(next->body, "execution_id"));
    else c.screen.document(next->body);
    return exit_code::success;
}

exit_code purge(context& c, const errors_options& options)
{
    const bool many = options.has_filter() || !options.queue.empty() || !options.category.empty();
    if (!options.id.empty()) {
        if (many || options.all) return c.fail(bad_input("errors purge takes an ID or a filter, not both"));
        return purge_one(c, errors().segment(options.id), options.id);
    }
    if (!many && !options.all) return c.fail(bad_input("errors purge needs an ID, a filter (--queue, --job, --error-code, --category, --since, --until), or --all"));
    target at = filtered(options);
    if (options.all) at.query("all", "true");
    return purge_by_filter(c, at, "error");
}

// Needs no server: the codes are the program's.
exit_code show_codes(context& c, const errors_options&)
{
    const auto text = [](std::string_view t) { return json::value(json::string_view(t.data(), t.size())); };
    if (!c.screen.human()) {
        json::array all;
        for (const auto& entry : all_error_codes()) {
            all.push_back(json::object{{"code", text(entry.code)}, {"category", text(entry.category)},
                                       {"http_status", entry.http_status == 0 ? json::value(nullptr) : json::value(entry.http_status)},
                                       {"meaning", text(entry.meaning)}, {"hint", text(entry.hint)}});
        }
        c.screen.document(all);
        return exit_code::success;
    }
    table shown({{"CODE"}, {"CATEGORY"}, {"HTTP", true}, {"MEANING", false, true}, {"HINT", false, true, true}});
    for (const auto& entry : all_error_codes()) {
        shown.add({{std::string(entry.code), colour::bold}, {std::string(entry.category)}, {entry.http_status == 0 ? "" : std::to_string(entry.http_status)},
                   {std::string(entry.meaning)}, {std::string(entry.hint)}});
    }
    c.screen.show(shown);
    return exit_code::success;
}

}

void add_errors(CLI::App& app, context& c)
{
    CLI::App* verbs = app.add_subcommand("errors", "The error queues: list, show, retry, purge, codes");
    verbs->group("Operating");
    verbs->require_subcommand(1);
    verbs->footer("Examples:\n  rowlock errors list --queue execution_errors --job ingest\n  rowlock errors show ID\n  rowlock errors codes");
    const auto options = std::make_shared<errors_options>();
    const auto add = [&](const char* name, const char* what, exit_code (*action)(context&, const errors_options&), const char* footer) {
        CLI::App* verb = verbs->add_subcommand(name, what);
        verb->footer(footer);
        verb->callback([&c, options, action] { c.chosen = [&c, options, action] { return action(c, *options); }; });
        return verb;
    };
    const auto add_filter = [&options](CLI::App& verb) {
        verb.add_option("--queue", options->queue, "scheduling_errors, dependency_errors or execution_errors; without: all of them");
        verb.add_option("--category", options->category, "TRANSIENT, PERMANENT, TIMEOUT or RESOURCE_EXHAUSTED");
        add_failure_filter(verb, *options);
    };
    CLI::App* list = add("list", "The newest errors first", list_errors, "Example:\n  rowlock errors list --job ingest --category TIMEOUT --since 2026-01-31T00:00:00Z");
    add_filter(*list);
    add_failure_limit(*list, *options);
    add("show", "Everything about one error, with what to do", show_error, "Example:\n  rowlock errors show ID")->add_option("ID", options->id, "Its error_id")->required();
    add("retry", "Try the run that had an error again", retry_error, "Example:\n  rowlock errors retry ID")->add_option("ID", options->id, "Its error_id")->required();
    CLI::App* drop = add("purge", "Delete one error, or all that a filter names; history keeps the executions", purge,
                         "Examples:\n  rowlock errors purge ID\n  rowlock errors purge --queue execution_errors --until 2026-01-31T00:00:00Z\n  rowlock errors purge --all");
    drop->add_option("ID", options->id, "Its error_id");
    add_filter(*drop);
    drop->add_flag("--all", options->all, "All there are, where no filter is given");
    add("codes", "Every code that Rowlock itself gives, with its meaning and what to do; needs no server", show_codes, "Example:\n  rowlock errors codes --format json");
}

}
