#pragma once

#include "runtime/async/database.hpp"
#include "storage/model/principal.hpp"
#include "storage/token_store.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace rowlock::api {

// The parts of rl_TOKENID_SECRET. Views of what was given.
struct token_parts {
    std::string_view token_id;
    std::string_view secret;
};
// nullopt: nothing that Rowlock ever gave out. Pure.
std::optional<token_parts> split_token(std::string_view token);
// The token of an Authorization header; nullopt: it is of another kind. Pure.
std::optional<std::string_view> bearer_token(std::string_view authorization);
// Is `secret` the one that was hashed? In constant time for secrets of one length. Pure.
bool secret_matches(std::string_view secret, std::string_view sha256);

// What a role lacks, in one sentence. Error forbidden.
error missing_permission(role granted);

// Who asks, for the requests of one core. What the database says of a token is believed for a second, so a revoked token works for
// a second at most, and a busy client costs one statement a second.
class authenticator {
public:
    authenticator(runtime::database& db, bool auth_none) : db_(db), auth_none_(auth_none) {}

    struct credentials {
        std::string_view authorization;              // "" = none
        std::string_view tenant;                     // X-Rowlock-Tenant; "" = none
        bool writes = false;                         // a tenant that is new is made
    };
    // Fills `who`, whose memory is used again. Errors: unauthenticated, forbidden, invalid_request, database_unavailable.
    // The permission of the route is checked before a tenant is made.
    runtime::awaitable<result<void>> identify(credentials given, permission needs, principal& who);

    // The hot way: what identify() would do without asking the database; false where it has to be asked.
    bool identify_at_once(const credentials& given, permission needs, principal& who, result<void>& answer);

private:
    struct known_token {
        std::optional<storage::stored_token> token;  // none: there is no such valid token
        runtime::deadline until;
    };
    struct name_hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };
    template <class T>
    using by_name = std::unordered_map<std::string, T, name_hash, std::equal_to<>>;

    const known_token* find(std::string_view token_id) const;
    result<void> admit(const storage::stored_token& token, const credentials& given, permission needs, principal& who) const;
    runtime::awaitable<result<void>> choose_tenant(credentials given, principal& who);

    runtime::database& db_;
    bool auth_none_;
    by_name<known_token> tokens_;
    by_name<tenant_key> tenants_;
};

}
