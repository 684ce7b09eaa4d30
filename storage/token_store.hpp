#pragma once

#include "storage/job_store.hpp"
#include "storage/model/principal.hpp"
#include "storage/session.hpp"

#include <optional>
#include <string>
#include <vector>

namespace rowlock::storage {

// Bearer tokens: rl_TOKENID_SECRET, of which the database keeps the id and the SHA-256 of the secret (256 random bits, so
// no salt and no slow hash are needed).

struct new_token {
    std::string token_id;        // UUID
    std::string token;           // shown once, kept nowhere
};
// tenant_id "*": all tenants. The tenant is made if it is new.
new_token create_token(session& s, role granted, const std::string& tenant_id, const std::string& name, const std::string& author);

std::vector<std::string> list_tokens_json(session& s);            // without secrets, oldest first
bool revoke_token(session& s, const std::string& token_id, const std::string& author);   // false: there is none that is valid

// What the database knows of a token, for authentication.
struct stored_token {
    std::string token_id;
    std::string secret_sha256;   // 32 bytes
    role granted;
    std::string name;
    tenant_key tenant;           // default_tenant where it is for all
    std::string tenant_id;
    bool all_tenants = false;
};
std::optional<stored_token> find_token(session& s, const std::string& token_id);   // nullopt also for a revoked one

// The key of a tenant. nullopt: there is none.
std::optional<tenant_key> find_tenant(session& s, const std::string& tenant_id);
tenant_key make_tenant(session& s, const std::string& tenant_id);

}
