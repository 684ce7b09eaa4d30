#include "storage/connection_defaults.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <libpq-fe.h>
#include <memory>
#include <string_view>

namespace rowlock::storage {

namespace {

struct parameter {
    std::string_view name;
    std::string_view value;
};

constexpr parameter connect_timeout{"connect_timeout", "5"};
// Without tcp_user_timeout a statement on its way to a host that lost its power waits for the kernel to give up, which takes a quarter of
// an hour; a lease ends long before.
constexpr std::array<parameter, 5> of_the_connection{{
    {"keepalives", "1"}, {"keepalives_idle", "10"}, {"keepalives_interval", "5"}, {"keepalives_count", "3"}, {"tcp_user_timeout", "10000"}}};

using options = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

// Null where libpq does not understand it.
options parsed(const std::string& url)
{
    return {PQconninfoParse(url.c_str(), nullptr), &PQconninfoFree};
}

std::string_view value_of(const options& of, std::string_view name)
{
    for (const auto* one = of.get(); one != nullptr && one->keyword != nullptr; ++one) {
        if (one->keyword == name && one->val != nullptr) return one->val;
    }
    return {};
}

void append(std::string& out, std::string_view name, std::string_view value)
{
    if (!out.empty()) out += ' ';
    out.append(name).append("='");
    for (const char c : value) {
        if (c == '\'' || c == '\\') out += '\\';
        out += c;
    }
    out += '\'';
}

}

std::string with_connection_defaults(const std::string& url)
{
    const auto given = parsed(url);
    if (!given) return url;
    std::string out;
    const auto says = [&given](std::string_view name) {
        for (const auto* one = given.get(); one->keyword != nullptr; ++one) {
            if (one->keyword == name) return one->val != nullptr;
        }
        return false;
    };
    for (const auto* one = given.get(); one->keyword != nullptr; ++one) {
        if (one->val != nullptr) append(out, one->keyword, one->val);
    }
    if (!says(connect_timeout.name) && std::getenv("PGCONNECT_TIMEOUT") == nullptr) append(out, connect_timeout.name, connect_timeout.value);
    for (const auto& [name, value] : of_the_connection) {
        if (!says(name)) append(out, name, value);
    }
    return out;
}

bool is_connection_string(const std::string& url)
{
    return parsed(url) != nullptr;
}

bool is_same_session(const std::string& url, const std::string& other)
{
    const auto one = parsed(url);
    const auto two = parsed(other);
    if (!one || !two) return false;
    constexpr std::array<std::string_view, 5> keywords{"host", "hostaddr", "port", "dbname", "user"};
    return std::all_of(keywords.begin(), keywords.end(), [&](std::string_view keyword) { return value_of(one, keyword) == value_of(two, keyword); });
}

}
