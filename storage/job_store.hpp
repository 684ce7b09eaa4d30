#pragma once

#include "storage/model/job.hpp"
#include "storage/model/principal.hpp"
#include "storage/page.hpp"
#include "storage/session.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rowlock::storage {

// Definitions and their versions. Every function is one transaction. Texts that end in _json are what the API shows.

// The jobs of nodes that a plan defines inline have ids with this prefix: nobody else can define such a job, and they are not listed.
inline constexpr std::string_view inline_job_prefix = "inline.";

// A definition that is to be stored.
struct job_change {
    job_definition definition;
    std::optional<bool> enabled{};             // nullopt keeps what is; a new job is enabled
    std::string reason{};
    std::string if_match{};                    // the If-Match that must hold; "": none
    std::optional<int> rolled_back_to{};       // the version that these contents are from
};

// How many instances are alive, and how many of them could run executions of a definition: they have the labels, and as much of each resource as one asks for.
struct able_instances {
    int alive = 0;
    int able = 0;
};

struct put_job {
    bool created = false;        // the job is new, or was deleted before
    bool changed = false;        // a new version was made (always, where it was created)
    int version = 0;
    bool enabled = true;
    std::string before{};        // the definition before, as JSON text; "" where it was created
    bool was_enabled = true;
    std::vector<std::string> missing{};        // jobs that it depends on and that there are not
    std::string job_json{};      // the job as GET shows it; of put() alone
    std::string etag{};          // quoted
    std::optional<able_instances> able{};      // where it asks for labels or resources
};

// Stores a definition: a new version if it differs from the current one. dry_run changes nothing and says what would be. Errors:
// version_conflict; dependency_cycle, with the cycle in the first of its fields; invalid_request where a trigger's id is another job's, or a webhook
// has no secret.
result<put_job> put(session& s, const principal& who, const job_change& change, bool dry_run);
// Several, of different jobs, without If-Match: all of them or none. Errors: dependency_cycle, invalid_request (fields as jobs[3].triggers[0].secret).
result<std::vector<put_job>> put_all(session& s, const principal& who, const std::vector<job_change>& changes, bool dry_run);

struct job_document {
    std::string json;
    std::string etag;
};
std::optional<job_document> find_job_json(session& s, tenant_key tenant, const std::string& job_id);
std::optional<std::string> find_job_version_json(session& s, tenant_key tenant, const std::string& job_id, int version);

// The definition of a version, as it is stored. Errors: job_not_found, job_version_not_found.
result<std::string> find_definition(session& s, tenant_key tenant, const std::string& job_id, int version);

// Two definitions of a job, deleted or not, as they are stored; "": there is no such version. nullopt: there never was such a job.
struct two_versions {
    int from = 0;
    int to = 0;
    std::string before;
    std::string after;
};
// `to` 0: the current one; `from` 0: the one before `to`.
std::optional<two_versions> find_two_versions(session& s, tenant_key tenant, const std::string& job_id, int from, int to);

// Newest first (jobs: by job_id; those of inline nodes are left out). `cursor` is what the page before gave as `next`, "" at first.
page list_jobs_json(session& s, tenant_key tenant, int limit, const std::string& cursor);
page list_job_versions_json(session& s, tenant_key tenant, const std::string& job_id, int limit, const std::string& cursor);

// Returns the job as GET shows it. Errors: job_not_found, version_conflict.
result<job_document> set_enabled(session& s, const principal& who, const std::string& job_id, bool enabled, const std::string& reason, const std::string& if_match);
// The job takes no submissions any more; what was submitted goes on, history and versions stay. Errors: job_not_found, version_conflict.
result<void> remove_job(session& s, const principal& who, const std::string& job_id, const std::string& reason, const std::string& if_match);

// A stored version as the runtime needs it, parsed. version 0 = the current one. nullptr: there is none, and a deleted job has none.
job_version_ptr load_version(session& s, tenant_key tenant, const std::string& job_id, int version, const definition_defaults& defaults);
// Those of these that there are, in any order; also of deleted jobs, for what was submitted before.
std::vector<job_version_ptr> load_versions(session& s, const std::vector<std::pair<job_key, int>>& wanted, const definition_defaults& defaults);

}
