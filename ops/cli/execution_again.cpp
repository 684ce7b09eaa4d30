#include "ops/cli/execution_view.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/parameters.hpp"
#include "ops/cli/verbs.hpp"
#include "storage/model/ids.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

struct again_options {
    std::string id;
    std::vector<std::string> pairs;
    std::string parameters;
    std::string idempotency_key;
};

target execution_target(const again_options& options)
{
    return target("/v1/executions").segment(options.id);
}

exit_code show_made(context& c, const outcome_of<api_reply>& made)
{
    if (!made) return c.fail(made.error());
    if (c.screen.human()) c.screen.line(text_at(made->body, "execution_id"));
    else c.screen.document(made->body);
    return exit_code::success;
}

exit_code retry_execution(context& c, const again_options& options)
{
    return show_made(c, c.api().post(execution_target(options).segment("retry"), json::object{}));
}

exit_code replay_execution(context& c, const again_options& options)
{
    json::object body;
    auto parameters = read_parameters(options.parameters, options.pairs);
    if (!parameters) return c.fail(parameters.error());
    if (!parameters->empty()) body["parameters"] = std::move(*parameters);
    // Without a key of the user's, one of our own makes a repetition after a lost connection safe.
    const std::string key = options.idempotency_key.empty() ? random_uuid().str() : options.idempotency_key;
    return show_made(c, c.api().post(execution_target(options).segment("replay"), body, key));
}

}

void add_execution_again(CLI::App& execution, context& c)
{
    const auto options = std::make_shared<again_options>();
    const auto add = [&](const char* name, const char* what, exit_code (*action)(context&, const again_options&), const char* example) {
        CLI::App* verb = execution.add_subcommand(name, what);
        verb->footer(std::string{"Example:\n  rowlock execution "} + example);
        verb->callback([&c, options, action] { c.chosen = [&c, options, action] { return action(c, *options); }; });
        verb->add_option("ID", options->id, "Its execution_id")->required();
        return verb;
    };
    add("retry", "Try a failed, timed out or cancelled run again: its next attempt, now", retry_execution, "retry ID");
    CLI::App* replay = add("replay", "Do the same again as a new run, with the same version of the job", replay_execution, "replay ID -p table=packages");
    replay->add_option("-p,--parameter", options->pairs, "A parameter to be other than it was, NAME=VALUE; VALUE is JSON where it parses as JSON, else text")->allow_extra_args(false);
    replay->add_option("--parameters", options->parameters, "Several of them: a JSON object, @FILE, or @- for stdin");
    replay->add_option("--idempotency-key", options->idempotency_key, "The same key and request again gives the first replay back");
}

}
