#pragma once

#include "storage/model/ids.hpp"
#include "storage/model/job.hpp"
#include "storage/session.hpp"

#include <chrono>
#include <string>

namespace rowlock::storage {

// What becomes of failures: the error queues, dead letters, retries by hand, circuit breakers. Their meaning stands in migration 0007.

enum class error_queue : std::uint8_t { scheduling = 1, dependency = 2, execution = 3 };

// Something that went wrong and is not the end of an attempt: those are recorded where they end.
struct error_record {
    error_queue queue = error_queue::execution;
    execution_id id;
    error_category category = error_category::permanent;
    std::string code;
    std::string message;
    std::string details_json = "{}";
};
void record_error(session& s, const error_record& what);

enum class retry_refusal : std::uint8_t { none, not_found, live, ended, duplicate };
struct retry_answer {
    retry_refusal refusal = retry_refusal::none;
    execution_id next{};                 // the attempt that was made
};
// The next attempt of the run that this execution belongs to. live: one of its attempts has not ended. ended: it has completed, or was skipped.
// duplicate: another unfinished run has its fingerprint, and the job has `dedupe`.
retry_answer retry(session& s, tenant_key tenant, execution_id id, const std::string& actor, std::chrono::milliseconds priority_age);

}
