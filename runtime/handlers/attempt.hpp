#pragma once

#include "runtime/async/types.hpp"
#include "storage/model/error.hpp"
#include "storage/model/execution.hpp"

#include <boost/json/array.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace rowlock::runtime {

// Why an attempt was asked to stop. The runtime decides what becomes of it: TIMEOUT, FAILED, CANCELLED, handed back, or nothing at all.
enum class stop_reason : std::uint8_t { none, timeout, heartbeat_lost, cancelled, handed_back, lease_lost };

enum class log_stream : std::uint8_t { out = 1, err = 2, system = 3 };

struct checkpoint_data {
    std::string bytes;
    std::string stage{};
};

struct artifact {
    std::string name;                                // path below the run's directory
    std::string sha256;                              // hex
    std::int64_t size_bytes = 0;
};

// Where an attempt's side records go. Each function that is a coroutine returns when the record is durable. heartbeat, progress and
// checkpoint are signs of life.
struct attempt_records {
    std::function<awaitable<void>(log_stream, std::string)> log;
    // Its number; 0: it waits, for its interval or for the database, and a later one may take its place. An error says why it is refused.
    std::function<awaitable<result<int>>(checkpoint_data)> checkpoint;
    std::function<awaitable<result<std::optional<checkpoint_data>>>()> last_checkpoint;   // the run's last good one
    std::function<awaitable<result<void>>(artifact)> record_artifact;           // error already_ended: it was recorded before, with other contents
    // For the plan run that the attempt is a node of; what is there already of the same job is left as it is. Errors: see job_plans::add_nodes.
    std::function<awaitable<result<void>>(boost::json::array)> add_nodes;
    std::function<void()> heartbeat;                                            // kept sparingly
    std::function<void(double)> progress;                                       // 0..1, kept sparingly
};

// One attempt while it runs, as its handler sees it. Lives on one core, longer than the handler's coroutine.
class attempt {
public:
    attempt(assignment work, deadline until, attempt_records records) : attempt(std::move(work), until, until, std::move(records)) {}
    attempt(assignment work, deadline told, deadline until, attempt_records records)
        : work_(std::move(work)), told_(told), until_(until), records_(std::move(records))
    {
    }

    attempt(const attempt&) = delete;
    attempt& operator=(const attempt&) = delete;

    const assignment& work() const { return work_; }
    // May an earlier attempt of the run, or an earlier claim of this one, have left a checkpoint?
    bool may_resume() const { return work_.attempt_number > 1 || work_.fence.value > 1; }
    // The deadline that the work is told of: when its timeout is over for the first time; no_deadline where the job has none.
    deadline told_until() const { return told_; }
    // When the runtime asks for a stop with reason `timeout` at the latest, extensions included; no_deadline where it never will. It bounds
    // the waits of a handler, which otherwise leaves timeouts to the runtime.
    deadline until() const { return until_; }
    const attempt_records& records() const { return records_; }

    // The work has shown that it goes on. The functions of records() that are signs of life do this by themselves.
    void alive() { last_sign_ = steady_clock::now(); }
    std::optional<deadline> last_sign() const { return last_sign_; }

    stop_reason stopped() const { return stopped_; }

    // What a handler does when it is asked to stop: called at once on this core, at most once, or immediately if the
    // request has come already. It must not block; the handler then returns within its grace. Replaces an earlier one; {} forgets it.
    void on_stop(std::function<void()> act);

    // The work has come to its end, and what follows only tells of it: to hand it back comes too late from here on, and ends the telling alone.
    void work_ended() { work_ended_ = true; }

    // From this core. The first reason stands, except that lease_lost overrides: nothing of the outcome will be kept.
    void request_stop(stop_reason why);

private:
    assignment work_;
    deadline told_;
    deadline until_;
    attempt_records records_;
    std::optional<deadline> last_sign_;
    stop_reason stopped_ = stop_reason::none;
    bool work_ended_ = false;
    std::function<void()> on_stop_;
};

}
