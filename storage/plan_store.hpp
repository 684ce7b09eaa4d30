#pragma once

#include "storage/model/error.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/principal.hpp"
#include "storage/page.hpp"
#include "storage/session.hpp"

#include <optional>
#include <string>
#include <vector>

namespace rowlock::storage {

// Stored plans and their versions. Every function is one transaction. Texts that end in _json are what the API shows.

// A plan that is to be stored.
struct plan_change {
    std::string plan_id;
    std::string definition;              // the plan's document as JSON text
    std::string reason{};
    std::string if_match{};              // the If-Match that must hold; "": none
};

struct put_plan_answer {
    bool created = false;
    bool changed = false;                // a new version was made (always, where it was created)
    int version = 0;
    std::string before{};                // the document before, as JSON text; "" where it was created
    std::string after{};                 // the document that it has now
    std::string plan_json{};             // the plan as GET shows it; of put_plan() alone
    std::string etag{};                  // quoted
};
// Stores a plan: a new version if it differs from the current one. dry_run changes nothing and says what would be. Errors: version_conflict.
result<put_plan_answer> put_plan(session& s, const principal& who, const plan_change& change, bool dry_run);
// Several, of different ids, without If-Match: all of them or none. The answers are in their order.
result<std::vector<put_plan_answer>> put_plans(session& s, const principal& who, const std::vector<plan_change>& changes, bool dry_run);

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
