#pragma once

#include "api/query.hpp"
#include "storage/dead_letter_store.hpp"
#include "storage/error_store.hpp"
#include "storage/model/json_fields.hpp"

namespace rowlock::api {

// How many failures one request takes up at most, and one transaction of it: many are a repeated request, and none holds up others.
inline constexpr int most_in_a_request = 10'000;
inline constexpr int most_in_a_transaction = 500;

// job_id, error_code, status, since, until.
storage::dead_letter_filter read_dead_letter_filter(query_reader& query);
// job_id, error_code, error_category, queue, since, until.
storage::error_filter read_error_filter(query_reader& query);
// job_id, error_code, since, until, ids.
storage::dead_letter_filter read_dead_letter_filter(json_fields& fields);

// How many a purge may take: ?limit=.
int purge_limit(query_reader& query);
// Refuses a purge without a filter, unless ?all=true says that this is meant.
void refuse_to_purge_all(query_reader& query, bool filter_is_empty);

}
