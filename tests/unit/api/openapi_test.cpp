#include "api/openapi.hpp"

#include "api/problem.hpp"
#include "api/router.hpp"
#include "storage/model/json_text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <set>

using namespace rowlock;
using namespace rowlock::api;

namespace {

std::string text_of(boost::json::string_view text)
{
    return {text.data(), text.size()};
}

boost::json::object document()
{
    auto parsed = parse_json(json_of_yaml(openapi_yaml));
    REQUIRE(parsed.has_value());
    return std::move(parsed->as_object());
}

}

TEST_CASE("the OpenAPI document and the route table name the same operations", "[unit][api]")
{
    std::set<std::string> routes;
    for (const auto& r : all_routes()) routes.insert(std::string(to_string(r.verb)) + " " + std::string(r.pattern));
    std::set<std::string> documented;
    const auto all = document();
    for (const auto& path : all.at("paths").as_object()) {
        for (const auto& operation : path.value().as_object()) {
            auto verb = text_of(operation.key());
            if (verb == "parameters") continue;
            for (char& c : verb) c = static_cast<char>(c - 'a' + 'A');
            documented.insert(verb + " " + text_of(path.key()));
        }
    }
    CHECK(documented == routes);
}

TEST_CASE("a route is open in the document exactly where it asks for no token", "[unit][api]")
{
    // Open, as it has no token, and yet not for everybody.
    const auto is_signed = [](const route& r) { return r.pattern.ends_with("/complete") || r.pattern.starts_with("/v1/webhooks/"); };
    const auto all = document();
    for (const auto& r : all_routes()) {
        std::string verb(to_string(r.verb));
        for (char& c : verb) c = static_cast<char>(c - 'A' + 'a');
        INFO(verb << " " << r.pattern);
        const auto& operation = all.at("paths").as_object().at(r.pattern).as_object().at(verb).as_object();
        CHECK(operation.contains("security") == (r.needs == permission::none));
        CHECK(operation.at("responses").as_object().contains("401") == (r.needs != permission::none || is_signed(r)));
    }
}

TEST_CASE("the document names every code of a problem", "[unit][api]")
{
    const auto all = document();
    std::set<std::string> named;
    for (const auto& code : all.at("components").as_object().at("schemas").as_object().at("Problem").as_object().at("properties").as_object().at("code").as_object().at("enum").as_array()) {
        named.insert(text_of(code.as_string()));
    }
    std::set<std::string> codes;
    for (int i = 0; i <= static_cast<int>(errc::internal); ++i) codes.insert(std::string(kind_of(static_cast<errc>(i)).code));
    CHECK(named == codes);
}

TEST_CASE("YAML becomes the JSON that it looks like", "[unit][api]")
{
    CHECK(json_of_yaml("a: 1\nb: [true, null, 1.5, x]\n'200': \"1\"\nv: 3.1.0\n") == R"({"a":1,"b":[true,null,1.5,"x"],"200":"1","v":"3.1.0"})");
}
