#include "api/signature.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::api;

namespace {

constexpr std::int64_t now = 1'767'225'600;
// printf '1767225600.{"a":1}' | openssl dgst -sha256 -hmac key
const std::string good = "sha256=80f7b75f8618b9b24d72673996a625f1a43f7387a26b6739d667431724fe4d23";

}

TEST_CASE("a signature is an HMAC-SHA256 over the timestamp, a point and the body", "[unit][api]")
{
    const auto message = read_signature(good, "1767225600");
    REQUIRE(message.has_value());
    CHECK(check_signature(*message, R"({"a":1})", "key", now).has_value());
    CHECK_FALSE(check_signature(*message, R"({"a":2})", "key", now).has_value());
    CHECK_FALSE(check_signature(*message, R"({"a":1})", "kez", now).has_value());
    CHECK_FALSE(check_signature(*message, R"({"a":1})", "", now).has_value());
    const auto moved = read_signature(good, "1767225601");
    CHECK_FALSE(check_signature(*moved, R"({"a":1})", "key", now).has_value());
}

TEST_CASE("a signature holds for five minutes to both sides", "[unit][api]")
{
    const auto message = read_signature(good, "1767225600");
    REQUIRE(message.has_value());
    for (const std::int64_t at : {now - 300, now, now + 300}) CHECK(check_signature(*message, R"({"a":1})", "key", at).has_value());
    for (const std::int64_t at : {now - 301, now + 301, std::int64_t{0}}) {
        const auto checked = check_signature(*message, R"({"a":1})", "key", at);
        REQUIRE_FALSE(checked.has_value());
        CHECK(checked.error().code == errc::unauthenticated);
    }
}

TEST_CASE("headers that are no signature are refused", "[unit][api]")
{
    struct row {
        const char* why;
        std::string signature;
        std::string timestamp;
    };
    const auto r = GENERATE(values<row>({
        {"none", "", ""},
        {"no timestamp", good, ""},
        {"no signature", "", "1767225600"},
        {"another scheme", "sha1=" + good.substr(7), "1767225600"},
        {"too short", good.substr(0, 69), "1767225600"},
        {"too long", good + "00", "1767225600"},
        {"no digits", good.substr(0, 70) + "g", "1767225600"},
        {"a negative time", good, "-1767225600"},
        {"a time with a sign", good, "+1767225600"},
        {"a time of words", good, "now"},
        {"a time beyond all bounds", good, "17672256000000"},
    }));
    INFO(r.why);
    const auto message = read_signature(r.signature, r.timestamp);
    REQUIRE_FALSE(message.has_value());
    CHECK(message.error().code == errc::unauthenticated);
}

TEST_CASE("a signature in capitals is the same signature", "[unit][api]")
{
    std::string capitals = good;
    for (std::size_t i = 7; i < capitals.size(); ++i) capitals[i] = static_cast<char>(std::toupper(static_cast<unsigned char>(capitals[i])));
    CHECK(read_signature(capitals, "1767225600")->signature == read_signature(good, "1767225600")->signature);
}
