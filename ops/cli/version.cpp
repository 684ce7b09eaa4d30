#include "ops/cli/verbs.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>

namespace rowlock::ops {

namespace {

exit_code show_version(context& c)
{
    if (c.screen.human()) c.screen.line("rowlock " ROWLOCK_VERSION);
    else c.screen.document(boost::json::object{{"version", ROWLOCK_VERSION}});
    return exit_code::success;
}

}

void add_version(CLI::App& app, context& c)
{
    CLI::App* verb = app.add_subcommand("version", "The version of this program");
    verb->group("Operating");
    verb->footer("Example:\n  rowlock version --format json");
    verb->callback([&c] { c.chosen = [&c] { return show_version(c); }; });
}

}
