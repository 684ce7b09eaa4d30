#pragma once

#include "storage/dead_letter_store.hpp"
#include "storage/model/error.hpp"
#include "storage/model/principal.hpp"

#include <chrono>
#include <string>

namespace rowlock::runtime {

// Retries that somebody asks for. On a database thread; each is one transaction. Errors: not_found, not_retryable with a sentence that says why
// and what to do instead.

// The next attempt of the run of `id`.
result<execution_id> retry_by_hand(storage::session& s, const principal& who, execution_id id, std::chrono::milliseconds priority_age);
// The next attempt of the run of this dead letter; each dead letter is retried once.
result<execution_id> retry_dead_letter(storage::session& s, const principal& who, execution_id id, std::chrono::milliseconds priority_age);

}
