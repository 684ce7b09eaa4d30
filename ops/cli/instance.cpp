#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/verbs.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <fmt/format.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

constexpr std::size_t most_instances = 1000;

exit_code list_instances(context& c)
{
    const auto instances = c.api().list(target("/v1/instances"), most_instances);
    if (!instances) return c.fail(instances.error());
    if (!c.screen.human()) {
        c.screen.document(*instances);
        return exit_code::success;
    }
    table shown({{"ID", true}, {"STATE"}, {"RUNNING", true}, {"HOST", false, true}, {"PID", true}, {"ADDRESS", false, true}, {"STARTED (UTC)", false, false, true},
                 {"VERSION", false, false, true}});
    for (const json::value& one : *array_at(*instances, "items")) {
        shown.add({{text_at(one, "instance_id")}, {text_at(one, "state")}, {text_at(one, "running")}, {text_at(one, "hostname")}, {text_at(one, "pid")},
                   {text_at(one, "address")}, {human_time(text_at(one, "started_time"))}, {text_at(one, "version")}});
    }
    c.screen.show(shown);
    return exit_code::success;
}

}

void add_instance(CLI::App& app, context& c)
{
    CLI::App* instance = app.add_subcommand("instance", "Instances of the server: list");
    instance->group("Operating");
    instance->require_subcommand(1);
    instance->footer("Example:\n  rowlock instance list");
    CLI::App* list = instance->add_subcommand("list", "Every instance at the database, with its state and what it runs");
    list->footer("Example:\n  rowlock instance list --format json");
    list->callback([&c] { c.chosen = [&c] { return list_instances(c); }; });
}

}
