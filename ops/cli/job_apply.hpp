#pragma once

#include "ops/cli/runner_file.hpp"

#include <memory>

namespace CLI {
class App;
}

namespace rowlock::ops {

// How runner files are to be read: --without-schedules and --dativo-command. The result outlives the parsing.
std::shared_ptr<runner_options> add_runner_options(CLI::App& verb);

}
