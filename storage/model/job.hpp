#pragma once

#include "storage/model/error.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/time.hpp"

#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace rowlock {

using milliseconds = std::chrono::milliseconds;

// ---- handlers: what a job runs (spec §6)

struct noop_handler {};

struct sleep_handler {
    milliseconds duration{0};
};

// Fails the first `times` attempts of a run (all, where it is not given), then succeeds.
struct fail_handler {
    std::string error_code = "FAILED";
    std::string error_message{};
    std::optional<int> times{};
};

struct process_handler {
    std::vector<std::string> command;
    std::map<std::string, std::string> env{};
    std::string cwd{};                              // empty: fresh and private per attempt
    std::optional<milliseconds> grace{};            // from cancel or timeout to kill; default FORCE_KILL_AFTER_SECONDS
    std::int64_t output_limit_bytes = 1 << 20;      // stdout and stderr together; more is dropped and said so
    std::optional<std::int64_t> memory_limit_bytes{};
    std::optional<milliseconds> cpu_limit{};
};

// completion: reply. The answer to the request is the result.
struct http_handler {
    std::string url;
    std::string method = "POST";
    std::map<std::string, std::string> headers{};
    std::optional<boost::json::value> body{};       // none: the body of the contract; strings may hold {{ parameters.x }}
    std::int64_t response_limit_bytes = 1 << 20;
    int max_redirects = 5;
    bool verify_tls = true;
    std::string ca_file{};                          // empty: the system's
};

using handler_spec = std::variant<noop_handler, sleep_handler, fail_handler, process_handler, http_handler>;

// "noop", "sleep", ...: the `type` of the JSON form, and the label of metrics.
std::string_view type_of(const handler_spec& handler);

// ---- retries (spec J8)

enum class jitter_mode : std::uint8_t { none, full, equal, plus_minus };

struct retry_policy {
    int max_attempts = 3;                           // the first attempt included
    milliseconds initial_delay{60'000};
    milliseconds max_delay{3'600'000};
    double backoff_multiplier = 2.0;
    double jitter_factor = 0.1;
    jitter_mode jitter = jitter_mode::plus_minus;
    std::vector<std::string> retryable_errors{};
    std::vector<std::string> non_retryable_errors{};
    std::vector<int> retryable_exit_codes{};
    std::vector<std::string> retryable_error_patterns{};    // RE2
};

// ---- definitions (spec J1)

// What the runtime needs of one version of a definition. Whatever is only kept and shown is in `document`.
struct job_definition {
    std::string job_id;
    handler_spec handler;
    boost::json::object parameters{};               // defaults
    std::optional<milliseconds> timeout{};
    std::optional<int> priority{};                  // resources.priority
    retry_policy retry{};
    bool idempotent = false;
    boost::json::object document{};                 // the whole definition, normalised, as it is stored and shown
};

// Defaults of the settings that a definition falls back on (spec §9).
struct definition_defaults {
    retry_policy retry{};
};

// Reads and validates a definition, whole: every error comes back at once, by field. `path_id` is the job_id of the route ("": the body
// must name it). Errors: invalid_request. Pure.
result<job_definition> parse_job_definition(const boost::json::object& body, std::string_view path_id, const definition_defaults& defaults);

// One stored version, as the catalogue hands it out. Immutable, shared by all cores.
struct job_version {
    tenant_key tenant;
    job_key job;
    lane_id lane;
    int version = 0;
    bool enabled = true;                            // of the job, when this was read
    int current_version = 0;                        // of the job, when this was read
    job_definition definition;
    std::string default_parameters;                 // definition.parameters as JSON text
};
using job_version_ptr = std::shared_ptr<const job_version>;

}
