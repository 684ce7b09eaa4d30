#pragma once

#include "storage/array.hpp"
#include "storage/model/error.hpp"
#include "storage/page.hpp"
#include "storage/session.hpp"
#include "storage/time_cursor.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace rowlock::storage {

// Events as they come in and are read (migration 0018).

enum class event_origin : std::int16_t { api = 1, sql = 2, webhook = 3, table = 4, channel = 5 };

// A group of events that are taken in by one statement; element k of each column belongs to the k-th event.
struct event_columns {
    array ids{array::element::uuid};
    array tenants{array::element::int4};
    array sources{array::element::text};
    array keys{array::element::text};                // null: an event of its own in any case
    array payloads{array::element::json};
    array origins{array::element::int2};
    array submitters{array::element::text};
    array triggers{array::element::int4};            // null: it came by no trigger of its own
    array signatures{array::element::text};          // of calls of webhooks; else null

    void clear();
};

struct taken_event {
    enum class verdict : std::uint8_t { taken, duplicate, replayed };
    verdict what = verdict::taken;
    execution_id id{};                               // of a duplicate: the earlier event's
    std::string activated{};                         // trigger ids, as a JSON array
    std::string waiting{};                           // those of them that wait for a window or for quiet
    int executions = 0;                              // that were made
    int refusals = 0;                                // triggers of its source that did not act
    std::optional<std::chrono::milliseconds> due{};  // until the first of those that wait may be due
};

// Takes them in, in one transaction. `again`: they may have been taken in before, under the same ids. In the order of the columns.
std::vector<taken_event> take_events(session& s, bool again, event_columns& columns);

// One step of the work on events that wait, see flush_triggers_1.
struct flush_step {
    int events = 0;
    int executions = 0;
    int next_after = 0;                              // 0: all triggers were seen
    std::optional<std::chrono::milliseconds> next{}; // none: nothing waits
};
flush_step flush_triggers(session& s, int after, int triggers, int rows);

// How many events went, with their decisions; -1: another instance is at it.
int sweep_events(session& s, std::chrono::milliseconds kept, int rows);

struct event_filter {
    std::string source{};                            // "": any
    std::string key{};
    std::optional<timestamp> since{};
    std::optional<timestamp> until{};
};
// Newest first, with what the triggers made of each. A payload over 16 KiB is null there. nullopt: the cursor is of no such list.
std::optional<page> list_events_json(session& s, tenant_key tenant, const event_filter& filter, int limit, const std::string& cursor);
std::optional<std::string> find_event_json(session& s, tenant_key tenant, const execution_id& id);

}
