#include "storage/connection_defaults.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <libpq-fe.h>
#include <map>
#include <string>

using rowlock::storage::with_connection_defaults;

namespace {

// What libpq reads out of a connection string.
std::map<std::string, std::string> read(const std::string& url)
{
    std::map<std::string, std::string> all;
    auto* parsed = PQconninfoParse(url.c_str(), nullptr);
    REQUIRE(parsed != nullptr);
    for (const auto* one = parsed; one->keyword != nullptr; ++one) {
        if (one->val != nullptr) all[one->keyword] = one->val;
    }
    PQconninfoFree(parsed);
    return all;
}

}

TEST_CASE("a session bounds how long a vanished host is waited for, unless the URL says otherwise", "[unit][storage]")
{
    struct row {
        const char* why;
        const char* url;
        std::map<std::string, std::string> expected;
    };
    const auto r = GENERATE(values<row>({
        {"a plain URL", "postgresql://ada@db.example/rowlock",
         {{"host", "db.example"}, {"user", "ada"}, {"dbname", "rowlock"}, {"connect_timeout", "5"}, {"keepalives", "1"}, {"keepalives_idle", "10"},
          {"keepalives_interval", "5"}, {"keepalives_count", "3"}, {"tcp_user_timeout", "10000"}}},
        {"several hosts, and settings of its own", "postgresql://a,b:5433/rowlock?target_session_attrs=read-write&connect_timeout=2&tcp_user_timeout=0",
         {{"host", "a,b"}, {"port", ",5433"}, {"target_session_attrs", "read-write"}, {"connect_timeout", "2"}, {"tcp_user_timeout", "0"}, {"keepalives_idle", "10"}}},
        {"keywords, and a password with everything in it", R"(host=/run/pg dbname='row lock' password='it\'s\\ = ?&' keepalives=0)",
         {{"host", "/run/pg"}, {"dbname", "row lock"}, {"password", R"(it's\ = ?&)"}, {"keepalives", "0"}, {"connect_timeout", "5"}}},
        {"a password that names a setting", "postgresql://u:connect_timeout@h/d", {{"password", "connect_timeout"}, {"connect_timeout", "5"}}},
        {"nothing", "", {{"connect_timeout", "5"}, {"tcp_user_timeout", "10000"}}},
    }));
    INFO(r.why);
    REQUIRE(std::getenv("PGCONNECT_TIMEOUT") == nullptr);
    const auto got = read(with_connection_defaults(r.url));
    for (const auto& [name, value] : r.expected) {
        INFO(name);
        REQUIRE(got.contains(name));
        CHECK(got.at(name) == value);
    }
}

TEST_CASE("a connection string that libpq does not understand is left for libpq to refuse", "[unit][storage]")
{
    CHECK(with_connection_defaults("postgresql://h/d?no_such_setting=1") == "postgresql://h/d?no_such_setting=1");
    CHECK(with_connection_defaults("nonsense") == "nonsense");
}
