#pragma once

#include "storage/model/execution.hpp"
#include "storage/session.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rowlock::storage {

// What the targets of running attempts report by themselves. The meaning of the rows stands in migration 0012.

struct callback_state {
    execution_id id;
    execution_status status = execution_status::running;    // running; or what the end was reported to be: completed or failed
    std::optional<double> progress{};
    std::string reply{};                             // of an end: JSON object text
    int reports = 0;
};

struct open_callback_answer {
    std::string secret;                              // the one that it had before, where it was open already
    callback_state now;
};
// From here on reports of an execution are taken in. To do it again is harmless. Error already_ended: it has ended, or is owned under a later fence.
result<open_callback_answer> open_callback(session& s, const execution_id& id, instance_id owner, fence claim, const std::string& secret);

struct callback_key {
    bool known = false;                              // there is such an execution
    bool ended = false;
    std::optional<std::string> secret{};             // none: it waits for no report
    std::int64_t now = 0;                            // by the database's clock, in Unix seconds
};
callback_key find_callback_key(session& s, const execution_id& id);

enum class callback_verdict : std::uint8_t { taken, replayed, reported, ended };
// `signature`: the bytes. `reply`: JSON object text, empty for none.
callback_verdict accept_callback(session& s, const execution_id& id, const std::string& signature, execution_status status, std::optional<double> progress,
                                 const std::string& reply);

// Reports to attempts of this instance that it has not seen, at most so many.
std::vector<callback_state> unseen_callbacks(session& s, instance_id owner, int most);
// These have been seen, up to the number of reports they had.
void mark_callbacks_seen(session& s, const std::vector<callback_state>& seen);

void close_callbacks(session& s, const std::vector<execution_id>& ids);
// Bounded; returns how many rows went.
int sweep_callbacks(session& s, int rows);

}
