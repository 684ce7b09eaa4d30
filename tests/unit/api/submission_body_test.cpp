#include "api/submission_body.hpp"

#include "storage/model/json_text.hpp"

#include <boost/json/value.hpp>
#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::api;

namespace {

std::vector<std::string> refused_fields(const std::string& text, bool batch = false)
{
    const auto parsed = parse_json(text);
    REQUIRE(parsed.has_value());
    const auto& body = parsed->as_object();
    field_errors errors;
    submission_body one;
    std::vector<submission_body> many;
    if (batch) {
        read_batch(body, errors, many);
    } else {
        read_submission(body, "", errors, one);
    }
    refuse_nul(body, text, errors);
    std::vector<std::string> fields;
    if (errors.empty()) return fields;
    for (const auto& each : std::move(errors).take("It").fields) fields.push_back(each.field);
    return fields;
}

std::string key_request(const std::string& text)
{
    const auto parsed = parse_json(text);
    REQUIRE(parsed.has_value());
    field_errors errors;
    submission_body given;
    read_submission(parsed->as_object(), "", errors, given);
    REQUIRE(errors.empty());
    std::string out;
    append_key_request(out, given);
    return out;
}

}

TEST_CASE("a submission with everything is read whole", "[unit][api]")
{
    const auto parsed = parse_json(R"({"job_id":"ingest","parameters":{"n":1},"priority":-1000,"scheduled_time":"2026-01-31T09:30:00Z","idempotency_key":"k!",
        "correlation_id":"c","job_version":3,"tags":{"a":"b"},"ignore_dependencies":true})");
    field_errors errors;
    submission_body given;
    read_submission(parsed->as_object(), "", errors, given);
    CHECK(errors.empty());
    CHECK(given.job_id == "ingest");
    CHECK(given.parameters->at("n").as_int64() == 1);
    CHECK(given.priority == -1000);
    CHECK(given.scheduled_time == parse_rfc3339("2026-01-31T09:30:00Z"));
    CHECK(given.idempotency_key == "k!");
    CHECK(given.correlation_id == "c");
    CHECK(given.job_version == 3);
    CHECK(given.tags->size() == 1);
    CHECK(given.ignore_dependencies);
}

TEST_CASE("null is the same as left out", "[unit][api]")
{
    CHECK(refused_fields(R"({"job_id":"a","parameters":null,"priority":null,"scheduled_time":null,"idempotency_key":null,"correlation_id":null,"job_version":null,"tags":null,"ignore_dependencies":null})").empty());
}

TEST_CASE("each wrong field of a submission is refused by its name", "[unit][api]")
{
    struct row { const char* why; std::string body; std::vector<std::string> fields; };
    const std::string long_text(256, 'x');
    std::string many_tags = R"({"job_id":"a","tags":{)";
    for (int i = 0; i < 65; ++i) many_tags += (i ? ",\"t" : "\"t") + std::to_string(i) + "\":\"\"";
    many_tags += "}}";
    auto r = GENERATE_REF(values<row>({
        {"no job", "{}", {"job_id"}},
        {"a job that is null", R"({"job_id":null})", {"job_id"}},
        {"a job that is a number", R"({"job_id":7})", {"job_id"}},
        {"a job that is no slug", R"({"job_id":"No Slug"})", {"job_id"}},
        {"an unknown field", R"({"job_id":"a","prioritty":1})", {"prioritty"}},
        {"an unknown field that is null", R"({"job_id":"a","prioritty":null})", {"prioritty"}},
        {"parameters that are a list", R"({"job_id":"a","parameters":[1]})", {"parameters"}},
        {"priority too high", R"({"job_id":"a","priority":1001})", {"priority"}},
        {"priority too low", R"({"job_id":"a","priority":-1001})", {"priority"}},
        {"priority that is not whole", R"({"job_id":"a","priority":1.5})", {"priority"}},
        {"priority that is text", R"({"job_id":"a","priority":"1"})", {"priority"}},
        {"a time that is none", R"({"job_id":"a","scheduled_time":"tomorrow"})", {"scheduled_time"}},
        {"a time without a zone", R"({"job_id":"a","scheduled_time":"2026-01-31T09:30:00"})", {"scheduled_time"}},
        {"a time that is a number", R"({"job_id":"a","scheduled_time":1})", {"scheduled_time"}},
        {"an empty key", R"({"job_id":"a","idempotency_key":""})", {"idempotency_key"}},
        {"a key with a space", R"({"job_id":"a","idempotency_key":"a b"})", {"idempotency_key"}},
        {"a key beyond ASCII", R"({"job_id":"a","idempotency_key":"ä"})", {"idempotency_key"}},
        {"a long key", R"({"job_id":"a","idempotency_key":")" + long_text + "\"}", {"idempotency_key"}},
        {"a long correlation id", R"({"job_id":"a","correlation_id":")" + long_text + "\"}", {"correlation_id"}},
        {"version 0", R"({"job_id":"a","job_version":0})", {"job_version"}},
        {"dependencies that are ignored as text", R"({"job_id":"a","ignore_dependencies":"true"})", {"ignore_dependencies"}},
        {"tags that are a list", R"({"job_id":"a","tags":["x"]})", {"tags"}},
        {"a tag that is a number", R"({"job_id":"a","tags":{"x":1}})", {"tags.x"}},
        {"too many tags", many_tags, {"tags"}},
        {"a NUL in parameters", R"({"job_id":"a","parameters":{"list":[1,{"x":"a\u0000b"}]}})", {"parameters.list[1].x"}},
        {"two at once", R"({"priority":2000,"job_id":"a","tags":3})", {"priority", "tags"}}}));
    INFO(r.why);
    CHECK(refused_fields(r.body) == r.fields);
}

TEST_CASE("each wrong submission of a batch is named by its place", "[unit][api]")
{
    struct row { const char* why; std::string body; std::vector<std::string> fields; };
    auto r = GENERATE(values<row>({
        {"right", R"({"executions":[{"job_id":"a"},{"job_id":"b","idempotency_key":"k"}]})", {}},
        {"nothing", "{}", {"executions"}},
        {"no list", R"({"executions":{}})", {"executions"}},
        {"an empty list", R"({"executions":[]})", {"executions"}},
        {"beside the list", R"({"executions":[{"job_id":"a"}],"x":1})", {"x"}},
        {"not an object", R"({"executions":[{"job_id":"a"},7]})", {"executions[1]"}},
        {"wrong fields", R"({"executions":[{"job_id":"a"},{"job_id":"b","priority":"x"},{}]})", {"executions[1].priority", "executions[2].job_id"}},
        {"a key twice", R"({"executions":[{"job_id":"a","idempotency_key":"k"},{"job_id":"b","idempotency_key":"k"}]})", {"executions[1].idempotency_key"}}}));
    INFO(r.why);
    CHECK(refused_fields(r.body, true) == r.fields);
}

TEST_CASE("a batch has at most ten thousand submissions", "[unit][api]")
{
    std::string body = "{\"executions\":[{\"job_id\":\"a\"}";
    for (int i = 1; i < 10'000; ++i) body += ",{\"job_id\":\"a\"}";
    CHECK(refused_fields(body + "]}", true).empty());
    CHECK(refused_fields(body + ",{\"job_id\":\"a\"}]}", true) == std::vector<std::string>{"executions"});
}

TEST_CASE("repeats are compared after the request's own defaults", "[unit][api]")
{
    const std::string least = R"({"job_id":"a"})";
    CHECK(key_request(least) == least);
    CHECK(key_request(R"({"priority":0,"tags":{},"parameters":{},"scheduled_time":null,"job_id":"a","idempotency_key":"k"})") == least);
    CHECK(key_request(R"({"scheduled_time":"2026-01-31T10:30:00+01:00","priority":5,"job_id":"a"})")
          == key_request(R"({"job_id":"a","priority":5.0,"scheduled_time":"2026-01-31T09:30:00.000Z"})"));
    CHECK(key_request(R"({"job_id":"a","parameters":{"n":1}})") == R"({"job_id":"a","parameters":{"n":1}})");
    CHECK(key_request(R"({"job_id":"a","parameters":{"n":1}})") != key_request(R"({"job_id":"a","parameters":{"n":2}})"));
    CHECK(key_request(R"({"job_id":"a","job_version":1})") != least);
    CHECK(key_request(R"({"job_id":"a","ignore_dependencies":false})") == least);
    CHECK(key_request(R"({"job_id":"a","ignore_dependencies":true})") == R"({"job_id":"a","ignore_dependencies":true})");
    CHECK(parse_json(key_request(R"({"job_id":"a","correlation_id":"\"","tags":{"x":"\n"}})")).has_value());
}

TEST_CASE("parameters override the definition's at the top level", "[unit][api]")
{
    job_version job;
    job.definition.parameters = parse_json(R"({"a":1,"b":{"x":1,"y":2}})")->as_object();
    job.default_parameters = R"({"a":1,"b":{"x":1,"y":2}})";
    const auto own = parse_json(R"({"b":{"x":3},"c":null})")->as_object();
    CHECK(merge_parameters(job, nullptr) == job.default_parameters);
    CHECK(*parse_json(merge_parameters(job, &own)) == *parse_json(R"({"a":1,"b":{"x":3},"c":null})"));
    const job_version plain;
    CHECK(merge_parameters(plain, &own) == R"({"b":{"x":3},"c":null})");
}
