#include "runtime/handlers/url.hpp"

#include "runtime/handlers/address_rules.hpp"

#include <catch2/catch.hpp>

using namespace rowlock::runtime;

TEST_CASE("an address is taken apart", "[unit][http]")
{
    struct row {
        std::string text;
        url expected;
    };
    const auto r = GENERATE(values<row>({
        {"http://Example.com", {false, "example.com", 80, "/"}},
        {"HTTPS://example.com/a/b?c=d#e", {true, "example.com", 443, "/a/b?c=d"}},
        {"http://h:8080?x=1", {false, "h", 8080, "/?x=1"}},
        {"https://h:443/", {true, "h", 443, "/"}},
        {"http://[::1]:7/x", {false, "::1", 7, "/x"}},
        {"http://127.0.0.1:/", {false, "127.0.0.1", 80, "/"}},
        {"http://h/a@b:c", {false, "h", 80, "/a@b:c"}},
    }));
    INFO(r.text);
    REQUIRE(parse_url(r.text));
    CHECK(*parse_url(r.text) == r.expected);
}

TEST_CASE("what is no http address is refused", "[unit][http]")
{
    const auto text = GENERATE(as<std::string>{}, "", "h", "ftp://h/", "http://", "http:///x", "http://h:0/", "http://h:65536/", "http://h:x/", "http://user:pw@h/", "http://h/a b",
                               "http://h/\r\nX: y", "http://h/\xC3\xA9", "http://[::1", "http://[h]/", "http://a\\b/", "file:///etc/passwd");
    INFO(text);
    CHECK_FALSE(parse_url(text));
}

TEST_CASE("a redirect's address is understood from where it came", "[unit][http]")
{
    struct row {
        std::string reference;
        std::string expected;
    };
    // RFC 3986 §5.4 where it applies to http.
    const auto r = GENERATE(values<row>({
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g/"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"./g/.", "http://a/b/c/g/"},
        {"https://x:444/y", "https://x:444/y"},
        {"", "http://a/b/c/d;p?q"},
    }));
    INFO(r.reference);
    const auto to = resolve(*parse_url("http://a/b/c/d;p?q"), r.reference);
    REQUIRE(to);
    CHECK(to_string(*to) == r.expected);
    CHECK_FALSE(resolve(*to, "mailto:someone"));
}

TEST_CASE("addresses within networks of one's own are not public", "[unit][http]")
{
    const auto text = GENERATE(as<std::string>{}, "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "100.64.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.168.1.1", "198.18.0.1",
                               "192.0.2.1", "224.0.0.1", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "fc00::1", "fd12::1", "fe80::1", "fec0::1", "ff02::1",
                               "64:ff9b::7f00:1", "64:ff9b:1::808:808", "2002:7f00:1::", "2001:db8::1", "100::1");
    INFO(text);
    CHECK_FALSE(is_public(boost::asio::ip::make_address(text)));
}

TEST_CASE("addresses of the Internet are public", "[unit][http]")
{
    const auto text = GENERATE(as<std::string>{}, "1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.128.0.1", "223.255.255.255", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808",
                               "2002:808:808::1");
    INFO(text);
    CHECK(is_public(boost::asio::ip::make_address(text)));
}
