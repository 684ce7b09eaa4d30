#include "api/router.hpp"

#include <catch2/catch.hpp>
#include <set>

using namespace rowlock;
using namespace rowlock::api;

TEST_CASE("a path finds the route of its method", "[unit][api]")
{
    struct row { const char* why; method verb; const char* path; const char* pattern; };
    auto r = GENERATE(values<row>({
        {"the hot path", method::post, "/v1/executions", "/v1/executions"},
        {"a literal segment goes before a placeholder of another length", method::post, "/v1/executions/batch", "/v1/executions/batch"},
        {"a placeholder takes one segment", method::get, "/v1/executions/x", "/v1/executions/{id}"},
        {"two placeholders", method::get, "/v1/jobs/a/versions/3", "/v1/jobs/{job_id}/versions/{version}"},
        {"HEAD takes the route of GET", method::head, "/healthz", "/healthz"},
        {"the root", method::get, "/", "/"}}));
    INFO(r.why);
    path_values values;
    const auto m = find_route(all_routes(), r.verb, r.path, values);
    REQUIRE(m.found);
    CHECK(m.found->pattern == r.pattern);
}

TEST_CASE("what a path has in its placeholders is decoded", "[unit][api]")
{
    path_values values;
    REQUIRE(find_route(all_routes(), method::get, "/v1/jobs/a%2Db/versions/3", values).found);
    CHECK(values["job_id"] == "a-b");
    CHECK(values["version"] == "3");
    CHECK(values["other"].empty());
}

TEST_CASE("a path that names nothing has no route and no methods", "[unit][api]")
{
    const char* path = GENERATE("", "v1", "//", "/v1", "/v1/executions/", "/v1/executions//log", "/v1/jobs/%zz", "/v1/jobs/%00", "/v1/executions/x/again", "/v1/executions/x/log/y");
    INFO(path);
    path_values values;
    const auto m = find_route(all_routes(), method::get, path, values);
    CHECK_FALSE(m.found);
    CHECK(m.allow.empty());
}

TEST_CASE("a known path names the methods that it takes", "[unit][api]")
{
    path_values values;
    CHECK(find_route(all_routes(), method::delete_, "/v1/executions", values).allow == "POST, GET, HEAD, OPTIONS");
    CHECK(find_route(all_routes(), method::other, "/v1/jobs/a", values).allow == "PUT, GET, HEAD, DELETE, OPTIONS");
    CHECK(find_route(all_routes(), method::options, "/v1/tokens/a", values).allow == "DELETE, OPTIONS");
}

TEST_CASE("no two routes take the same method and path", "[unit][api]")
{
    std::set<std::pair<method, std::string_view>> seen;
    for (const auto& r : all_routes()) CHECK(seen.emplace(r.verb, r.pattern).second);
}

TEST_CASE("only what a load balancer or a newcomer needs is open, and what has a signature in place of a token", "[unit][api]")
{
    std::set<std::string_view> open;
    for (const auto& r : all_routes()) {
        if (r.needs == permission::none) open.insert(r.pattern);
        // A preview computes, and changes nothing.
        if (r.verb != method::get && r.pattern != "/v1/schedules/preview") CHECK(r.needs != permission::read);
    }
    CHECK(open == std::set<std::string_view>{"/", "/healthz", "/readyz", "/v1/executions/{id}/complete", "/v1/openapi.json", "/v1/webhooks/{trigger_id}"});
}
