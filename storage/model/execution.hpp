#pragma once

#include "storage/model/ids.hpp"
#include "storage/model/job.hpp"
#include "storage/model/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock {

// The codes are those of results.status and of rowlock.status_name() in SQL.
enum class execution_status : std::uint8_t {
    pending = 1, queued = 2, running = 3, completing = 4,
    completed = 5, failed = 6, timeout = 7, cancelled = 8, skipped = 9,
};
std::string_view to_string(execution_status s);                       // "PENDING", ...
std::optional<execution_status> parse_execution_status(std::string_view text);
constexpr bool is_terminal(execution_status s) { return s >= execution_status::completed; }
// The edges of the state diagram in spec §3; CHECKs and functions in SQL repeat them.
bool may_follow(execution_status from, execution_status to);

enum class trigger_type : std::uint8_t { scheduled = 1, manual = 2, dependency = 3, event = 4, retry = 5, replay = 6 };
std::string_view to_string(trigger_type t);
std::optional<trigger_type> parse_trigger_type(std::string_view text);

// An execution in the hands of the instance that has claimed it. Everything a handler may look at.
struct assignment {
    execution_id id;
    execution_id run_id;
    execution_id extent_lo;                          // the extent it was claimed with,
    bool alone = false;                              // which has no other execution,
    rowlock::fence fence;                            // the proof of the claim,
    instance_id owner;                               // and under which id this process made it
    job_version_ptr job;
    int attempt_number = 1;
    int lost_count = 0;                              // earlier attempts of the run that were lost
    int priority = 0;
    std::string parameters = "{}";                   // JSON text, defaults merged in
    std::string correlation_id{};
    std::string trace_parent{};
    timestamp started_at{};                          // when it was claimed, by the database's clock
    bool in_plan = false;                            // it is a node of a plan
    std::optional<timestamp> scheduled_time{};       // of its run: the tick of its schedule, or what its submitter asked for
    std::string refusal{};                           // why it may not start: what a budget of its plan run says; empty: it may
};

// What came of one attempt. `status` is completed, failed, timeout or cancelled.
struct outcome {
    execution_status status = execution_status::completed;
    std::optional<int> exit_code{};
    std::string error_code{};                        // empty: none
    std::string error_message{};
    std::optional<std::int64_t> records_processed{};
    std::optional<std::int64_t> records_failed{};
    std::string outputs{};                           // JSON object text; empty: none
    std::string metrics{};                           // JSON object text; empty: none
    std::string termination{};                       // GRACEFUL or FORCED, where it was stopped
    std::optional<std::chrono::seconds> retry_after{};   // what an http target asked for
};

}
