#pragma once

#include "api/submission_body.hpp"
#include "runtime/instance.hpp"
#include "storage/model/principal.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::api {

// From submissions as clients write them to what the runtime commits: for single ones and batches over HTTP, and for the frames of a stream.

// For whom, and where. Everything outlives the call.
struct submission_scope {
    runtime::instance& instance;
    const principal& caller;
    std::string_view trace_parent;                       // "": none
};

void append_submitted(std::string& out, const runtime::submitted& one);
// "executions":[...]
void append_submitted(std::string& out, const std::vector<runtime::submitted>& all);

// A job that cannot be used, as an error of the field that names it.
error refused_job(error why, const submission_body& given, std::string_view path);
error disabled_job(std::string_view job_id);

// The version to run. Errors: job_not_found, job_version_not_found, job_disabled, database_unavailable.
runtime::awaitable<result<job_version_ptr>> find_job(submission_scope scope, std::string job_id, int version);

void fill(runtime::submission& into, const submission_body& given, job_version_ptr job, std::string_view key, std::string_view trace_parent);

// The request as repeats are compared.
std::string key_request_of(const submission_body& given);

// What was accepted under this key before its job was disabled; empty: nothing.
runtime::awaitable<std::vector<runtime::submitted>> replay_of(submission_scope scope, std::string_view key, std::string key_request);

// Submissions that are accepted together or not at all. Views of what was parsed.
struct batch {
    std::vector<submission_body> items{};
    std::string_view key{};                              // of all of them; "": none
    std::string_view key_stands_in = "the header Idempotency-Key";
    field_errors errors{};                               // what is wrong so far

    void clear()
    {
        items.clear();
        key = {};
        errors = {};
    }
};

// The hot way, which asks nobody: nullopt where something is wrong, or the database has to be asked about a job.
std::optional<runtime::submit_request> prepare_at_once(const submission_scope& scope, const batch& given);

// What is to be committed, or what an earlier request with the same key has been given.
struct prepared_batch {
    runtime::submit_request request{};
    std::vector<runtime::submitted> replayed{};          // not empty: there is nothing to commit
};
// Errors: invalid_request, job_not_found, job_version_not_found, job_disabled, each with every field that is refused; database_unavailable.
// `given` outlives the call, and its errors are moved away.
runtime::awaitable<result<prepared_batch>> prepare(submission_scope scope, batch& given);

// What the runtime refused, in the words of a batch.
error as_error_of_batch(error why, bool has_key);

}
