#pragma once

#include "runtime/async/task_group.hpp"
#include "runtime/execute/checkpoint_pace.hpp"
#include "runtime/execute/time_limits.hpp"
#include "runtime/handlers/attempt.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace rowlock::runtime {

// What the runtime itself records of an attempt, beside what its handler does. The coroutines return when the record is durable, or when
// that has been tried for long enough; they throw nothing.
struct life_records {
    attempt_records plain;                           // as they are; the life paces and watches them. `checkpoint` is not used
    std::function<awaitable<result<int>>(std::shared_ptr<const checkpoint_data>)> checkpoint;
    // An entry of execution_errors. `details`: a JSON object.
    std::function<awaitable<void>(error_category, std::string code, std::string message, std::string details)> error;
    // A transition from RUNNING to RUNNING.
    std::function<awaitable<void>(std::string reason)> still_running;
};

// An attempt while it runs, and what the runtime watches of it: the timeout (spec rule 12), signs of life (rule 13), and which of its
// checkpoints are kept (rule 14). Decided in time_limits and checkpoint_pace, carried out here with one timer. Used on one core; held by a
// shared_ptr; begin() and end() are called by who runs the work.
class attempt_life : public std::enable_shared_from_this<attempt_life> {
public:
    // `budget`: so long its run may go on by the policies; nullopt: as long as it likes.
    attempt_life(io_executor home, assignment work, deadline began, life_records records, std::optional<milliseconds> budget = {});
    virtual ~attempt_life() = default;

    attempt& subject() { return attempt_; }
    void begin();
    // After the work has returned: nothing is watched any more, and everything is recorded. A checkpoint that waits is written unless the work
    // succeeded, or its outcome is somebody else's by now. On the same core.
    awaitable<void> end(bool succeeded);

    // The structure of an attempt that ran out of time or fell silent: a JSON object, as of `at`. `termination` is GRACEFUL, FORCED or
    // empty: it has not been stopped.
    std::string timeout_details(const std::string& termination, deadline at) const;
    // What the result of such an attempt says.
    std::string why_stopped() const;
    // Was it stopped because the time that its run may take is over?
    bool out_of_budget() const { return out_of_budget_; }

private:
    attempt_records sinks();
    awaitable<result<int>> offer(checkpoint_data made);
    awaitable<result<int>> write_waiting();
    awaitable<void> write_in_background();
    awaitable<result<std::optional<checkpoint_data>>> last_checkpoint();
    awaitable<void> warn();
    awaitable<void> tell_extension();
    void look();
    void act_on(limit_event event);
    void arm();

    assignment const& work() const { return attempt_.work(); }
    const job_definition& definition() const { return work().job->definition; }

    life_records records_;
    deadline began_;
    time_limits limits_;
    checkpoint_pace pace_;
    attempt attempt_;
    steady_timer timer_;
    deadline armed_ = no_deadline;
    task_group tasks_;                               // what is being recorded

    std::shared_ptr<const checkpoint_data> waiting_; // the newest checkpoint that is not durable
    deadline write_at_ = no_deadline;
    steady_timer turn_;                              // cancelled when a write has ended
    bool writing_ = false;
    bool has_checkpoint_ = false;                    // a next attempt would find one
    bool told_too_large_ = false;
    bool out_of_budget_ = false;
    bool ended_ = false;
};

}
