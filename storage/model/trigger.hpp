#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rowlock {

// What makes a trigger act (spec J3). The first three take every event of their source, whoever sent it; a message trigger that reads a table or
// hears a channel takes what it reads there instead, and a webhook trigger what was signed with its secret. The codes are those of `triggers.kind`.
enum class trigger_kind : std::uint8_t { data_arrival = 1, api_call = 2, message = 3, webhook = 4 };
inline constexpr std::array<std::string_view, 4> trigger_kind_names{"DATA_ARRIVAL", "API_CALL", "MESSAGE", "WEBHOOK"};
// `name` is one of trigger_kind_names.
trigger_kind trigger_kind_of(std::string_view name);
std::string_view to_string(trigger_kind kind);

// A table whose new rows are events, read in the order in which they became visible for good: by the transaction that wrote them, then by id.
struct message_table {
    std::string connection;                         // one of SQL_CONNECTIONS
    std::string name;                               // "table" or "schema.table"
    std::string id_column = "id";                   // bigint, integer or smallint: unique, rising within a transaction
    std::string transaction_column = "tx";          // xid8 not null default pg_current_xact_id()
};

// A channel of PostgreSQL's NOTIFY. What is sent while nobody listens is lost: at most once.
struct message_channel {
    std::string connection;                         // one of SQL_CONNECTIONS
    std::string name;
};

// That events make executions of a job. Immutable part of a version of its definition.
struct job_trigger {
    std::string trigger_id;                         // "<job_id>-<n>" where none was given; unique over all tenants
    trigger_kind kind = trigger_kind::api_call;
    std::string source;                             // of events; that of a webhook or a table is its trigger_id where none was given
    std::string filter{};                           // SQL/JSON path on the event; empty: every event passes
    std::chrono::milliseconds batch_window{0};      // events of so long are one execution; 0: each is one of its own
    std::chrono::milliseconds debounce{0};          // one execution once it has been quiet for so long, at the latest after ten times that
    std::optional<bool> enabled{};                  // none: as it was; a new one is enabled
    std::string secret{};                           // of a webhook. Not part of the document: written, and never shown
    std::string secret_env{};                       // the variable of the servers' environments that has it
    std::optional<message_table> table{};
    std::optional<message_channel> channel{};
};

}
