#pragma once

#include "runtime/handlers/attempt.hpp"
#include "runtime/handlers/handlers.hpp"
#include "runtime/handlers/sql_pool.hpp"
#include "tests/support/run_on_core.hpp"
#include "tests/support/scratch_folder.hpp"

#include <functional>
#include <string>
#include <vector>

namespace rowlock::test {

// An attempt whose records are kept in memory, and what performs it.
struct recorded_attempt {
    runtime::core core{0};
    scratch_folder folder;
    runtime::process_options process{.enabled = true, .allowed_programs = {"*"}, .run_root = folder.path() / "runs"};
    runtime::http_options http{.allow_private_addresses = true};
    runtime::composite_options composite{};
    runtime::sql_pool databases{{}};

    handler_spec handler;
    std::optional<http_hook> before{};
    std::optional<http_hook> after{};
    std::string parameters = "{}";
    int attempt_number = 1;
    std::string trace_parent{};
    runtime::deadline until = runtime::no_deadline;
    std::optional<runtime::checkpoint_data> last_checkpoint{};
    std::optional<error> artifact_error{};
    std::optional<error> nodes_error{};
    bool log_breaks = false;
    std::function<void(runtime::attempt&)> on_heartbeat{};
    std::function<void(const runtime::checkpoint_data&, runtime::attempt&)> on_checkpoint{};

    // Asks what is running to stop, on its core. From any thread, while it runs.
    void stop(runtime::stop_reason why);

    // What was recorded.
    std::string out;
    std::string err;
    std::string system;
    int heartbeats = 0;
    std::vector<double> progress;
    std::vector<runtime::checkpoint_data> checkpoints;
    std::vector<runtime::artifact> artifacts;
    std::vector<std::size_t> nodes;                  // how many were added at a time

    // Performs it with handlers of its own.
    outcome perform();
    // Performs it with handlers that are kept, on `core`.
    outcome perform(runtime::handlers& with);

    runtime::attempt* running = nullptr;             // while it is performed
    runtime::stop_reason running_stopped = runtime::stop_reason::none;   // what it had been asked to stop for when it was over

    std::filesystem::path run_directory() const { return process.run_root / run_id.str(); }
    execution_id id = execution_id::make(1'700'000'000'000, 7, 1);
    execution_id run_id = execution_id::make(1'700'000'000'000, 7, 2);

private:
    runtime::attempt_records records();
};

// sh -c SCRIPT
process_handler shell(std::string script);

}
