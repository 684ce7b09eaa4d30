#include "runtime/handlers/handlers.hpp"

#include "tests/unit/handlers/http_text.hpp"
#include "tests/unit/handlers/recorded_attempt.hpp"

#include <boost/asio/post.hpp>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::runtime;
using namespace rowlock::test;
namespace json = boost::json;

namespace {

std::vector<std::string> lines_of(const scripted_server& server)
{
    std::vector<std::string> lines;
    for (const auto& each : server.requests()) lines.push_back(line_of(each).substr(0, line_of(each).rfind(' ')));
    return lines;
}

}

TEST_CASE("work with hooks is not done at once", "[unit][hooks]")
{
    auto job = std::make_shared<job_version>();
    job->definition.handler = noop_handler{};
    CHECK(outcome_at_once({.job = job}));
    job->definition.before = http_hook{.url = "http://h/"};
    CHECK_FALSE(outcome_at_once({.job = job}));
    job->definition.before.reset();
    job->definition.after = http_hook{.url = "http://h/"};
    CHECK_FALSE(outcome_at_once({.job = job}));
}

TEST_CASE("a hook is sent before the work and another one after it, with its status", "[unit][hooks]")
{
    scripted_server server([](const std::string&) { return reply_with(200, "", "{}"); });
    recorded_attempt a{.handler = http_handler{.url = server.url("/work")},
                       .before = http_hook{.url = server.url("/warm/{{ parameters.table }}"), .headers = {{"X-Key", "{{ parameters.table }}"}}},
                       .after = http_hook{.url = server.url("/done")},
                       .parameters = R"({"table": "t1"})"};
    CHECK(a.perform().status == execution_status::completed);
    CHECK(lines_of(server) == std::vector<std::string>{"POST /warm/t1", "POST /work", "POST /done"});
    const auto requests = server.requests();
    json::object expected{{"execution_id", a.id.str()}, {"run_id", a.run_id.str()}, {"job_id", "a-job"}, {"attempt_number", 1}};
    CHECK(json::parse(body_of(requests[0])) == json::value(expected));
    CHECK(says(requests[0], "X-Key: t1"));
    CHECK(says(requests[0], "X-Rowlock-Execution-Id: " + a.id.str()));
    expected["status"] = "COMPLETED";
    CHECK(json::parse(body_of(requests[2])) == json::value(expected));
}

TEST_CASE("without the hook before it the work is not done", "[unit][hooks]")
{
    struct row {
        const char* why;
        int status;
        std::string url;
        std::string says;
    };
    const auto r = GENERATE(values<row>({
        {"it is refused", 503, "", "503"},
        {"it is sent elsewhere for ever", 302, "", "302"},
        {"nobody is there", 200, "http://127.0.0.1:1/", "cannot connect"},
        {"a parameter is missing", 200, "http://127.0.0.1:1/{{ parameters.x }}", "names nothing"},
    }));
    INFO(r.why);
    scripted_server server([&](const std::string&) { return reply_with(r.status, "Location: /again\r\n", ""); });
    recorded_attempt a{.handler = http_handler{.url = server.url("/work")},
                       .before = http_hook{.url = r.url.empty() ? server.url("/warm") : r.url, .method = "GET"},
                       .after = http_hook{.url = server.url("/done")}};
    const auto o = a.perform();
    CHECK(o.status == execution_status::failed);
    CHECK(o.error_code == "HOOK_FAILED");
    CHECK_THAT(o.error_message, Catch::Contains("hooks.before") && Catch::Contains(r.says));
    for (const auto& line : lines_of(server)) CHECK((line != "POST /work" && line != "POST /done"));
}

TEST_CASE("a hook has a time of its own", "[unit][hooks]")
{
    scripted_server server([](const std::string&) { return scripted_reply{}; });
    recorded_attempt a{.handler = noop_handler{}, .before = http_hook{.url = server.url("/warm"), .timeout = milliseconds{30}}};
    CHECK(a.perform().error_code == "HOOK_FAILED");
}

TEST_CASE("a hook after the work changes nothing, whatever becomes of it", "[unit][hooks]")
{
    const bool is_there = GENERATE(true, false);
    scripted_server server([](const std::string&) { return reply_with(500, "", "no"); });
    recorded_attempt a{.handler = noop_handler{}, .after = http_hook{.url = is_there ? server.url("/done") : "http://127.0.0.1:1/"}};
    CHECK(a.perform().status == execution_status::completed);
    CHECK_THAT(a.system, Catch::Contains("hooks.after failed") && Catch::EndsWith("\n"));
}

TEST_CASE("the hook after the work is told of failures and of stops, but not of an attempt that goes on elsewhere", "[unit][hooks]")
{
    struct row {
        const char* why;
        handler_spec handler;
        stop_reason stop;
        std::string status;                          // empty: not told
    };
    const auto r = GENERATE(values<row>({
        {"a failure", fail_handler{.error_code = "ODD"}, stop_reason::none, "FAILED"},
        {"a timeout", sleep_handler{std::chrono::hours{1}}, stop_reason::timeout, "TIMEOUT"},
        {"a cancel", sleep_handler{std::chrono::hours{1}}, stop_reason::cancelled, "CANCELLED"},
        {"silence", sleep_handler{std::chrono::hours{1}}, stop_reason::heartbeat_lost, "FAILED"},
        {"handed back", sleep_handler{std::chrono::hours{1}}, stop_reason::handed_back, ""},
        {"lost", sleep_handler{std::chrono::hours{1}}, stop_reason::lease_lost, ""},
    }));
    INFO(r.why);
    recorded_attempt a;
    scripted_server server([](const std::string&) { return reply_with(200, "", ""); });
    a.handler = r.handler;
    a.after = http_hook{.url = server.url("/done")};
    // Runs first, and has the stop run once the work waits.
    if (r.stop != stop_reason::none) boost::asio::post(a.core.executor(), [&a, &r] { a.stop(r.stop); });
    const auto o = a.perform();
    if (r.status.empty()) {
        CHECK(server.requests().empty());
    } else {
        REQUIRE(server.requests().size() == 1);
        CHECK(json::parse(body_of(server.requests()[0])).at("status") == json::value(r.status));
    }
    CHECK(o.status != execution_status::completed);
}

TEST_CASE("work that has ended is not handed back because the hook after it is slow, and the hook is cut short", "[unit][hooks]")
{
    recorded_attempt a;
    scripted_server server([&](const std::string&) {
        a.stop(stop_reason::handed_back);
        return scripted_reply{};
    });
    a.handler = noop_handler{};
    a.after = http_hook{.url = server.url("/done")};
    CHECK(a.perform().status == execution_status::completed);
    CHECK(a.running_stopped == stop_reason::none);
    CHECK_THAT(a.system, Catch::Contains("hooks.after failed"));
}

TEST_CASE("a stop while the hook before the work is sent is a stop", "[unit][hooks]")
{
    recorded_attempt a;
    scripted_server server([&](const std::string&) {
        a.stop(stop_reason::cancelled);
        return scripted_reply{};
    });
    a.handler = noop_handler{};
    a.before = http_hook{.url = server.url("/warm")};
    CHECK(a.perform().status == execution_status::cancelled);
}
