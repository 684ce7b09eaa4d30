#pragma once

#include "storage/model/ids.hpp"
#include "storage/model/trigger.hpp"
#include "storage/session.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rowlock::storage {

// Tables and channels whose rows and notifications are events (migration 0018).

// Where a trigger stands in its table: behind the row `id` of a transaction. As PostgreSQL writes an xid8.
struct message_place {
    std::string transaction;
    std::int64_t id = 0;
};

// A source that this instance reads for the present.
struct message_source {
    int trigger = 0;                                 // trigger_key
    tenant_key tenant{};
    std::string source{};                            // of its events
    std::string trigger_id{};
    std::optional<message_table> table{};            // one of the two
    std::optional<message_channel> channel{};
    std::optional<message_place> place{};            // none: nothing was read yet
};

// Takes, or keeps, at most `most` sources for `time`.
std::vector<message_source> take_message_sources(session& s, instance_id reader, std::chrono::milliseconds time, int most);

struct message_rows {
    std::vector<std::string> payloads{};             // JSON texts
    message_place end{};                             // behind the last of them
};
// A connection for reading alone, with the rights of its own user and no statement longer than 10 s: the database may be anybody's. Throws.
std::unique_ptr<pqxx::connection> open_for_reading(const std::string& url);
// The rows after `place`, at most `most`, and about 8 MiB: only those of transactions before which nobody writes any more. Without a place: from the first row.
// Throws where the table is not as it should be, or the database is away.
message_rows read_messages(pqxx::connection& c, const message_table& from, const std::optional<message_place>& place, int most);
// Makes rows events and moves the place behind them, in one transaction. How many executions were made; nullopt: somebody else has moved it.
std::optional<int> take_messages(session& s, const message_source& from, const message_rows& rows);
// What is shown of a source that cannot be read; and that it can be read again.
void note_message_failure(session& s, int trigger, const std::string& failure);
void clear_message_failure(session& s, int trigger);

}
