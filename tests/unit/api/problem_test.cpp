#include "api/problem.hpp"

#include "storage/model/json_text.hpp"

#include <boost/json/object.hpp>
#include <boost/json/array.hpp>
#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::api;

TEST_CASE("each kind of failure has its status", "[unit][api]")
{
    struct row { errc code; const char* name; int status; };
    auto r = GENERATE(values<row>({
        {errc::malformed_json, "MALFORMED_JSON", 400}, {errc::malformed_http, "MALFORMED_HTTP", 400}, {errc::invalid_request, "INVALID_REQUEST", 422},
        {errc::not_found, "NOT_FOUND", 404}, {errc::job_not_found, "JOB_NOT_FOUND", 404}, {errc::job_version_not_found, "JOB_VERSION_NOT_FOUND", 404},
        {errc::job_disabled, "JOB_DISABLED", 409}, {errc::idempotency_key_reused, "IDEMPOTENCY_KEY_REUSED", 409}, {errc::already_ended, "ALREADY_ENDED", 409},
        {errc::not_retryable, "NOT_RETRYABLE", 409}, {errc::version_conflict, "VERSION_CONFLICT", 412},
        {errc::dependency_cycle, "DEP_002_CYCLE_DETECTED", 422}, {errc::unauthenticated, "UNAUTHENTICATED", 401},
        {errc::forbidden, "FORBIDDEN", 403}, {errc::method_not_allowed, "METHOD_NOT_ALLOWED", 405}, {errc::body_too_large, "BODY_TOO_LARGE", 413},
        {errc::headers_too_large, "HEADERS_TOO_LARGE", 431}, {errc::unsupported_media_type, "UNSUPPORTED_MEDIA_TYPE", 415}, {errc::request_timeout, "REQUEST_TIMEOUT", 408},
        {errc::policy_violation, "POLICY_VIOLATION", 422}, {errc::budget_exceeded, "BUDGET_EXCEEDED", 429}, {errc::rate_limited, "RATE_LIMITED", 429}, {errc::overloaded, "OVERLOADED", 503},
        {errc::database_unavailable, "DATABASE_UNAVAILABLE", 503}, {errc::stopping, "STOPPING", 503}, {errc::lease_lost, "LEASE_LOST", 503}, {errc::internal, "INTERNAL", 500}}));
    INFO(r.name);
    CHECK(kind_of(r.code).code == r.name);
    const auto answer = problem({r.code, "why"});
    CHECK(answer.status == r.status);
    CHECK(answer.content_type == problem_type);
    const auto body = parse_json(answer.body)->as_object();
    CHECK(body.at("code").as_string() == r.name);
    CHECK(body.at("status").as_int64() == r.status);
    CHECK(body.at("detail").as_string() == "why");
    CHECK(!body.at("title").as_string().empty());
    CHECK((answer.headers.find("Retry-After: ") != std::string::npos) == (r.status == 429 || r.status == 503));
    CHECK((answer.headers.find("WWW-Authenticate: Bearer") != std::string::npos) == (r.status == 401));
}

TEST_CASE("a job that a body names and that is not there is a refused field", "[unit][api]")
{
    const error e{errc::job_not_found, "There is no job x.", {{"job_id", "\"x\"", "is not the id of a job"}}};
    const auto body = parse_json(problem(e).body)->as_object();
    CHECK(body.at("status").as_int64() == 422);
    CHECK(body.at("code").as_string() == "JOB_NOT_FOUND");
    const auto& first = body.at("errors").as_array().at(0).as_object();
    CHECK(first.at("field").as_string() == "job_id");
    CHECK(first.at("value").as_string() == "x");
}

TEST_CASE("a refused value is shown as it was given, or as text where it was cut", "[unit][api]")
{
    const error e{errc::invalid_request, "", {{"a", "", "is required"}, {"b", "{\"n\":1}", "no"}, {"c", "\"xxx...", "too long"}}};
    const auto errors = parse_json(problem(e).body)->as_object().at("errors").as_array();
    CHECK(errors.at(0).as_object().at("value").is_null());
    CHECK(errors.at(1).as_object().at("value").as_object().at("n").as_int64() == 1);
    CHECK(errors.at(2).as_object().at("value").as_string() == "\"xxx...");
}

TEST_CASE("a cycle has a path, and a type that is spelled like the others", "[unit][api]")
{
    const error e{errc::dependency_cycle, "", {{"nodes[1].needs[0]", "", "closes a cycle", {"a", "b", "a"}}, {"nodes[2].node_id", "", "is required"}}};
    const auto body = parse_json(problem(e).body)->as_object();
    CHECK(body.at("type").as_string() == "urn:rowlock:problem:dep-002-cycle-detected");
    CHECK(body.at("errors").as_array().at(0).as_object().at("cycle_path") == boost::json::array{"a", "b", "a"});
    CHECK_FALSE(body.at("errors").as_array().at(1).as_object().contains("cycle_path"));
}

TEST_CASE("Retry-After says what the error says, and at least a second", "[unit][api]")
{
    CHECK(problem({errc::overloaded, "", {}, std::chrono::seconds{7}}).headers == "Retry-After: 7\r\n");
    CHECK(problem({errc::overloaded, "", {}, std::chrono::seconds{0}}).headers == "Retry-After: 1\r\n");
}
