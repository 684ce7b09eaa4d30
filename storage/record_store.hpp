#pragma once

#include "storage/array.hpp"
#include "storage/model/error.hpp"
#include "storage/session.hpp"

#include <optional>
#include <string>
#include <vector>

namespace rowlock::storage {

// What running executions leave beside their results.

// `part` counts the pieces of an execution's log from 1. stream: 1 stdout, 2 stderr, 3 the runtime's own words.
void append_log(session& s, execution_id id, int part, int stream, const std::string& bytes);

// Returns the checkpoint's number in its run.
int save_checkpoint(session& s, execution_id id, execution_id run, const std::string& stage, const std::string& sha256, const std::string& bytes);

struct stored_checkpoint {
    int number = 0;
    std::string stage;
    std::string sha256;          // 32 bytes, as recorded
    std::string bytes;
};
// The run's newest checkpoint with a number below `before` (0 = any).
std::optional<stored_checkpoint> last_checkpoint(session& s, execution_id run, int before);

// Errors: already_ended where the run has a file of this name with other contents.
result<void> record_artifact(session& s, execution_id id, execution_id run, const std::string& name, const std::string& sha256, std::int64_t size_bytes);

struct live_note {
    execution_id id;
    std::optional<double> progress;
};
// Keeps the notes of executions that have not ended; a note is a sign of life.
void keep_notes(session& s, const std::vector<live_note>& notes);

}
