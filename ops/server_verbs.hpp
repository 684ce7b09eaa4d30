#pragma once

#include "ops/cli/cli.hpp"

namespace rowlock::ops {

// dev, serve, migrate and config.
server_verbs all_server_verbs();

}
