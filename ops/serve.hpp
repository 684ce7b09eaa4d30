#pragma once

#include "ops/cli/exit_code.hpp"
#include "ops/config/load.hpp"
#include "ops/dev_postgres.hpp"

#include <functional>

namespace rowlock::ops {

// Blocks SIGINT and SIGTERM in this thread and in those that it starts: run_server waits for them. Before any thread is started.
void block_stop_signals();

struct server_surroundings {
    dev_postgres* own_database = nullptr;            // restarted when it dies; the instance is then the only one of its database
    std::function<void(const std::string& address)> listening{};
};

// Serves until SIGINT or SIGTERM, on a migrated database. A first signal stops gracefully, a second one at once. Blocks; from the
// main thread. Says on stdout where it listens.
exit_code run_server(const settings& s, const std::string& database_url, const server_surroundings& around);

}
