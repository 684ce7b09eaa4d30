#pragma once

#include "storage/failure_filter.hpp"
#include "storage/failure_store.hpp"
#include "storage/page.hpp"
#include "storage/time_cursor.hpp"

#include <cstdint>
#include <vector>

namespace rowlock::storage {

// Runs that have failed for good. The id of a dead letter is that of the run's final attempt; one whose time is up is not there any more.

enum class dead_letter_status : std::uint8_t { open, retried };
std::string_view to_string(dead_letter_status s);
std::optional<dead_letter_status> parse_dead_letter_status(std::string_view text);

struct dead_letter_filter {
    failure_filter what{};
    std::optional<dead_letter_status> status{};
    std::vector<execution_id> ids{};                 // empty: any

    bool empty() const { return what.empty() && !status && ids.empty(); }
};

// Newest first. nullopt: the cursor is malformed.
std::optional<page> list_dead_letters_json(session& s, tenant_key tenant, const dead_letter_filter& filter, int limit, const std::string& cursor);
std::optional<std::string> find_dead_letter_json(session& s, tenant_key tenant, execution_id id);
// Of those beyond `after`, oldest first.
std::int64_t count_dead_letters(session& s, tenant_key tenant, const dead_letter_filter& filter, const std::optional<time_place>& after = {});
bool delete_dead_letter(session& s, tenant_key tenant, execution_id id);

struct dead_letter_state {
    dead_letter_status status = dead_letter_status::open;
    std::string retried_by{};                        // RETRIED: by whom,
    std::optional<execution_id> retried_as{};        // and as which execution
};
std::optional<dead_letter_state> find_dead_letter_state(session& s, tenant_key tenant, execution_id id);

struct retried_dead_letter {
    time_place place;                                // in the order in which they are retried, oldest first
    retry_answer answer;
};
// Retries the next `limit` open ones beyond `after`, in one transaction. Fewer came back: these were the last, but for those that somebody else is
// just retrying or deleting, which are passed over. The filter's status is not asked.
std::vector<retried_dead_letter> retry_dead_letters(session& s, tenant_key tenant, const dead_letter_filter& filter, const std::optional<time_place>& after,
                                                    int limit, const std::string& actor, std::chrono::milliseconds priority_age);

// Deletes at most `limit` of them, oldest first. Returns how many; 0: nobody but other transactions has any.
int purge_dead_letters(session& s, tenant_key tenant, const dead_letter_filter& filter, int limit);

}
