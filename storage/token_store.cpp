#include "storage/token_store.hpp"

#include <fmt/format.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdexcept>

namespace rowlock::storage {

namespace {

std::string hex(const unsigned char* bytes, std::size_t n)
{
    std::string text;
    for (std::size_t i = 0; i < n; ++i) text += fmt::format("{:02x}", bytes[i]);
    return text;
}

}

constexpr statement make_tenant_statement{"make_tenant", "select tenant_of($1)"};

tenant_key make_tenant(session& s, const std::string& tenant_id)
{
    return {s.exec(make_tenant_statement, tenant_id)[0][0].as<int>()};
}

constexpr statement find_tenant_statement{"find_tenant", "select tenant_key from tenants where tenant_id = $1"};

std::optional<tenant_key> find_tenant(session& s, const std::string& tenant_id)
{
    const auto rows = s.exec(find_tenant_statement, tenant_id);
    if (rows.empty()) return std::nullopt;
    return tenant_key{rows[0][0].as<int>()};
}

constexpr statement create_token_statement{"create_token", R"sql(
    insert into tokens (token_id, secret_sha256, role, tenant_key, name, author) values ($1, decode($2, 'hex'), $3, case when $4 <> '*' then tenant_of($4) end, $5, $6))sql"};

new_token create_token(session& s, role granted, const std::string& tenant_id, const std::string& name, const std::string& author)
{
    unsigned char secret[32];
    unsigned char digest[SHA256_DIGEST_LENGTH];
    if (RAND_bytes(secret, sizeof secret) != 1) throw std::runtime_error("the system has no random bytes");
    const std::string secret_text = hex(secret, sizeof secret);
    SHA256(reinterpret_cast<const unsigned char*>(secret_text.data()), secret_text.size(), digest);
    const std::string id = random_uuid().str();
    s.exec(create_token_statement, id, hex(digest, sizeof digest), std::string(to_string(granted)), tenant_id, name, author);
    return {id, fmt::format("rl_{}_{}", id, secret_text)};
}

constexpr statement list_tokens_statement{"list_tokens", R"sql(
    select json_build_object('token_id', k.token_id, 'name', k.name, 'role', k.role, 'tenant_id', coalesce(t.tenant_id, '*'), 'author', k.author,
        'created_time', rfc3339(k.created_at), 'revoked_time', rfc3339(k.revoked_at), 'revoked_by', k.revoked_by)
    from tokens k left join tenants t using (tenant_key) order by k.created_at, k.token_id limit 10000)sql"};

std::vector<std::string> list_tokens_json(session& s)
{
    std::vector<std::string> items;
    for (const auto& row : s.exec(list_tokens_statement)) items.emplace_back(row[0].c_str());
    return items;
}

constexpr statement revoke_token_statement{"revoke_token", R"sql(
    update tokens set revoked_at = clock(), revoked_by = $2 where token_id = $1 and revoked_at is null returning 1)sql"};

bool revoke_token(session& s, const std::string& token_id, const std::string& author)
{
    if (!uuid::parse(token_id)) return false;
    return !s.exec(revoke_token_statement, token_id, author).empty();
}

constexpr statement find_token_statement{"find_token", R"sql(
    select k.secret_sha256, k.role, k.name, coalesce(k.tenant_key, 1), coalesce(t.tenant_id, 'default'), k.tenant_key is null
    from tokens k left join tenants t using (tenant_key) where k.token_id = $1 and k.revoked_at is null)sql"};

std::optional<stored_token> find_token(session& s, const std::string& token_id)
{
    if (!uuid::parse(token_id)) return std::nullopt;
    const auto rows = s.exec(find_token_statement, token_id);
    if (rows.empty()) return std::nullopt;
    const auto row = rows[0];
    return stored_token{token_id, pqxx::binarystring(row[0]).str(), *parse_role(row[1].c_str()), row[2].c_str(), {row[3].as<int>()}, row[4].c_str(), row[5].as<bool>()};
}

}
