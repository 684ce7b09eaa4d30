#pragma once

#include "runtime/async/database.hpp"
#include "runtime/execute/attempt_life.hpp"
#include "storage/model/execution.hpp"
#include "storage/record_store.hpp"

#include <boost/json/array.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace rowlock::runtime {

// The side records of running attempts: logs, checkpoints, artifacts at once; signs of life together, once a second.
class records {
public:
    explicit records(database& db) : db_(db) {}

    // Adds nodes to the plan run that the attempt is a node of; may be called again where the database was away.
    using node_adder = std::function<awaitable<result<void>>(assignment node, boost::json::array nodes)>;
    // Set before the first attempt.
    void add_nodes_by(node_adder add) { add_nodes_ = std::move(add); }

    // What the life of an attempt records. `noted` is set when it leaves live notes that have to be cleared away at its end.
    life_records for_attempt(const assignment& work, std::shared_ptr<bool> noted);

    // The service that keeps the notes: run on one core until it is cancelled.
    awaitable<void> run();

private:
    // Where the next piece of an execution's log goes: an earlier claim of it may have left some.
    struct log_place {
        bool known = false;
        int last = 0;
    };

    // Coroutines hold what they need by value: an attempt may be over before its last record.
    struct subject {
        execution_id id;
        execution_id run;
        rowlock::fence fence;
        instance_id owner;
        std::shared_ptr<log_place> log_end;
    };

    awaitable<void> log(subject of, log_stream stream, std::string text);
    awaitable<result<int>> checkpoint(subject of, std::shared_ptr<const checkpoint_data> data);
    awaitable<result<std::optional<checkpoint_data>>> last_checkpoint(subject of);
    awaitable<void> tell_damage(subject of, storage::damaged_checkpoint damaged, int used);
    awaitable<result<void>> artifact_made(subject of, artifact made);
    awaitable<result<void>> add_nodes(std::shared_ptr<const assignment> node, boost::json::array nodes);
    awaitable<void> error_row(subject of, error_category category, std::string code, std::string message, std::string details);
    awaitable<void> still_running(subject of, std::string reason);
    void note(execution_id id, std::optional<double> progress);

    database& db_;
    node_adder add_nodes_;
    std::mutex mutex_;
    std::unordered_map<execution_id, std::optional<double>> notes_;
};

}
