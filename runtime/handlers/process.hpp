#pragma once

#include "runtime/handlers/failure.hpp"
#include "runtime/handlers/handlers.hpp"
#include "runtime/handlers/process_attempt.hpp"
#include "runtime/handlers/run_directory.hpp"

#include <optional>
#include <string>

namespace rowlock::runtime {

// Runs programs (spec W1). One for each core, used on it. See ops/decisions/0003-process-handler.md.
class process_runner {
public:
    process_runner(io_executor executor, process_options options);

    // As handlers::perform.
    awaitable<outcome> run(attempt& a, const process_handler& handler);

private:
    awaitable<outcome> run_in(attempt& a, const process_handler& handler, const attempt_directory& directory);
    awaitable<attempted<process_watch>> start(attempt& a, const process_handler& handler, const attempt_directory& directory);

    io_executor executor_;
    process_options options_;
    bool swept_ = false;                             // what earlier servers left behind has been removed
};

// Whether an attempt of `handler` would be refused with PERMISSION_DENIED, and why: for the warnings of a definition. Where the
// program depends on parameters, that is only known when it starts: nullopt.
std::optional<std::string> why_not_allowed(const process_options& options, const process_handler& handler);

}
