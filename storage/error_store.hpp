#pragma once

#include "storage/failure_filter.hpp"
#include "storage/failure_store.hpp"
#include "storage/page.hpp"

#include <cstdint>
#include <string_view>

namespace rowlock::storage {

// The error queues as they are read. An item has the structure of its kind: the members that all kinds share, then its own from `details`, then
// `hint`, what to do about its code (see storage/model/error_codes.hpp).

std::string_view to_string(error_queue q);                       // "scheduling_errors", ...
std::optional<error_queue> parse_error_queue(std::string_view text);

struct error_filter {
    failure_filter what{};
    std::optional<error_queue> queue{};
    std::optional<error_category> category{};

    bool empty() const { return what.empty() && !queue && !category; }
};

// Newest first. nullopt: the cursor is malformed.
std::optional<page> list_errors_json(session& s, tenant_key tenant, const error_filter& filter, int limit, const std::string& cursor);
std::optional<std::string> find_error_json(session& s, tenant_key tenant, execution_id error_id);
std::int64_t count_errors(session& s, tenant_key tenant, const error_filter& filter);

// Which execution had this error? The inner one is empty where it belongs to none; the outer one where there is no such error.
std::optional<std::optional<execution_id>> find_execution_of_error(session& s, tenant_key tenant, execution_id error_id);

bool delete_error(session& s, tenant_key tenant, execution_id error_id);
// Deletes at most `limit` of them, oldest first. Returns how many; 0: nobody but other transactions has any.
int purge_errors(session& s, tenant_key tenant, const error_filter& filter, int limit);

}
