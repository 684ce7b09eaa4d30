#pragma once

#include "storage/model/job.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::ops {

enum class auth_mode : std::uint8_t { token, none };
enum class fairness_mode : std::uint8_t { tenant, off };
enum class other_errors : std::uint8_t { transient, permanent };      // what is in no list of error codes
enum class log_level : std::uint8_t { trace, debug, info, warn, error };
enum class log_format : std::uint8_t { automatic, json, text };      // automatic: text on a terminal, else JSON

// Where the server listens. Port 0 lets the system pick one.
struct listen_address {
    std::string host;                // an IP address without brackets, or localhost
    std::uint16_t port = 0;

    bool operator==(const listen_address&) const = default;
    std::string str() const;         // 127.0.0.1:7575, [::1]:7575
    bool is_loopback() const;
};
// ADDR:PORT or [ADDR]:PORT; nullopt for anything else.
std::optional<listen_address> parse_listen_address(std::string_view text);

// Connection strings by the names that definitions use.
using named_urls = std::map<std::string, std::string>;
// NAME=VALUE,NAME=VALUE: labels of this instance.
struct label_list {
    std::map<std::string, std::string> all;
};
// TYPE=N,TYPE=N: numbers for types of handlers.
struct handler_counts {
    std::map<std::string, int> all;
};

// What the operator sets. Names, defaults, ranges and meanings stand in settings_table.cpp, one row for each member; the members have no
// defaults here, so that there is one place to look. Filled by load_settings().
struct settings {
    std::string database;
    listen_address listen;
    std::string public_url;
    auth_mode auth{};
    std::string data;
    std::string run_directory_given;             // RUN_DIRECTORY; see run_directory()

    int cores{};
    int database_sessions{};
    int executor_parallelism{};
    handler_counts parallelism_by_handler;       // 0: no more than executor_parallelism says
    fairness_mode fairness{};
    int concurrency_per_tenant{};                // 0: as many as like
    int executor_queue_capacity{};               // 0: as many as like
    label_list instance_labels;
    double instance_cpu_cores{};                 // 0: as many as are asked for; likewise below
    int instance_memory_mb{};
    int instance_disk_mb{};
    int instance_network_bandwidth_mbps{};
    bool scheduler_enabled{};
    milliseconds scheduler_poll_interval{};
    std::string scheduler_timezone_default;
    int scheduler_catchup_limit{};
    milliseconds lease{};
    milliseconds priority_age{};
    int retry_default_max_attempts{};
    milliseconds retry_default_initial_delay{};
    milliseconds retry_default_max_delay{};
    double retry_default_backoff_multiplier{};
    std::vector<std::string> transient_error_codes;
    std::vector<std::string> permanent_error_codes;
    other_errors other_error_codes{};
    milliseconds heartbeat_interval{};
    double heartbeat_timeout_multiplier{};
    milliseconds dependency_resolution_timeout{};
    milliseconds dependency_check_interval{};
    bool dependency_cycle_detection{};
    int error_queue_capacity{};
    milliseconds error_retention{};
    milliseconds dead_letter_retention{};
    milliseconds history_retention{};            // 0: for ever
    milliseconds event_retention{};
    milliseconds log_retention{};                // 0: as long as the history
    milliseconds checkpoint_retention{};         // 0: as long as the history
    milliseconds tick_retention{};               // 0: for ever
    milliseconds drain{};
    milliseconds graceful_timeout{};
    milliseconds force_kill_after{};

    bool process_handler_enabled{};
    std::vector<std::string> process_allowed_programs;
    bool http_allow_private_addresses{};
    std::string dativo_command;                  // of the client: what a job of a runner file runs
    named_urls sql_connections;
    int sql_max_connections{};

    std::int64_t max_body_bytes{};
    std::int64_t max_header_bytes{};
    milliseconds header_timeout{};
    milliseconds body_timeout{};
    milliseconds idle_timeout{};
    int max_connections{};
    int max_streams{};
    std::int64_t max_body_memory_bytes{};
    int stream_max_in_flight{};
    int max_queued_submissions{};
    milliseconds idempotency_key_ttl{};
    int partition_days_ahead{};

    milliseconds pressure_interval{};
    milliseconds pressure_after{};
    milliseconds pressure_clear_after{};
    std::vector<std::string> pressure_actions;
    int pressure_reject_below{};
    double pressure_memory_high{};               // percent, as those that follow; 0: not watched
    double pressure_memory_low{};
    double pressure_cpu_high{};
    double pressure_cpu_low{};
    double pressure_disk_high{};
    double pressure_disk_low{};
    std::int64_t pressure_disk_enough_mb{};      // 0: the percentage alone decides
    double pressure_connections_high{};
    double pressure_connections_low{};
    double pressure_queue_high{};
    double pressure_queue_low{};
    std::string pressure_control_group;          // empty: the server's own

    log_level level{};
    log_format format{};
};

// RUN_DIRECTORY, or the folder `runs` below DATA.
std::filesystem::path run_directory(const settings& s);
// What definitions fall back on.
definition_defaults defaults_of(const settings& s);

}
