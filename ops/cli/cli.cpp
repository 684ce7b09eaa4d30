#include "ops/cli/cli.hpp"

#include "ops/cli/verbs.hpp"
#include "storage/model/nearest_name.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>
#include <iostream>

namespace rowlock::ops {

namespace {

constexpr const char* global_group = "Options of every verb, before or after it";

// Groups in this order, whatever order their verbs were added in; within a group by the order of addition.
void add_verbs(CLI::App& app, context& c, const server_verbs& server)
{
    for (const auto* add : {&server.dev, &server.serve, &server.migrate, &server.config}) {
        if (*add) (*add)(app, c);
    }
    add_submit(app, c);
    add_run(app, c);
    add_execution(app, c);
    add_job(app, c);
    add_plan(app, c);
    add_event(app, c);
    add_trigger(app, c);
    add_dlq(app, c);
    add_errors(app, c);
    add_breaker(app, c);
    add_schedule(app, c);
    add_backfill(app, c);
    add_limit(app, c);
    add_explain(app, c);
    add_policy(app, c);
    add_instance(app, c);
    add_tenant(app, c);
    add_token(app, c);
    add_doctor(app, c);
    add_bench(app, c);
    add_version(app, c);
}

void add_global_options(CLI::App& app, global_options& options)
{
    app.add_option("--url", options.url, fmt::format("Where the server is; default {}", default_url))->envname("ROWLOCK_URL")->group(global_group);
    app.add_option("--token", options.token, "Bearer token")->envname("ROWLOCK_TOKEN")->group(global_group);
    app.add_option("--tenant", options.tenant, "The tenant to act for, with a token for all tenants")->group(global_group);
    app.add_option("--format", options.format, "human, json or yaml; default human")->group(global_group);
    app.add_flag("--no-color", options.no_color, "Neither colour nor signs beyond ASCII; so do NO_COLOR, TERM=dumb and CI=true")->group(global_group);
    app.add_flag("-q,--quiet", options.quiet, "Only the answer, and errors")->group(global_group);
}

// The innermost verb that was recognised before the line went wrong.
const CLI::App* deepest(const CLI::App* app)
{
    for (;;) {
        const auto chosen = app->get_subcommands();
        if (chosen.empty()) return app;
        app = chosen.front();
    }
}

std::string full_name(const CLI::App* app)
{
    if (!app->get_parent()) return "rowlock";
    return full_name(app->get_parent()) + ' ' + app->get_name();
}

std::vector<std::string> verb_names(const CLI::App* app)
{
    std::vector<std::string> names;
    for (const CLI::App* verb : app->get_subcommands([](const CLI::App*) { return true; })) names.push_back(verb->get_name());
    return names;
}

std::vector<std::string> option_names(const CLI::App* app)
{
    std::vector<std::string> names;
    for (; app; app = app->get_parent()) {
        for (const CLI::Option* option : app->get_options()) {
            for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
        }
    }
    return names;
}

// What was left over on the line, at any depth of verbs.
std::vector<std::string> leftovers(const CLI::App& app)
{
    return app.remaining(true);
}

std::string with_suggestion(std::string message, std::string_view given, const std::vector<std::string>& known)
{
    if (const auto near = nearest_name(given, known)) message += fmt::format("; did you mean {}?", *near);
    return message;
}

// One line about what is wrong with the command line.
std::string explain(const CLI::App& app, const CLI::ParseError& error)
{
    const CLI::App* verb = deepest(&app);
    const std::string name = full_name(verb);
    const std::string help = fmt::format(" (see {} --help)", name);
    const auto rest = leftovers(app);
    const auto option = std::find_if(rest.begin(), rest.end(), [](const std::string& s) { return s.starts_with('-') && s.size() > 1; });
    const auto word = std::find_if(rest.begin(), rest.end(), [](const std::string& s) { return !s.starts_with('-'); });
    const auto verbs = verb_names(verb);
    if (!verbs.empty() && word != rest.end()) {
        return with_suggestion(fmt::format("{} has no verb {}", name, *word), *word, verbs) + help;
    }
    if (option != rest.end()) {
        const std::string given = option->substr(0, option->find('='));
        return with_suggestion(fmt::format("{} has no option {}", name, given), given, option_names(verb)) + help;
    }
    if (!verbs.empty()) return fmt::format("{} needs a verb: {}", name, fmt::join(verbs, ", ")) + help;
    if (word != rest.end()) return fmt::format("{} does not take {}", name, *word) + help;
    std::string what = error.what();
    std::replace(what.begin(), what.end(), '\n', ' ');
    while (what.ends_with(' ')) what.pop_back();
    return fmt::format("{}: {}", name, what) + help;
}

int end_with(exit_code code)
{
    return static_cast<int>(code);
}

// Failures that nobody expected: out of memory, a defect. Everything else has its own way to an exit code.
int perform(context& c)
{
    try {
        return end_with(c.chosen());
    } catch (const std::exception& e) {
        return end_with(c.fail({exit_code::protocol, "Something failed that should not have", e.what()}));
    }
}

}

int run_cli(const std::vector<std::string>& arguments, const server_verbs& server, std::ostream& out, std::ostream& err, const surroundings& around)
{
    context c(out, err);
    CLI::App app{"Rowlock, a durable job orchestrator on PostgreSQL.", "rowlock"};
    app.fallthrough();
    app.require_subcommand(1);
    app.set_version_flag("--version", "rowlock " ROWLOCK_VERSION);
    app.get_formatter()->column_width(26);
    app.footer("Examples:\n"
               "  rowlock dev                                   a server with its own database, until Ctrl-C\n"
               "  rowlock job apply ingest.yaml                 store a definition\n"
               "  rowlock submit ingest -p table=packages       one execution of it\n"
               "  rowlock execution list --status FAILED        what went wrong\n"
               "  rowlock explain --job ingest                  why nothing of it runs\n"
               "  rowlock run ingest.yaml --format json         apply, run, follow, print the result\n"
               "Exit codes: 0 success, 1 execution failed, 2 bad input or configuration, 3 not found, 4 no server or a wrong reply, 5 refused.\n"
               "`rowlock VERB --help` has the options of a verb.");
    add_global_options(app, c.options);
    add_verbs(app, c, server);

    // Errors of the line itself are shown as on a stream of unknown kind until the options are read.
    c.screen.configure(output_format::human, decide_style(around, false), false);
    try {
        // CLI11 takes the arguments from the back.
        app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    } catch (const CLI::CallForHelp&) {
        out << deepest(&app)->help() << std::flush;
        return end_with(exit_code::success);
    } catch (const CLI::CallForVersion& version) {
        out << version.what() << '\n' << std::flush;
        return end_with(exit_code::success);
    } catch (const CLI::ParseError& e) {
        return end_with(c.fail(bad_input(explain(app, e))));
    }
    const auto format = parse_output_format(c.options.format);
    if (!format) return end_with(c.fail(bad_input(fmt::format("--format: {} is none of human, json, yaml", c.options.format))));
    c.screen.configure(*format, decide_style(around, c.options.no_color), c.options.quiet);

    const int code = perform(c);
    out.flush();
    if (!out) {
        c.screen.complaint("error: the answer could not be written to stdout");
        return code == 0 ? end_with(exit_code::configuration) : code;
    }
    return code;
}

int run_cli(int argc, char** argv, const server_verbs& server)
{
    return run_cli(std::vector<std::string>(argv + std::min(argc, 1), argv + argc), server, std::cout, std::cerr, read_surroundings());
}

}
