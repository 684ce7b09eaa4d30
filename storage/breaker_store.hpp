#pragma once

#include "storage/model/ids.hpp"
#include "storage/page.hpp"
#include "storage/session.hpp"

#include <optional>
#include <string>

namespace rowlock::storage {

// Circuit breakers as they are read, and closed by hand. A key is a job_id, or host:port of a target that jobs share.

// By key. `cursor` is the last key of the page before, "" at first.
page list_breakers_json(session& s, tenant_key tenant, int limit, const std::string& cursor);
std::optional<std::string> find_breaker_json(session& s, tenant_key tenant, const std::string& key);
// Closes it, and forgets the failures that it has counted. false: there is none of this key.
bool reset_breaker(session& s, tenant_key tenant, const std::string& key, const std::string& actor);

}
