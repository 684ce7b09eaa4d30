#pragma once

#include "runtime/handlers/attempt.hpp"
#include "runtime/handlers/callbacks.hpp"
#include "runtime/handlers/child_plans.hpp"
#include "runtime/handlers/http_status.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rowlock::runtime {

class process_runner;
class http_caller;
class sql_pool;
class sql_runner;

struct process_options {
    bool enabled = false;
    std::vector<std::string> allowed_programs{};     // names or absolute paths; "*" = any
    std::filesystem::path run_root;                  // run directories: run_root/RUN_ID; made on demand
    milliseconds grace{10'000};                      // where the definition has none
    std::optional<std::uint64_t> open_files{};       // RLIMIT_NOFILE of programs, where the server's own is not for them
};

struct http_options {
    bool allow_private_addresses = false;
    int max_idle_connections = 64;                   // kept alive per core
    milliseconds grace{10'000};                      // for a target to stop, once its attempt is to
    milliseconds longest_look{30'000};               // for one request for the status of a job
    // Evaluates SQL/JSON paths. Errors: invalid_request where the body or a path is no good; others where the database is away.
    std::function<awaitable<result<status_answer>>(status_question)> evaluate{};
    callback_functions callbacks{};
};

struct sql_options {
    std::map<std::string, std::string> connections{};    // names and URLs; the URLs are secrets
    int max_connections = 4;                         // for each name, over all cores
    milliseconds idle_time{60'000};                  // after which one that nobody uses is closed
    milliseconds grace{10'000};                      // for a statement to end, once its attempt is to stop
};

struct composite_options {
    milliseconds grace{10'000};                      // for a plan run to end, once its attempt is to stop
    child_plan_functions plans{};
};

// Does its work only wait for other executions? Such an attempt takes no slot while it runs: they need it.
bool only_waits(const assignment& work);

// What runs the work of one core. Made, used and destroyed on that core.
class handlers {
public:
    // `sql` outlives it.
    handlers(io_executor executor, const process_options& process, const http_options& http, const composite_options& composite, sql_pool& sql);
    ~handlers();

    // Does the work of one attempt, between its hooks, and says what came of it. Never throws for what the work does: that is an outcome. A stop
    // request ends it within its grace; the status it returns then does not count, its `termination` does.
    awaitable<outcome> perform(attempt& a);

private:
    awaitable<outcome> perform_between_hooks(attempt& a);
    awaitable<outcome> work(attempt& a);

    std::unique_ptr<process_runner> process_;
    std::unique_ptr<http_caller> http_;
    std::unique_ptr<sql_runner> sql_;
    composite_options composite_;
    io_executor executor_;
};

// The outcome of work that needs no waiting (noop, fail, without hooks): such executions need no coroutine. Pure.
std::optional<outcome> outcome_at_once(const assignment& work);

}
