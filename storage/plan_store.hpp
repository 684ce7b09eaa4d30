#pragma once

#include "storage/model/error.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/principal.hpp"
#include "storage/page.hpp"
#include "storage/session.hpp"

#include <optional>
#include <string>

namespace rowlock::storage {

// Stored plans and their versions. Every function is one transaction. Texts that end in _json are what the API shows.

struct put_plan_answer {
    bool created = false;
    bool changed = false;                // a new version was made (always, where it was created)
    int version = 0;
    std::string plan_json;
    std::string etag;                    // quoted
};
// As put() of jobs. `definition`: the plan's document as JSON text. Errors: version_conflict.
result<put_plan_answer> put_plan(session& s, const principal& who, const std::string& plan_id, const std::string& definition, const std::string& reason,
                                 const std::string& if_match, bool dry_run);

struct stored_plan {
    std::int32_t key = 0;
    int version = 0;
    std::string definition;              // JSON text
};
// version 0: the current one.
std::optional<stored_plan> find_plan(session& s, tenant_key tenant, const std::string& plan_id, int version);
struct plan_document {
    std::string json;
    std::string etag;
};
std::optional<plan_document> find_plan_json(session& s, tenant_key tenant, const std::string& plan_id);
std::optional<std::string> find_plan_version_json(session& s, tenant_key tenant, const std::string& plan_id, int version);
page list_plans_json(session& s, tenant_key tenant, int limit, const std::string& cursor);
page list_plan_versions_json(session& s, tenant_key tenant, const std::string& plan_id, int limit, const std::string& cursor);

}
