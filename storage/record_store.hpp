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
// The last piece that there is; 0: none.
int last_log_part(session& s, execution_id id);

// Returns the checkpoint's number in its run. Errors: already_ended where the execution has a result: whoever still runs it has lost it.
result<int> save_checkpoint(session& s, execution_id id, execution_id run, const std::string& stage, const std::string& sha256, const std::string& bytes);

// Later attempts come after earlier ones, whatever the numbers of their checkpoints: an attempt that was lost may have saved one when the
// next had begun.
struct checkpoint_place {
    int attempt_number = 0;
    int number = 0;
};
struct stored_checkpoint {
    checkpoint_place place;
    execution_id made_by;
    std::string stage;
    std::string sha256;          // 32 bytes, as recorded
    std::string bytes;
};
// The run's newest checkpoint before this one; nullopt: of all.
std::optional<stored_checkpoint> last_checkpoint(session& s, execution_id run, std::optional<checkpoint_place> before);

// A checkpoint whose bytes are not those that were saved.
struct damaged_checkpoint {
    int number = 0;
    execution_id made_by;
};
// Has this damage been recorded, by whichever attempt of the run found it?
bool damage_is_known(session& s, execution_id run, int number);

// A transition from RUNNING to RUNNING.
void record_still_running(session& s, execution_id id, instance_id owner, fence under, const std::string& reason);

// Errors: already_ended where the run has a file of this name with other contents.
result<void> record_artifact(session& s, execution_id id, execution_id run, const std::string& name, const std::string& sha256, std::int64_t size_bytes);

// Oldest first, as the JSON text that the API shows. A tenant sees its own alone. nullopt: no such execution, no such run.
std::optional<std::vector<std::string>> list_artifacts_json(session& s, tenant_key tenant, execution_id id);
std::optional<std::vector<std::string>> list_run_artifacts_json(session& s, tenant_key tenant, execution_id run);

struct live_note {
    execution_id id;
    std::optional<double> progress;
};
// Keeps the notes of executions that have not ended; a note is a sign of life.
void keep_notes(session& s, const std::vector<live_note>& notes);

}
