#include "api/auth.hpp"

#include <catch2/catch.hpp>
#include <openssl/sha.h>

using namespace rowlock;
using namespace rowlock::api;

namespace {

const std::string id = "0198f3a2-7c41-4d2e-9a30-5b1c2d3e4f50";
const std::string secret(64, 'a');

}

TEST_CASE("a token is taken apart into its id and its secret", "[unit][api]")
{
    const auto parts = split_token("rl_0198f3a2-7c41-4d2e-9a30-5b1c2d3e4f50_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    REQUIRE(parts);
    CHECK(parts->token_id == id);
    CHECK(parts->secret == secret);
}

TEST_CASE("what Rowlock never gave out is no token, and asks the database nothing", "[unit][api]")
{
    const std::string token = GENERATE_COPY(values<std::string>({"", "rl_", "rl_" + id, "rl_" + id + "_", "rl_" + id + "_short", "xx_" + id + "_" + secret,
                                                                 "rl_not-a-uuid_" + secret, "rl_" + id + "_" + secret + "a", "rl_" + id + "_" + std::string(64, 'G')}));
    INFO(token);
    CHECK_FALSE(split_token(token));
}

TEST_CASE("the scheme of Authorization is Bearer in any case", "[unit][api]")
{
    CHECK(bearer_token("Bearer x") == "x");
    CHECK(bearer_token("bearer  x") == "x");
    const char* other = GENERATE("", "x", "Bearer", "Bearer ", "Basic x", "Bearerx y");
    CHECK_FALSE(bearer_token(other));
}

TEST_CASE("only the secret that was hashed matches", "[unit][api]")
{
    std::string digest(SHA256_DIGEST_LENGTH, '\0');
    SHA256(reinterpret_cast<const unsigned char*>(secret.data()), secret.size(), reinterpret_cast<unsigned char*>(digest.data()));
    CHECK(secret_matches(secret, digest));
    CHECK_FALSE(secret_matches(std::string(64, 'b'), digest));
    CHECK_FALSE(secret_matches("", digest));
    CHECK_FALSE(secret_matches(secret, digest.substr(1)));
    CHECK_FALSE(secret_matches(secret, ""));
}
