#pragma once

#include "storage/model/job.hpp"
#include "storage/model/principal.hpp"
#include "storage/page.hpp"
#include "storage/session.hpp"

#include <optional>
#include <string>

namespace rowlock::storage {

// Definitions and their versions. Every function is one transaction. Texts that end in _json are what the API shows.

struct put_job {
    bool created = false;        // the job is new
    bool changed = false;        // a new version was made (always, where it was created)
    int version = 0;
    std::string job_json;        // the job as GET shows it
    std::string etag;            // quoted
};

// Stores a definition: a new version if it differs from the current one. `if_match` is the ETag that must hold ("" = any, "*" = exists).
// `enabled`: nullopt keeps what is (new: true). dry_run changes nothing and says what would be. Errors: version_conflict.
result<put_job> put(session& s, const principal& who, const job_definition& definition, std::optional<bool> enabled, const std::string& reason,
                    const std::string& if_match, bool dry_run);

struct job_document {
    std::string json;
    std::string etag;
};
std::optional<job_document> find_job_json(session& s, tenant_key tenant, const std::string& job_id);
std::optional<std::string> find_job_version_json(session& s, tenant_key tenant, const std::string& job_id, int version);

// Newest first (jobs: by job_id). `cursor` is what the page before gave as `next`, "" at first.
page list_jobs_json(session& s, tenant_key tenant, int limit, const std::string& cursor);
page list_job_versions_json(session& s, tenant_key tenant, const std::string& job_id, int limit, const std::string& cursor);

// Returns the job as GET shows it. Errors: job_not_found.
result<job_document> set_enabled(session& s, const principal& who, const std::string& job_id, bool enabled);

// A stored version as the runtime needs it, parsed. version 0 = the current one. nullptr: there is none.
job_version_ptr load_version(session& s, tenant_key tenant, const std::string& job_id, int version, const definition_defaults& defaults);
job_version_ptr load_version(session& s, job_key job, int version, const definition_defaults& defaults);

}
