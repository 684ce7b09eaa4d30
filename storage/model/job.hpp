#pragma once

#include "storage/model/error.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/limit.hpp"
#include "storage/model/need_type.hpp"
#include "storage/model/schedule.hpp"
#include "storage/model/time.hpp"
#include "storage/model/trigger.hpp"

#include <array>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace rowlock {

using milliseconds = std::chrono::milliseconds;

// A text that has to be a SQL/JSON path, which only the database can say (storage/json_paths.hpp).
struct path_to_check {
    std::string field;
    std::string path;
};

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

// How the end of an http job is learned: the answer is the result; or a status URL is asked again and again; or the target calls back.
enum class http_completion : std::uint8_t { reply, poll, webhook };

struct http_handler {
    std::string url;
    std::string method = "POST";
    std::map<std::string, std::string> headers{};
    std::optional<boost::json::value> body{};       // none: the body of the contract; strings may hold {{ parameters.x }}
    http_completion completion = http_completion::reply;
    // poll: may hold {{ parameters.x }} and {{ reply.x }}, members of the first answer; empty: that answer's Location.
    std::string status_url{};
    milliseconds poll_interval{5'000};
    // SQL/JSON path predicates on the status body. Neither holds: it goes on. Empty: `$.status` is one of the usual words.
    std::string success{};
    std::string failure{};
    std::string progress{};                         // SQL/JSON path to a number from 0 to 1 in the status body; empty: none
    // Called with POST when the attempt is to stop; templates as in status_url. Empty: nothing is told.
    std::string cancel_url{};
    std::int64_t response_limit_bytes = 1 << 20;
    int max_redirects = 5;
    bool verify_tls = true;
    std::string ca_file{};                          // empty: the system's
};

// One statement on a connection that the operator has named (SQL_CONNECTIONS), in a transaction of its own (spec W6).
struct sql_handler {
    std::string connection;
    std::string statement;                          // templates in it become parameters, see read_sql_statement
    bool read_only = false;
    int rows_limit = 100;                           // the first rows that become outputs
    std::optional<milliseconds> statement_timeout{};    // none: until the attempt's own timeout
    std::int64_t outputs_limit_bytes = 1 << 20;     // of the rows as JSON; those that find no room are left out
};

// A plan, run as the work of one job (spec W5): it ends as the plan does. One of the two is given.
struct composite_handler {
    std::string plan_id{};                          // of the job's tenant; the version that is current when the run begins
    std::optional<boost::json::object> plan{};      // normalised; parse_plan takes it
    std::vector<path_to_check> paths{};             // in `plan`, by its fields
};

using handler_spec = std::variant<noop_handler, sleep_handler, fail_handler, process_handler, http_handler, sql_handler, composite_handler>;

inline constexpr std::array<std::string_view, 7> handler_type_names{"noop", "sleep", "fail", "process", "http", "sql", "composite"};
// One of them: the `type` of the JSON form, and the label of metrics.
std::string_view type_of(const handler_spec& handler);

inline constexpr std::array<std::string_view, 4> lifecycle_names{"experimental", "canary", "stable", "deprecated"};

// A request that is sent before or after the work of an attempt (spec S5). Strings may hold {{ parameters.x }}.
struct http_hook {
    std::string url;
    std::string method = "POST";
    std::map<std::string, std::string> headers{};
    std::optional<boost::json::value> body{};       // none: {"execution_id", "run_id", "job_id", "attempt_number"}, after the work also "status"
    milliseconds timeout{30'000};
};

// ---- retries (spec J8)

enum class jitter_mode : std::uint8_t { none, full, equal, plus_minus };

// The kinds of execution errors (spec F1). The codes are those of errors.category and of rowlock.error_category_name() in SQL. The last is of instances, and of no
// attempt: what an attempt reports with that code may pass.
enum class error_category : std::uint8_t { transient = 1, permanent = 2, timeout = 3, resource_exhausted = 4 };

// Which codes pass by themselves and which do not, where a definition has no lists (TRANSIENT_ERROR_CODES, PERMANENT_ERROR_CODES,
// DEFAULT_ERROR_CATEGORY). A code that is in both is permanent.
struct error_classes {
    std::vector<std::string> transient{};
    std::vector<std::string> permanent{"INVALID_CONFIG", "PERMISSION_DENIED", "PLAN_CANCELLED"};
    error_category others = error_category::transient;
};

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

    // Another policy for some kinds of failure (spec S5): the first that fits rules. It fits a failure that each of its first four lists that is
    // not empty holds. What it does not name is as above.
    struct override_rule {
        std::vector<std::string> error_codes{};
        std::vector<int> exit_codes{};
        std::vector<std::string> patterns{};                // RE2, on the error message
        std::vector<error_category> categories{};           // as the policy classifies it without overrides
        std::optional<int> max_attempts{};                  // the first attempt included; 1: never again
        std::optional<milliseconds> initial_delay{};
        std::optional<milliseconds> max_delay{};
        std::optional<double> backoff_multiplier{};
        std::optional<double> jitter_factor{};
        std::optional<jitter_mode> jitter{};
    };
    std::vector<override_rule> overrides{};
    error_classes classes{};                                // from the settings
};

// ---- what else a definition says about failure

enum class timeout_action : std::uint8_t { terminate, warn, extend };

struct heartbeat_policy {
    milliseconds interval{30'000};
    int missed_limit = 3;                           // so many intervals without a sign of life, and the attempt has failed
};

struct checkpoint_policy {
    std::optional<milliseconds> interval{};         // at most one in this time is kept, the latest; none: every one
    bool on_stage = false;                          // the first of each stage is kept at once, whatever the interval
    std::int64_t max_bytes = 1 << 20;               // larger ones are refused
};

// Opens when `failure_threshold` attempts in a row fail within `window`, or, where `failure_rate` is given, when at least
// `failure_threshold` attempts have ended within `window` and this part of them failed.
struct breaker_policy {
    int failure_threshold = 5;
    std::optional<double> failure_rate{};           // (0, 1]
    milliseconds window{60'000};
    milliseconds open{30'000};                      // from opening to the first probes
    int half_open_max = 1;                          // probes at a time
    bool per_target = false;                        // shared by all jobs of the tenant that call the same host and port
};

struct dead_letter_policy {
    bool enabled = true;
    std::optional<milliseconds> retention{};        // none: DEAD_LETTER_RETENTION_DAYS
};

// ---- dependencies on other jobs (spec D1, J4)

// That executions of a job start after, and because of, the ends of another's.
struct job_dependency {
    std::string dependency_id;                      // "<job_id>-<upstream_job_id>" where none was given, which may be longer than a slug
    std::string upstream_job_id;                    // of the same tenant; whether there is such a job is not asked here
    need_type type = need_type::success;
    std::string condition{};                        // SQL/JSON path predicate on the result document of the upstream's end; empty: none
    // How old the newest end that holds may be; such an end is not used up by what it starts. None: each end counts once, however old.
    std::optional<milliseconds> window{};
    bool skip_on_upstream_skip = false;             // where the upstream was skipped, so is the execution
    std::optional<milliseconds> timeout{};          // of the wait for it; none: DEPENDENCY_RESOLUTION_TIMEOUT_SECONDS
};

// What holds for the dependencies of all jobs, from the settings.
struct dependency_rules {
    milliseconds timeout{300'000};                  // where a dependency has none
    bool check_cycles = true;                       // whether a definition that closes a cycle is refused
    milliseconds priority_age{1000};                // PRIORITY_AGE_SECONDS, for executions that ends of upstreams make
};

// What is cancelled with an execution: nothing else, what depends on it, or all that does so directly or by way of others. The codes are those
// of cancel_1.
enum class cancel_cascade : std::uint8_t { none = 0, immediate_dependents = 1, all_downstream = 2 };
inline constexpr std::array<std::string_view, 3> cancel_cascade_names{"NONE", "IMMEDIATE_DEPENDENTS", "ALL_DOWNSTREAM"};
// `name` is one of cancel_cascade_names.
cancel_cascade cancel_cascade_of(std::string_view name);

// ---- limits (spec rules 6 and 7, J7)

// What a definition says about limits. They hold in its own tenant; beside others on the same the smaller holds.
struct job_limits {
    std::string job_type{};                         // empty: none
    std::string pool{};                             // resources.resource_pool; empty: none
    resource_amounts request{};                     // of each execution
    std::optional<int> max_running{};               // concurrency.max_running, of this job
    bool rejects = false;                           // what comes when it is reached, rather than to queue it
    std::string key{};                              // concurrency.key; its names are ordering_path
    std::optional<start_rate> rate{};               // of this job
    std::optional<int> pool_max_running{};          // of all jobs of the tenant in the pool
    std::optional<int> global_max_running{};        // of all jobs of the tenant
    std::optional<int> tenant_max_running{};        // the same, under the name concurrency_per_tenant
    bool others_reject = false;                     // enforcement_mode: pool_max_running and global_max_running refuse
};

// ---- definitions (spec J1)

// What the runtime needs of one version of a definition. Whatever is only kept and shown is in `document`.
struct job_definition {
    std::string job_id;
    handler_spec handler;
    boost::json::object parameters{};               // defaults
    bool is_validator = false;                      // type: validator: a gate, which lets nothing on that has not succeeded (spec I5)
    // The names of data sets that it reads and makes, each once, in the order given: data dependencies come from them (spec D1).
    std::vector<std::string> inputs{};
    std::vector<std::string> outputs{};
    std::vector<job_dependency> dependencies{};     // no two on the same upstream, none on the job itself
    bool require_all = true;                        // false: one dependency that holds is enough
    dependency_rules waiting{};                     // from the settings
    std::vector<job_trigger> triggers{};            // no two of one id
    // The names on the way down into the parameters to the value by which executions are kept in order (spec S5): those with the same value there
    // run one at a time, or ordering_width at a time, in the order of their submission. Empty: none are.
    std::vector<std::string> ordering_path{};
    int ordering_width = 1;
    job_limits limits{};
    std::string ordering_key{};                     // the same as text: "customer.id"
    std::optional<schedule_spec> schedule{};
    std::vector<execution_window> windows{};        // empty: it may start at any time
    bool skip_outside_window = false;               // what would start outside of them is skipped instead of waiting
    cancel_cascade on_cancel = cancel_cascade::none;    // where who cancels an execution does not say
    std::vector<path_to_check> paths{};             // in `dependencies` and `triggers`, by field
    std::optional<milliseconds> timeout{};
    std::optional<int> priority{};                  // resources.priority
    retry_policy retry{};
    rowlock::timeout_action timeout_action = rowlock::timeout_action::terminate;
    int max_extensions = 3;                         // of EXTEND
    std::optional<milliseconds> queue_timeout{};    // so long it may wait once it is eligible; then it ends TIMEOUT, EXPIRED
    std::optional<heartbeat_policy> heartbeat{};
    checkpoint_policy checkpoint{};
    std::optional<breaker_policy> breaker{};
    dead_letter_policy dead_letter{};
    std::optional<http_hook> before{};              // hooks.before: the work is done only where it answers 2xx
    std::optional<http_hook> after{};               // hooks.after: told of the end; its failure changes nothing
    std::optional<milliseconds> history_retention{};    // retention.history_days, 0: for ever; none: HISTORY_RETENTION_DAYS
    bool idempotent = false;
    bool dedupe = false;                            // at most one unfinished run for equal parameters of a version (spec I2)
    boost::json::object document{};                 // the whole definition, normalised, as it is stored and shown

    // Whether an execution of it may have to wait for other jobs. Data dependencies can come at any time, with a job that makes an input.
    bool waits() const { return !dependencies.empty() || !inputs.empty(); }
};

// Defaults of the settings that a definition falls back on (spec §9).
struct definition_defaults {
    retry_policy retry{};
    heartbeat_policy heartbeat{};                   // of `heartbeat: {}`
    dependency_rules dependencies{};
    std::string timezone = "UTC";                   // of a schedule that names none: SCHEDULER_TIMEZONE_DEFAULT
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
