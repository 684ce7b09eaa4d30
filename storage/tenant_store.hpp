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
void put_tenant(session& s, const std::string& tenant_id, std::optional<int> weight, const std::string& actor, const std::string& reason);

struct tenant_default {
    int max_running = 0;                                 // 0: as many as like
    std::string set_by;
};
// So many executions of each tenant that nobody has put a limit for run at once, from now on; 0: as many as like. What it was before; nullopt: the same.
std::optional<tenant_default> set_concurrency_per_tenant(session& s, int most, const std::string& actor);

}
