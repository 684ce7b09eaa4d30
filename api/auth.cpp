#include "api/auth.hpp"

#include "api/request.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

namespace rowlock::api {

namespace {

using namespace std::chrono_literals;

constexpr auto believed_for = 1s;
constexpr std::size_t most_tokens = 4096;
constexpr std::size_t most_tenants = 65'536;

// Keys of tenants begin at 1: whoever reads as a tenant that does not exist sees an empty world.
constexpr tenant_key no_tenant{0};

bool is_hex(std::string_view text)
{
    return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

error no_token()
{
    return {errc::unauthenticated, "There is no valid token. Send Authorization: Bearer TOKEN; `rowlock token create` makes one."};
}

}

error missing_permission(role granted)
{
    return {errc::forbidden, fmt::format("The role {} does not permit this. Use a token with a role that does.", to_string(granted))};
}

std::optional<token_parts> split_token(std::string_view token)
{
    constexpr std::string_view prefix = "rl_";
    if (!token.starts_with(prefix)) return std::nullopt;
    token.remove_prefix(prefix.size());
    const auto mark = token.find('_');
    if (mark == std::string_view::npos) return std::nullopt;
    const token_parts parts{token.substr(0, mark), token.substr(mark + 1)};
    if (!uuid::parse(parts.token_id) || parts.secret.size() != 64 || !is_hex(parts.secret)) return std::nullopt;
    return parts;
}

std::optional<std::string_view> bearer_token(std::string_view authorization)
{
    const auto space = authorization.find(' ');
    if (space == std::string_view::npos || !same_ignoring_case(authorization.substr(0, space), "Bearer")) return std::nullopt;
    const auto first = authorization.find_first_not_of(' ', space);
    if (first == std::string_view::npos) return std::nullopt;
    return authorization.substr(first);
}

bool secret_matches(std::string_view secret, std::string_view sha256)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(reinterpret_cast<const unsigned char*>(secret.data()), secret.size(), digest);
    return sha256.size() == sizeof digest && CRYPTO_memcmp(digest, sha256.data(), sizeof digest) == 0;
}

const authenticator::known_token* authenticator::find(std::string_view token_id) const
{
    const auto at = tokens_.find(token_id);
    return at != tokens_.end() && runtime::steady_clock::now() < at->second.until ? &at->second : nullptr;
}

result<void> authenticator::admit(const storage::stored_token& token, const credentials& given, permission needs, principal& who) const
{
    who.name.assign("token:").append(token.name.empty() ? token.token_id : token.name);
    who.granted = token.granted;
    who.tenant = token.tenant;
    who.tenant_id = token.tenant_id;
    who.all_tenants = token.all_tenants;
    if (!permits(token.granted, needs)) return missing_permission(token.granted);
    if (!given.tenant.empty() && !token.all_tenants && given.tenant != token.tenant_id) {
        return error{errc::forbidden, fmt::format("The token is bound to the tenant {}: leave X-Rowlock-Tenant out.", token.tenant_id)};
    }
    return {};
}

bool authenticator::identify_at_once(const credentials& given, permission needs, principal& who, result<void>& answer)
{
    answer = {};
    if (auth_none_) {
        who.name.assign("local");
        who.granted = role::admin;
        who.tenant = default_tenant;
        who.tenant_id.assign("default");
        who.all_tenants = true;
    } else {
        const auto token = bearer_token(given.authorization);
        const auto parts = token ? split_token(*token) : std::nullopt;
        if (!parts) {
            answer = no_token();
            return true;
        }
        const auto* known = find(parts->token_id);
        if (!known) return false;
        if (!known->token || !secret_matches(parts->secret, known->token->secret_sha256)) {
            answer = no_token();
            return true;
        }
        answer = admit(*known->token, given, needs, who);
        if (!answer) return true;
    }
    return given.tenant.empty() || given.tenant == who.tenant_id;
}

runtime::awaitable<result<void>> authenticator::identify(credentials given, permission needs, principal& who)
{
    result<void> answer;
    if (identify_at_once(given, needs, who, answer)) co_return answer;
    if (!auth_none_) {
        const auto parts = split_token(*bearer_token(given.authorization));
        if (!find(parts->token_id)) {
            const std::string token_id(parts->token_id);
            auto stored = co_await db_.read([token_id](storage::session& s) -> result<std::optional<storage::stored_token>> {
                return storage::find_token(s, token_id);
            });
            if (!stored) co_return std::move(stored).error();
            if (tokens_.size() >= most_tokens) tokens_.clear();
            tokens_.insert_or_assign(token_id, known_token{std::move(*stored), runtime::steady_clock::now() + believed_for});
        }
        // What was just read may be a second old by now only if the core was stuck: then the client may ask again.
        if (identify_at_once(given, needs, who, answer)) co_return answer;
        if (!find(parts->token_id)) co_return error{errc::overloaded, "The server is too busy to check the token. Try again.", {}, 1s};
    }
    co_return co_await choose_tenant(given, who);
}

runtime::awaitable<result<void>> authenticator::choose_tenant(credentials given, principal& who)
{
    std::string tenant_id(given.tenant);
    if (!is_slug(tenant_id)) {
        co_return error{errc::invalid_request, "X-Rowlock-Tenant must be a tenant id: 1 to 128 of a-z, 0-9, '.', '_', '-'.",
                        {{"X-Rowlock-Tenant", "", "must be a tenant id"}}};
    }
    who.tenant_id = tenant_id;
    if (const auto at = tenants_.find(tenant_id); at != tenants_.end()) {
        who.tenant = at->second;
        co_return result<void>{};
    }
    result<std::optional<tenant_key>> found = std::optional<tenant_key>{};
    if (given.writes) {
        found = co_await db_.write([tenant_id](storage::session& s) -> result<std::optional<tenant_key>> { return storage::make_tenant(s, tenant_id); });
    } else {
        found = co_await db_.read([tenant_id](storage::session& s) -> result<std::optional<tenant_key>> { return storage::find_tenant(s, tenant_id); });
    }
    if (!found) co_return std::move(found).error();
    who.tenant = found->value_or(no_tenant);
    if (*found) {
        if (tenants_.size() >= most_tenants) tenants_.clear();
        tenants_.emplace(std::move(tenant_id), who.tenant);
    }
    co_return result<void>{};
}

}
