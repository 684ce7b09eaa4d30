#pragma once

#include "storage/job_store.hpp"
#include "storage/session.hpp"

#include <optional>
#include <string>

namespace rowlock::storage {

// {tenant_id, weight, created_time} by tenant_id; `only`: that one alone ("" = all). The cursor is the last tenant_id of the page before.
page list_tenants_json(session& s, const std::string& only, int limit, const std::string& cursor);
std::optional<std::string> find_tenant_json(session& s, const std::string& tenant_id);
// Makes it where it is new. weight: its share of what can run (1 to 1000); nullopt: as it is.
void put_tenant(session& s, const std::string& tenant_id, std::optional<int> weight);

}
