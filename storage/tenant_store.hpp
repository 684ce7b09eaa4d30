#pragma once

#include "storage/job_store.hpp"
#include "storage/session.hpp"

#include <string>

namespace rowlock::storage {

// {tenant_id, created_time} by tenant_id; `only`: that one alone ("" = all). The cursor is the last tenant_id of the page before.
page list_tenants_json(session& s, const std::string& only, int limit, const std::string& cursor);

}
