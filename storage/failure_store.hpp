#pragma once

#include "storage/model/execution.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/job.hpp"
#include "storage/session.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace rowlock::storage {

// What becomes of failures: errors are recorded, runs are tried again by hand. Their meaning stands in migration 0007; what is read of them is in
// error_store, dead_letter_store and breaker_store.

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

// From the columns `next` and `refusal` of the functions that retry.
retry_answer retry_answer_of(const pqxx::field& next, const pqxx::field& refusal);

// The last attempt of the run that this execution belongs to, as it is now.
struct last_attempt {
    execution_id id;
    execution_status status = execution_status::pending;
};
std::optional<last_attempt> find_last_attempt(session& s, tenant_key tenant, execution_id any_of_the_run);

// The version of its job that an execution runs by.
struct job_of_execution {
    job_key job;
    int version = 0;
};
std::optional<job_of_execution> find_job_of(session& s, tenant_key tenant, execution_id id);

// What a replay takes over from the execution that it repeats.
struct original_execution {
    std::string job_id;
    int job_version = 0;
    std::string parameters;              // JSON text of an object, the definition's defaults merged in
    int priority = 0;
    std::string correlation_id;
    std::string tags;                    // JSON text; empty: none
};
std::optional<original_execution> find_original(session& s, tenant_key tenant, execution_id id);

}
