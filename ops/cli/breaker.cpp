#include "ops/cli/execution_view.hpp"
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

constexpr std::size_t most_breakers = 100'000;

struct breaker_options {
    std::string key;
};

colour colour_of_state(std::string_view state)
{
    return state == "CLOSED" ? colour::green : state == "OPEN" ? colour::red : colour::yellow;
}

target breaker_target(const breaker_options& options)
{
    return target("/v1/breakers").segment(options.key);
}

exit_code show_one(context& c, const json::value& breaker)
{
    if (!c.screen.human()) {
        c.screen.document(breaker);
        return exit_code::success;
    }
    field_list shown;
    if (const json::object* members = breaker.if_object()) {
        for (const auto& member : *members) {
            const std::string name{member.key()};
            const std::string text = text_at(member.value(), "");
            if (name == "state") shown.add(name, text, colour_of_state(text));
            else shown.add(name, name.ends_with("_at") ? human_time(text) : text);
        }
    }
    c.screen.show(shown);
    return exit_code::success;
}

exit_code list_breakers(context& c, const breaker_options&)
{
    const auto found = c.api().list(target("/v1/breakers"), most_breakers);
    if (!found) return c.fail(found.error());
    if (!c.screen.human()) {
        c.screen.document(*found);
        return exit_code::success;
    }
    table shown({{"KEY", false, true}, {"STATE"}, {"FAILURES", true}, {"OPENED (UTC)"}, {"NEXT PROBE (UTC)"}, {"PROBES", true, false, true}});
    for (const json::value& one : *array_at(*found, "items")) {
        const std::string state = text_at(one, "state");
        shown.add({{text_at(one, "key")}, {state, colour_of_state(state)}, {text_at(one, "failures")}, {human_time(text_at(one, "opened_at"))},
                   {human_time(text_at(one, "next_probe_at"))}, {fmt::format("{}/{}", text_at(one, "probes"), text_at(one, "half_open_max"))}});
    }
    c.screen.show(shown);
    return exit_code::success;
}

exit_code show_breaker(context& c, const breaker_options& options)
{
    const auto found = c.api().get(breaker_target(options));
    return found ? show_one(c, found->body) : c.fail(found.error());
}

exit_code reset_breaker(context& c, const breaker_options& options)
{
    const auto closed = c.api().post(breaker_target(options).segment("reset"), json::object{});
    if (!closed) return c.fail(closed.error());
    if (!c.screen.human()) return show_one(c, closed->body);
    c.screen.line(fmt::format("{} is {}", options.key, text_at(closed->body, "state")));
    return exit_code::success;
}

}

void add_breaker(CLI::App& app, context& c)
{
    CLI::App* breaker = app.add_subcommand("breaker", "Circuit breakers: list, show, reset");
    breaker->group("Operating");
    breaker->require_subcommand(1);
    breaker->footer("Examples:\n  rowlock breaker list\n  rowlock breaker reset ingest\n  rowlock breaker reset api.example.com:443");
    const auto options = std::make_shared<breaker_options>();
    const auto add = [&](const char* name, const char* what, exit_code (*action)(context&, const breaker_options&), const char* example) {
        CLI::App* verb = breaker->add_subcommand(name, what);
        verb->footer(std::string{"Example:\n  rowlock breaker "} + example);
        verb->callback([&c, options, action] { c.chosen = [&c, options, action] { return action(c, *options); }; });
        return verb;
    };
    add("list", "Every breaker with its state; an open one keeps executions waiting", list_breakers, "list --format json");
    for (CLI::App* verb : {add("show", "Everything about one breaker", show_breaker, "show ingest"),
                           add("reset", "Close a breaker at once, and forget the failures that it has counted", reset_breaker, "reset api.example.com:443")}) {
        verb->add_option("KEY", options->key, "A job_id, or HOST:PORT of a target that jobs share")->required();
    }
}

}
