#include "ops/config/settings_table.hpp"

#include <algorithm>
#include <boost/pfr/tuple_size.hpp>
#include <iterator>

namespace rowlock::ops {

namespace {

using s = settings;

constexpr duration_member in_milliseconds(milliseconds s::*member) { return {member, 1}; }
constexpr duration_member in_seconds(milliseconds s::*member) { return {member, 1000}; }
constexpr duration_member in_hours(milliseconds s::*member) { return {member, 3'600'000}; }
constexpr duration_member in_days(milliseconds s::*member) { return {member, 86'400'000}; }

constexpr setting_range from(double least, double most) { return {least, most}; }
constexpr setting_range zero_or_from(double least, double most) { return {least, most, true}; }

constexpr double day = 86'400;
constexpr std::nullopt_t same = std::nullopt;      // `dev` has the same default
constexpr std::nullopt_t any = std::nullopt;

constexpr setting table[] = {
    {"DATABASE", &s::database, "", same, any, "URL of the PostgreSQL database; dev runs one of its own", true},
    {"LISTEN", &s::listen, "127.0.0.1:7575", same, any, "address and port of the HTTP server; port 0 picks a free one"},
    {"PUBLIC_URL", &s::public_url, "", same, any,
     "where the targets of http jobs reach the servers to report an end, http://HOST:PORT; empty: at LISTEN"},
    {"AUTH", &s::auth, "token", "none", any, "token: every caller needs a bearer token; none: nobody does, on loopback only"},
    {"DATA", &s::data, ".rowlock", same, any, "folder of the server's own files; dev keeps its database there"},
    {"RUN_DIRECTORY", &s::run_directory_given, "", same, any, "folder of the runs' directories; empty: runs, below DATA"},
    {"CORES", &s::cores, "0", same, from(0, 1024), "threads that serve and execute; 0: one for each of the machine's cores"},
    {"DATABASE_SESSIONS", &s::database_sessions, "4", same, from(1, 64), "database sessions for general use, each with a thread"},
    {"EXECUTOR_PARALLELISM", &s::executor_parallelism, "20", same, from(1, 100'000), "executions that this instance runs at a time"},
    {"EXECUTOR_PARALLELISM_BY_HANDLER", &s::parallelism_by_handler, "", same, from(0, 100'000),
     "of the executions whose handlers are of these types at most so many run here at a time, as in process=4,sql=8; 0 or left out: as many as EXECUTOR_PARALLELISM lets"},
    {"INSTANCE_LABELS", &s::instance_labels, "", same, any,
     "labels of this instance, as in region=eu,gpu=true: jobs whose definitions have a placement start only where each label stands that they ask for"},
    {"INSTANCE_CPU_CORES", &s::instance_cpu_cores, "0", same, from(0, 100'000),
     "processor cores for what the executions that run here ask for in resources, together; 0: as much as they ask for"},
    {"INSTANCE_MEMORY_MB", &s::instance_memory_mb, "0", same, from(0, 1'000'000'000), "memory for them, in the same way"},
    {"INSTANCE_DISK_MB", &s::instance_disk_mb, "0", same, from(0, 1'000'000'000), "room on disks for them, in the same way"},
    {"INSTANCE_NETWORK_BANDWIDTH_MBPS", &s::instance_network_bandwidth_mbps, "0", same, from(0, 1'000'000'000), "network bandwidth for them, in the same way"},
    {"FAIRNESS", &s::fairness, "tenant", same, any,
     "tenant: tenants with work share by their weights what this instance can run, and priorities order the work of each; off: the best ranks first, whosever they are"},
    {"CONCURRENCY_PER_TENANT", &s::concurrency_per_tenant, "0", same, from(0, 1'000'000),
     "executions of each tenant that may run at once on all instances together, where no limit was put for the tenant; the instance that starts last decides. 0: as many as like"},
    {"EXECUTOR_QUEUE_CAPACITY", &s::executor_queue_capacity, "0", same, zero_or_from(10, 10'000'000),
     "executions that may be queued, in the whole database; more are answered 429. 0: as many as like"},
    {"SCHEDULER_ENABLED", &s::scheduler_enabled, "true", same, any, "whether this instance fires schedules; windows open and close in any case"},
    {"SCHEDULER_POLL_INTERVAL_MS", in_milliseconds(&s::scheduler_poll_interval), "1000", same, from(100, 60'000),
     "longest wait between two looks for due work"},
    {"SCHEDULER_TIMEZONE_DEFAULT", &s::scheduler_timezone_default, "UTC", same, any, "the time zone of a schedule that names none, by its IANA name; kept with the definition"},
    {"SCHEDULER_CATCHUP_LIMIT", &s::scheduler_catchup_limit, "10", same, from(0, 100),
     "so many of its missed times, the latest, a schedule with catchup_enabled runs, where it has no max_catchup_runs"},
    {"LEASE_SECONDS", in_seconds(&s::lease), "30", same, from(2, 300),
     "time without a renewal after which an instance counts as dead and its work is taken over; renewed at a third of it"},
    {"PRIORITY_AGE_SECONDS", in_seconds(&s::priority_age), "1", same, from(0.001, day), "waiting so long raises a priority by one"},
    {"RETRY_DEFAULT_MAX_ATTEMPTS", &s::retry_default_max_attempts, "3", same, from(1, 10), "attempts of a run, the first included, where the job says nothing"},
    {"RETRY_DEFAULT_INITIAL_DELAY_SECONDS", in_seconds(&s::retry_default_initial_delay), "60", same, from(1, 3600),
     "wait before the second attempt, where the job says nothing"},
    {"RETRY_DEFAULT_MAX_DELAY_SECONDS", in_seconds(&s::retry_default_max_delay), "3600", same, from(60, day),
     "longest wait between two attempts, where the job says nothing"},
    {"RETRY_DEFAULT_BACKOFF_MULTIPLIER", &s::retry_default_backoff_multiplier, "2", same, from(1, 10),
     "by how much each wait is longer than the one before, where the job says nothing"},
    {"TRANSIENT_ERROR_CODES", &s::transient_error_codes, "TIMEOUT,HEARTBEAT_LOST,CONNECTION_FAILED,RATE_LIMITED,RESOURCE_EXHAUSTED", same, any,
     "error codes that pass by themselves, where the job has no list of retryable ones; comma between"},
    {"PERMANENT_ERROR_CODES", &s::permanent_error_codes, "INVALID_CONFIG,PERMISSION_DENIED,PLAN_CANCELLED", same, any,
     "error codes that are not retried, where the job has no list of retryable ones; comma between; a code in both lists is permanent"},
    {"DEFAULT_ERROR_CATEGORY", &s::other_error_codes, "TRANSIENT", same, any, "what an error code is that is in neither list"},
    {"EXECUTOR_HEARTBEAT_INTERVAL_SECONDS", in_seconds(&s::heartbeat_interval), "30", same, from(5, 300),
     "time between two heartbeats, where the job asks for heartbeats and not for an interval"},
    {"EXECUTOR_HEARTBEAT_TIMEOUT_MULTIPLIER", &s::heartbeat_timeout_multiplier, "3", same, from(2, 10),
     "so many intervals without a heartbeat end an attempt, rounded, where the job has no missed_limit"},
    {"DEPENDENCY_RESOLUTION_TIMEOUT_SECONDS", in_seconds(&s::dependency_resolution_timeout), "300", same, from(30, 3600),
     "how long an execution waits for the jobs that it depends on, where a dependency has no timeout_seconds"},
    {"DEPENDENCY_CHECK_INTERVAL_SECONDS", in_seconds(&s::dependency_check_interval), "10", same, from(1, 60),
     "longest wait between two looks for dependencies whose time is up; one that comes to hold is acted on at once"},
    {"DEPENDENCY_CYCLE_DETECTION_ENABLED", &s::dependency_cycle_detection, "true", same, any,
     "whether a definition whose dependencies close a cycle is refused; jobs on a cycle wait for one another, and end when their time is up"},
    {"ERROR_QUEUE_CAPACITY", &s::error_queue_capacity, "10000", same, from(100, 10'000'000),
     "errors that each of the three error queues keeps, the latest; dead letters are kept by time alone"},
    {"ERROR_RETENTION_HOURS", in_hours(&s::error_retention), "168", same, from(1, 87'600), "how long errors are kept in their queues"},
    {"DEAD_LETTER_RETENTION_DAYS", in_days(&s::dead_letter_retention), "7", same, from(1, 3650),
     "how long dead letters are kept, where the job has no dead_letter.retention_hours"},
    {"HISTORY_RETENTION_DAYS", in_days(&s::history_retention), "0", same, from(0, 36'500),
     "how long executions that have ended are kept, where the job has no retention.history_days; 0: for ever"},
    {"EVENT_RETENTION_HOURS", in_hours(&s::event_retention), "168", same, from(1, 87'600),
     "how long events are kept, with what triggers did on them; one that still waits is kept until it is decided on"},
    {"LOG_RETENTION_DAYS", in_days(&s::log_retention), "0", same, from(0, 36'500), "how long the logs of runs that have ended are kept; 0: as long as the runs"},
    {"CHECKPOINT_RETENTION_DAYS", in_days(&s::checkpoint_retention), "0", same, from(0, 36'500),
     "how long the checkpoints of runs that have ended are kept; 0: as long as the runs"},
    {"SCHEDULE_TICK_RETENTION_DAYS", in_days(&s::tick_retention), "90", same, from(0, 36'500),
     "how long it is kept what became of each time of a schedule, at least 2 days; 0: for ever"},
    {"DRAIN_SECONDS", in_seconds(&s::drain), "5", "0", from(0, 3600),
     "how long, at most, a server that stops goes on taking requests while load balancers find out that it is not ready"},
    {"GRACEFUL_TIMEOUT_SECONDS", in_seconds(&s::graceful_timeout), "30", same, from(0, day),
     "how long running work may go on after the server is asked to stop, before it is handed back"},
    {"FORCE_KILL_AFTER_SECONDS", in_seconds(&s::force_kill_after), "10", same, from(0, 3600),
     "from the request to stop an attempt to its kill, where the job has no grace_seconds"},
    {"PROCESS_HANDLER_ENABLED", &s::process_handler_enabled, "false", "true", any, "whether jobs may start programs"},
    {"PROCESS_ALLOWED_PROGRAMS", &s::process_allowed_programs, "", "*", any, "programs that jobs may start: names or absolute paths, comma between; * is any"},
    {"HTTP_ALLOW_PRIVATE_ADDRESSES", &s::http_allow_private_addresses, "false", "true", any,
     "whether jobs may call private, loopback and link-local addresses; true where AUTH is none"},
    {"SQL_CONNECTIONS", &s::sql_connections, "", same, any,
     "databases that sql jobs may use, by name: URLs of PostgreSQL; best with users of their own, which may do no more than the jobs need", true},
    {"SQL_MAX_CONNECTIONS", &s::sql_max_connections, "4", same, from(1, 1000), "connections of this instance to each of SQL_CONNECTIONS; who finds none waits"},
    {"DATIVO_COMMAND", &s::dativo_command, "dativo run --config {{ config }}", same, any,
     "what the jobs run that `job apply` makes of a runner file's schedules; {{ config }}, {{ name }} and {{ tenant_id }} are replaced"},
    {"MAX_BODY_BYTES", &s::max_body_bytes, "33554432", same, from(1024, 1 << 30), "largest body of a request"},
    {"MAX_HEADER_BYTES", &s::max_header_bytes, "65536", same, from(1024, 1 << 20), "largest head of a request"},
    {"HEADER_TIMEOUT_SECONDS", in_seconds(&s::header_timeout), "10", same, from(0.1, 3600), "time for the head of a request to arrive"},
    {"BODY_TIMEOUT_SECONDS", in_seconds(&s::body_timeout), "30", same, from(0.1, 3600),
     "time for the body of a request to arrive, and a second more for each 16 KiB of it that has come"},
    {"IDLE_TIMEOUT_SECONDS", in_seconds(&s::idle_timeout), "75", same, from(0.1, day), "time that a connection may be silent between requests"},
    {"MAX_CONNECTIONS", &s::max_connections, "10000", same, from(1, 1'000'000), "connections at a time; more are answered 503"},
    {"STREAM_MAX_IN_FLIGHT", &s::stream_max_in_flight, "1000", same, from(1, 10'000), "submit frames of one WebSocket that wait for their commit; more are refused"},
    {"MAX_STREAMS", &s::max_streams, "1000", same, from(1, 1'000'000), "followed logs and WebSockets at a time; more are answered 503"},
    {"MAX_BODY_MEMORY_BYTES", &s::max_body_memory_bytes, "268435456", same, from(1 << 20, 1LL << 40),
     "memory for the bodies of all connections and what is parsed of them; what finds no room is answered 503"},
    {"MAX_QUEUED_SUBMISSIONS", &s::max_queued_submissions, "100000", same, from(1, 10'000'000), "submissions waiting for their commit; more are answered 503"},
    {"IDEMPOTENCY_KEY_TTL_HOURS", in_hours(&s::idempotency_key_ttl), "24", same, from(1, 8760), "how long an idempotency key is remembered"},
    {"PARTITION_DAYS_AHEAD", &s::partition_days_ahead, "3", same, from(1, 366), "days for which partitions of the history are made in advance"},
    {"PRESSURE_INTERVAL_SECONDS", in_seconds(&s::pressure_interval), "5", same, from(0.05, 300), "time between two looks at what may run short: memory, CPU, disk, connections, the queue"},
    {"PRESSURE_AFTER_SECONDS", in_seconds(&s::pressure_after), "10", same, from(0, 3600), "how long something must be at its HIGH_PERCENT or above, until PRESSURE_ACTIONS are taken"},
    {"PRESSURE_CLEAR_AFTER_SECONDS", in_seconds(&s::pressure_clear_after), "10", same, from(0, 3600), "how long it must be below its LOW_PERCENT, until that is over"},
    {"PRESSURE_ACTIONS", &s::pressure_actions, "QUEUE_ALL,REJECT_LOW_PRIORITY,PAUSE_SCHEDULING", same, any,
     "what an instance does while something is short: QUEUE_ALL, it starts nothing; REJECT_LOW_PRIORITY; PAUSE_SCHEDULING, it fires no schedules and makes nothing of events that wait; "
     "empty: it only says so"},
    {"PRESSURE_REJECT_BELOW_PRIORITY", &s::pressure_reject_below, "0", same, from(-1000, 1001), "REJECT_LOW_PRIORITY answers submissions below this priority 503; 1001: all"},
    {"PRESSURE_MEMORY_HIGH_PERCENT", &s::pressure_memory_high, "97", same, zero_or_from(1, 100),
     "memory is short from so much use on: of the limit of its control group, else of the machine's; 0: not watched"},
    {"PRESSURE_MEMORY_LOW_PERCENT", &s::pressure_memory_low, "92", same, from(1, 100), "memory is not short any more below this"},
    {"PRESSURE_CPU_HIGH_PERCENT", &s::pressure_cpu_high, "0", same, zero_or_from(1, 100),
     "processors are short from so much use on: of the quota of its control group, else of the machine's; 0: not watched, as a busy machine is no fault"},
    {"PRESSURE_CPU_LOW_PERCENT", &s::pressure_cpu_low, "80", same, from(1, 100), "processors are not short any more below this"},
    {"PRESSURE_DISK_HIGH_PERCENT", &s::pressure_disk_high, "97", same, zero_or_from(1, 100), "the disk of DATA or RUN_DIRECTORY is short from so much use on; 0: not watched"},
    {"PRESSURE_DISK_LOW_PERCENT", &s::pressure_disk_low, "95", same, from(1, 100), "a disk is not short any more below this"},
    {"PRESSURE_DISK_ENOUGH_MB", &s::pressure_disk_enough_mb, "2048", same, from(0, 1e9), "a disk that has so much left is never short; 0: the percentage alone decides"},
    {"PRESSURE_CONNECTIONS_HIGH_PERCENT", &s::pressure_connections_high, "95", same, zero_or_from(1, 100),
     "connections are short from so much use on: of the database's max_connections, or of the queue before the instance's own; 0: not watched"},
    {"PRESSURE_CONNECTIONS_LOW_PERCENT", &s::pressure_connections_low, "85", same, from(1, 100), "connections are not short any more below this"},
    {"PRESSURE_QUEUE_HIGH_PERCENT", &s::pressure_queue_high, "90", same, zero_or_from(1, 100),
     "the queue is short of room from so much of EXECUTOR_QUEUE_CAPACITY on, where that is set; work is started even so; 0: not watched"},
    {"PRESSURE_QUEUE_LOW_PERCENT", &s::pressure_queue_low, "75", same, from(1, 100), "the queue is not short of room any more below this"},
    {"PRESSURE_CONTROL_GROUP", &s::pressure_control_group, "", same, any,
     "folder of the control group (version 2) whose memory and CPU are watched; empty: the server's own and those above it, as /proc/self/cgroup says"},
    {"LOG_LEVEL", &s::level, "info", same, any, "least severity that is logged"},
    {"LOG_FORMAT", &s::format, "auto", same, any, "auto: text on a terminal, otherwise one JSON object a line"},
};

// A new member of the struct needs its row, or the program does not compile.
static_assert(std::size(table) == boost::pfr::tuple_size_v<settings>);

std::string spelled(std::string_view name, char separator)
{
    std::string out(name);
    std::transform(out.begin(), out.end(), out.begin(), [separator](char c) { return c == '_' ? separator : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

// SQL_CONNECTION of SQL_CONNECTIONS: one entry.
std::string singular(const setting& row)
{
    return std::string(row.name.substr(0, row.name.size() - 1));
}

}

std::span<const setting> settings_table()
{
    return table;
}

std::string_view default_text(const setting& row, settings_mode mode)
{
    return mode == settings_mode::dev && row.dev_default ? *row.dev_default : row.default_text;
}

bool has_entries(const setting& row)
{
    return std::holds_alternative<named_urls settings::*>(row.member);
}

std::string environment_name(const setting& row)
{
    return "ROWLOCK_" + (has_entries(row) ? singular(row) + "_NAME" : std::string(row.name));
}

std::optional<std::string> entry_of_variable(const setting& row, std::string_view variable)
{
    const auto prefix = "ROWLOCK_" + singular(row) + "_";
    if (!has_entries(row) || !variable.starts_with(prefix)) return std::nullopt;
    return spelled(variable.substr(prefix.size()), '_');
}

std::string file_name(const setting& row)
{
    return spelled(row.name, '_');
}

std::string flag_name(const setting& row)
{
    return "--" + spelled(has_entries(row) ? singular(row) : row.name, '-');
}

}
