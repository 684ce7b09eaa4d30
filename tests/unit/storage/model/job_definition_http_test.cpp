#include "tests/unit/storage/model/definition_text.hpp"

#include "storage/model/http_address.hpp"
#include "storage/model/json_text.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;
using namespace std::chrono_literals;

namespace {

std::string http_with(std::string_view members)
{
    return with_handler(R"({"type":"http","url":"http://x/jobs",)" + std::string(members) + "}");
}

http_handler good_http(std::string_view members)
{
    return std::get<http_handler>(good(http_with(members)).handler);
}

}

TEST_CASE("an http job's three ways to learn of its end are read", "[unit][definition][handler]")
{
    CHECK(good_http(R"("completion":"reply")").completion == http_completion::reply);
    CHECK(good_http(R"("method":"POST")").completion == http_completion::reply);
    CHECK(good_http(R"("completion":"webhook")").completion == http_completion::webhook);
    const auto polled = good_http(R"("completion":"poll","status_url":"/jobs/{{ reply.id }}","poll_interval_seconds":0.1,"success":"$.state == \"DONE\"","failure":"$.state == \"BAD\"",
        "progress":"$.done","cancel_url":"http://x/jobs/{{ reply.id }}/cancel")");
    CHECK(polled.completion == http_completion::poll);
    CHECK(polled.status_url == "/jobs/{{ reply.id }}");
    CHECK(polled.poll_interval == 100ms);
    CHECK(polled.success == R"($.state == "DONE")");
    CHECK(polled.failure == R"($.state == "BAD")");
    CHECK(polled.progress == "$.done");
    CHECK(polled.cancel_url == "http://x/jobs/{{ reply.id }}/cancel");
    const auto plain = good_http(R"("completion":"poll")");
    CHECK(plain.status_url.empty());
    CHECK(plain.poll_interval == 5s);
}

TEST_CASE("polling that could not work is refused", "[unit][definition][handler]")
{
    struct row { std::string members; names fields; };
    const auto r = GENERATE(values<row>({
        {R"("completion":"later")", {"handler.completion"}},
        {R"("completion":"later","success":"$.a")", {"handler.completion"}},
        {R"("completion":"poll","status_url":"jobs/1")", {"handler.status_url"}},
        {R"("completion":"poll","status_url":"//other/jobs/1")", {"handler.status_url"}},
        {R"("completion":"poll","status_url":"ftp://x/jobs/1")", {"handler.status_url"}},
        {R"("completion":"poll","status_url":"/jobs/{{ reply.id")", {"handler.status_url"}},
        {R"("completion":"poll","status_url":"/jobs/a b")", {"handler.status_url"}},
        {R"("completion":"poll","status_url":"")", {"handler.status_url"}},
        {R"("completion":"poll","poll_interval_seconds":0.099)", {"handler.poll_interval_seconds"}},
        {R"("completion":"poll","success":1,"failure":"","progress":[]})", {"handler.failure", "handler.progress", "handler.success"}},
        {R"("cancel_url":"nowhere")", {"handler.cancel_url"}},
        {R"("status_url":"/s","poll_interval_seconds":5,"success":"$.a","failure":"$.b","progress":"$.c")",
         {"handler.failure", "handler.poll_interval_seconds", "handler.progress", "handler.status_url", "handler.success"}},
        {R"("completion":"webhook","success":"$.a")", {"handler.success"}},
    }));
    INFO(r.members);
    std::string text = http_with(r.members);
    if (r.members.ends_with("}")) text.pop_back();
    CHECK(fields_of(text) == r.fields);
}

TEST_CASE("who waits for one reply hears no heartbeats", "[unit][definition][handler][heartbeat]")
{
    const auto with = [](std::string_view completion) {
        return R"({"handler":{"type":"http","url":"http://x/","completion":")" + std::string(completion) + R"("},"heartbeat_interval_seconds":5})";
    };
    CHECK(fields_of(with("reply")) == names{"heartbeat"});
    CHECK(good(with("poll")).heartbeat->interval == 5s);
    CHECK(good(with("webhook")).heartbeat->interval == 5s);
}

TEST_CASE("hooks before and after the work are read", "[unit][definition][hooks]")
{
    const auto d = good(noop_with(R"("hooks":{"before":{"url":"http://cache/{{ parameters.table }}/warm","method":"put","headers":{"X-A":"b"},"body":{"k":1},"timeout_seconds":2.5},
        "after":{"url":"http://cache/x"}})"));
    REQUIRE(d.before);
    CHECK(d.before->url == "http://cache/{{ parameters.table }}/warm");
    CHECK(d.before->method == "PUT");
    CHECK(d.before->headers.at("X-A") == "b");
    CHECK(to_text(*d.before->body) == R"({"k":1})");
    CHECK(d.before->timeout == 2500ms);
    REQUIRE(d.after);
    CHECK(d.after->method == "POST");
    CHECK(d.after->timeout == 30s);
    CHECK_FALSE(d.after->body);
    const auto none = good(noop_with(R"("hooks":{})"));
    CHECK_FALSE(none.before);
    CHECK_FALSE(none.after);
}

TEST_CASE("hooks that could not be sent are refused", "[unit][definition][hooks]")
{
    CHECK(fields_of(noop_with(R"("hooks":{"before":{"method":"BREW","timeout_seconds":0},"after":{"url":"x","body":1,"method":"GET"},"during":{}})"))
          == names{"hooks.after.body", "hooks.after.url", "hooks.before.method", "hooks.before.timeout_seconds", "hooks.before.url", "hooks.during"});
    CHECK(fields_of(noop_with(R"("hooks":[])")) == names{"hooks"});
    CHECK(fields_of(noop_with(R"("hooks":{"before":"http://x/"})")) == names{"hooks.before"});
    CHECK(fields_of(noop_with(R"("hooks":{"before":{"url":"http://x/","headers":{"host":"y"}}})")) == names{"hooks.before.headers.host"});
}

TEST_CASE("the target of an address is its host and port, where they are written out", "[unit][definition][handler]")
{
    struct row { std::string url; std::optional<std::string> target; };
    const auto r = GENERATE(values<row>({
        {"http://Example.ORG/a", "example.org:80"},
        {"HTTPS://example.org?x=1", "example.org:443"},
        {"http://example.org:8080", "example.org:8080"},
        {"http://[FE80::1]/x", "[fe80::1]:80"},
        {"https://[::1]:8443/x", "[::1]:8443"},
        {"http://x/{{ parameters.path }}", "x:80"},
        {"http://{{ parameters.host }}/", std::nullopt},
        {"http://x:{{ parameters.port }}/", std::nullopt},
        {"{{ parameters.url }}", std::nullopt},
    }));
    INFO(r.url);
    CHECK(written_target(r.url) == r.target);
}
