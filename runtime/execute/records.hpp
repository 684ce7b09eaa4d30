#pragma once

#include "runtime/async/database.hpp"
#include "runtime/handlers/attempt.hpp"
#include "storage/model/execution.hpp"

#include <memory>
#include <mutex>
#include <unordered_map>

namespace rowlock::runtime {

// The side records of running attempts: logs, checkpoints, artifacts at once; signs of life together, once a second.
class records {
public:
    explicit records(database& db) : db_(db) {}

    // What a handler gets. `noted` is set when the attempt leaves live notes that have to be cleared away at its end.
    attempt_records for_attempt(const assignment& work, std::shared_ptr<bool> noted);

    // The service that keeps the notes: run on one core until it is cancelled.
    awaitable<void> run();

private:
    awaitable<void> log(execution_id id, std::shared_ptr<int> parts, log_stream stream, std::string text);
    awaitable<result<int>> checkpoint(execution_id id, execution_id run, checkpoint_data data);
    awaitable<result<std::optional<checkpoint_data>>> last_checkpoint(execution_id run);
    awaitable<result<void>> artifact_made(execution_id id, execution_id run, artifact made);
    void note(execution_id id, std::optional<double> progress);

    database& db_;
    std::mutex mutex_;
    std::unordered_map<execution_id, std::optional<double>> notes_;
};

}
