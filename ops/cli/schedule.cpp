#include "ops/cli/verbs.hpp"

#include <CLI/CLI.hpp>

namespace rowlock::ops {

void add_schedule(CLI::App& app, context& c)
{
    CLI::App* schedule = app.add_subcommand("schedule", "When jobs run by the clock: list, show, ticks, pause, resume, run");
    schedule->group("Operating");
    schedule->require_subcommand(1);
    schedule->footer("Examples:\n  rowlock schedule list\n  rowlock schedule pause nightly --reason maintenance\n  rowlock schedule ticks nightly");
    add_schedule_control(*schedule, c);
}

}
