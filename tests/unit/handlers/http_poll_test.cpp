#include "runtime/handlers/handlers.hpp"

#include "tests/unit/handlers/http_text.hpp"
#include "tests/unit/handlers/recorded_attempt.hpp"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <map>

using namespace rowlock;
using namespace rowlock::runtime;
using namespace rowlock::test;
namespace json = boost::json;

namespace {

constexpr milliseconds soon{1};

// A target that starts a job with 202 and gives the statuses in turn, the last one again and again.
class polled_target {
public:
    explicit polled_target(std::vector<scripted_reply> statuses, scripted_reply start = reply_with(202, "Location: /jobs/7\r\n", R"({"id": "7"})"))
        : statuses_(std::move(statuses)), start_(std::move(start)), server_([this](const std::string& request) { return answer(request); })
    {
    }

    std::string url() const { return server_.url("/jobs"); }
    scripted_server& server() { return server_; }
    // What to answer POST /cancel with, and what to do then.
    std::function<scripted_reply()> on_cancel = [] { return reply_with(202, "", ""); };
    std::function<void(int look)> on_look = [](int) {};
    std::vector<std::string> asked(std::string_view line) const
    {
        std::vector<std::string> out;
        for (const auto& each : server_.requests()) {
            if (line_of(each).starts_with(line)) out.push_back(each);
        }
        return out;
    }

private:
    scripted_reply answer(const std::string& request)
    {
        if (line_of(request).starts_with("POST /cancel")) return on_cancel();
        if (line_of(request).starts_with("POST")) return start_;
        const int look = looks_++;
        on_look(look);
        return statuses_[std::min(static_cast<std::size_t>(look), statuses_.size() - 1)];
    }

    std::vector<scripted_reply> statuses_;
    scripted_reply start_;
    std::atomic<int> looks_{0};
    scripted_server server_;
};

scripted_reply status(std::string_view body)
{
    return reply_with(200, "", body);
}

http_handler polling(const polled_target& target)
{
    return {.url = target.url(), .completion = http_completion::poll, .poll_interval = soon};
}

awaitable<result<status_answer>> answered(result<status_answer> with)
{
    co_return with;
}

}

TEST_CASE("a polled job is asked for its status until it has ended, over one connection", "[unit][http]")
{
    polled_target target({status(R"({"status": "QUEUED"})"), status(R"({"status": "RUNNING"})"), status(R"({"status": "COMPLETED", "outputs": {"rows": 3}, "records_processed": 3})")});
    auto handler = polling(target);
    handler.headers = {{"Authorization", "Bearer T"}, {"Content-Type", "application/json"}};
    recorded_attempt a{.handler = handler};
    const auto o = a.perform();
    CHECK(o.status == execution_status::completed);
    CHECK(o.outputs == R"({"rows":3})");
    CHECK(o.records_processed == 3);
    CHECK(a.heartbeats == 3);
    CHECK(target.server().connections() == 1);
    const auto looks = target.asked("GET /jobs/7 ");
    REQUIRE(looks.size() == 3);
    CHECK(says(looks[0], "Authorization: Bearer T"));
    CHECK(says(looks[0], "X-Rowlock-Execution-Id: " + a.id.str()));
    CHECK(looks[0].find("Idempotency-Key") == std::string::npos);
    CHECK(looks[0].find("Content-Type") == std::string::npos);
}

TEST_CASE("the status URL is the definition's with its templates, else the Location of the first answer", "[unit][http]")
{
    struct row {
        const char* why;
        std::string status_url;
        std::string start_headers;
        std::string start_body;
        std::string expected;                        // the request line; empty: INVALID_RESULT
    };
    const auto r = GENERATE(values<row>({
        {"Location", "", "Location: /jobs/7\r\n", "", "GET /jobs/7 HTTP/1.1"},
        {"Location, relative to the address", "", "Location: 7?full=1\r\n", "", "GET /7?full=1 HTTP/1.1"},
        {"a member of the answer", "/status/{{ reply.id }}", "", R"({"id": 7})", "GET /status/7 HTTP/1.1"},
        {"a member of a member", "/status/{{ reply.job.id }}/{{ parameters.p }}", "Location: /elsewhere\r\n", R"({"job": {"id": "a b"}})", "GET /status/a%20b/q HTTP/1.1"},
        {"the answer says where", "{{ reply.where }}", "", R"({"where": "/here"})", "GET /here HTTP/1.1"},
        {"nothing says where", "", "", R"({"id": 7})", ""},
        {"the answer lacks the member", "/status/{{ reply.id }}", "Location: /x\r\n", "{}", ""},
        {"the answer is no object", "/status/{{ reply.id }}", "Location: /x\r\n", "7", ""},
        {"what the answer says is no address", "{{ reply.where }}", "", R"({"where": "file:///etc/passwd"})", ""},
    }));
    INFO(r.why);
    polled_target target({status(R"({"status": "DONE"})")}, reply_with(202, r.start_headers, r.start_body));
    auto handler = polling(target);
    handler.status_url = r.status_url;
    recorded_attempt a{.handler = handler, .parameters = R"({"p": "q"})"};
    const auto o = a.perform();
    CHECK(o.error_code == (r.expected.empty() ? "INVALID_RESULT" : ""));
    CHECK(target.server().requests().size() == (r.expected.empty() ? 1 : 2));
    if (!r.expected.empty()) CHECK(line_of(target.server().requests().at(1)) == r.expected);
}

TEST_CASE("where the answer leads to another origin, that does not learn what the definition's headers hold", "[unit][http]")
{
    polled_target other({status(R"({"status": "DONE"})")});
    const bool is_written = GENERATE(true, false);
    polled_target target({}, reply_with(202, "", R"({"where": ")" + other.server().url("/s") + R"("})"));
    auto handler = polling(target);
    handler.headers = {{"Authorization", "Bearer T"}};
    handler.status_url = is_written ? other.server().url("/s") : "{{ reply.where }}";
    recorded_attempt a{.handler = handler};
    CHECK(a.perform().status == execution_status::completed);
    CHECK(says(other.server().requests().at(0), "Authorization: Bearer T") == is_written);
}

TEST_CASE("a start that is not accepted ends the attempt as any reply does", "[unit][http]")
{
    polled_target target({status("{}")}, reply_with(429, "Retry-After: 9\r\n", ""));
    recorded_attempt a{.handler = polling(target)};
    const auto o = a.perform();
    CHECK(o.error_code == "RATE_LIMITED");
    CHECK(o.retry_after == std::chrono::seconds{9});
    CHECK(target.server().requests().size() == 1);
}

TEST_CASE("a job that fails at its target fails with the target's own error", "[unit][http]")
{
    polled_target target({status(R"({"state": "error", "error_code": "SOURCE_GONE", "error_message": "no such bucket", "records_processed": 5})")});
    recorded_attempt a{.handler = polling(target)};
    const auto o = a.perform();
    CHECK(o.status == execution_status::failed);
    CHECK(o.error_code == "SOURCE_GONE");
    CHECK(o.error_message == "no such bucket");
    CHECK(o.records_processed == 5);
}

TEST_CASE("bad answers are repeated, and five in a row fail the attempt with the last one's error", "[unit][http]")
{
    struct row {
        const char* why;
        scripted_reply bad;
        std::string code;
    };
    const auto r = GENERATE(values<row>({
        {"5xx", reply_with(503, "", "busy"), "HTTP_503"},
        {"no object", reply_with(200, "", "[1]"), "INVALID_RESULT"},
        {"no JSON", reply_with(200, "", "<html>"), "INVALID_RESULT"},
        {"too long", reply_with(200, "", std::string(3000, ' ')), "OUTPUT_LIMIT"},
        {"no answer", {"", true}, "CONNECTION_FAILED"},
    }));
    INFO(r.why);
    const auto running = status(R"({"status": "RUNNING"})");
    polled_target recovers({r.bad, r.bad, r.bad, r.bad, running, r.bad, r.bad, r.bad, r.bad, status(R"({"status": "DONE"})")});
    auto handler = polling(recovers);
    handler.response_limit_bytes = 2000;
    recorded_attempt a{.handler = handler};
    CHECK(a.perform().status == execution_status::completed);
    CHECK(a.heartbeats == 2);

    polled_target stays({running, r.bad});
    handler.url = stays.url();
    recorded_attempt b{.handler = handler};
    const auto o = b.perform();
    CHECK(o.status == execution_status::failed);
    CHECK(o.error_code == r.code);
    CHECK_THAT(o.error_message, Catch::Contains("5 bad answers"));
    CHECK(b.heartbeats == 1);
}

TEST_CASE("a status URL that is not there any more fails the attempt at once", "[unit][http]")
{
    const int code = GENERATE(404, 410);
    polled_target target({status(R"({"status": "RUNNING"})"), reply_with(code, "", "")});
    recorded_attempt a{.handler = polling(target)};
    CHECK(a.perform().error_code == "HTTP_" + std::to_string(code));
    CHECK(target.asked("GET").size() == 2);
}

TEST_CASE("a status that dribbles in has a limit of its own", "[unit][http]")
{
    polled_target target({scripted_reply{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"}});
    recorded_attempt a{.handler = polling(target)};
    a.http.longest_look = std::chrono::milliseconds{30};
    const auto o = a.perform();
    CHECK(o.error_code == "CONNECTION_FAILED");
    CHECK_THAT(o.error_message, Catch::Contains("in time"));
}

TEST_CASE("a target that asks for patience gets it, before the first look and after a 429", "[unit][http]")
{
    polled_target target({reply_with(429, "Retry-After: 1\r\n", ""), status(R"({"status": "DONE"})")}, reply_with(202, "Location: /jobs/7\r\nRetry-After: 1\r\n", ""));
    recorded_attempt a{.handler = polling(target)};
    const auto before = steady_clock::now();
    CHECK(a.perform().status == execution_status::completed);
    CHECK(steady_clock::now() - before >= std::chrono::seconds{2});
}

TEST_CASE("predicates and progress are asked together, of the status body", "[unit][http]")
{
    polled_target target({status(R"({"phase": "a"})"), status(R"({"phase": "b"})")});
    auto handler = polling(target);
    handler.success = "$.phase == \"b\"";
    handler.failure = "$.phase == \"c\"";
    handler.progress = "$.done";
    recorded_attempt a{.handler = handler};
    std::vector<status_question> asked;
    a.http.evaluate = [&asked](status_question question) {
        asked.push_back(question);
        return answered(status_answer{question.body == R"({"phase":"b"})", false, 0.5 * static_cast<double>(asked.size())});
    };
    const auto o = a.perform();
    CHECK(o.status == execution_status::completed);
    CHECK(o.outputs == R"({"phase":"b"})");
    REQUIRE(asked.size() == 2);
    CHECK(asked[0].body == R"({"phase":"a"})");
    CHECK(asked[0].success == handler.success);
    CHECK(asked[0].progress == handler.progress);
    CHECK(a.progress == std::vector<double>{0.5, 1.0});
}

TEST_CASE("a predicate that has no boolean answer makes a bad answer, and a database that is away does not", "[unit][http]")
{
    polled_target target({status(R"({"phase": "a"})")});
    auto handler = polling(target);
    handler.success = "$.phase";
    recorded_attempt a{.handler = handler};
    int asked = 0;
    const bool in_error = GENERATE(true, false);
    a.http.evaluate = [&asked, in_error](status_question) {
        // Ten times the database is away, which counts for nothing.
        if (++asked <= 10) return answered(error{errc::database_unavailable, "away"});
        return in_error ? answered(error{errc::invalid_request, "no path"}) : answered(status_answer{});
    };
    const auto o = a.perform();
    CHECK(o.error_code == "INVALID_RESULT");
    CHECK(asked == 15);
    CHECK(a.heartbeats == 10);
}

TEST_CASE("a stop calls the cancel URL, and is graceful where the job then ends", "[unit][http]")
{
    struct row {
        const char* why;
        bool has_cancel_url;
        int cancel_status;
        bool ends;
        std::string termination;
    };
    const auto r = GENERATE(values<row>({
        {"it is told, and ends", true, 202, true, "GRACEFUL"},
        {"it is told, and goes on", true, 202, false, "FORCED"},
        {"it will not be told", true, 500, true, "FORCED"},
        {"there is nowhere to tell it", false, 0, true, "FORCED"},
    }));
    INFO(r.why);
    std::atomic<bool> cancelled{false};
    recorded_attempt a;
    scripted_server target([&](const std::string& request) {
        if (line_of(request) == "POST /cancel/7 HTTP/1.1") {
            cancelled = r.ends;
            return reply_with(r.cancel_status, "", "");
        }
        if (line_of(request).starts_with("POST")) return reply_with(202, "Location: /jobs/7\r\n", R"({"id": 7})");
        if (!cancelled) a.stop(stop_reason::timeout);
        return status(cancelled ? R"({"status": "CANCELLED"})" : R"({"status": "RUNNING"})");
    });
    a.http.grace = std::chrono::milliseconds{r.ends ? 30'000 : 50};
    http_handler handler{.url = target.url("/jobs"), .headers = {{"X-Key", "k"}}, .completion = http_completion::poll, .poll_interval = soon};
    if (r.has_cancel_url) handler.cancel_url = "/cancel/{{ reply.id }}";
    a.handler = handler;
    const auto o = a.perform();
    CHECK(o.status == execution_status::timeout);
    CHECK(o.termination == r.termination);
    std::vector<std::string> told;
    for (const auto& each : target.requests()) {
        if (line_of(each).starts_with("POST /cancel")) told.push_back(each);
    }
    REQUIRE(told.size() == (r.has_cancel_url ? 1 : 0));
    if (told.empty()) return;
    const json::value expected{{"execution_id", a.id.str()}, {"run_id", a.run_id.str()}, {"reason", "TIMEOUT"}};
    CHECK(json::parse(body_of(told[0])) == expected);
    CHECK(says(told[0], "X-Key: k"));
    // The key of the start would make it a repeat of that.
    CHECK_FALSE(says(told[0], "Idempotency-Key: " + a.run_id.str()));
    CHECK(a.system.empty() == (r.cancel_status == 202));
}

TEST_CASE("a job that goes on elsewhere is not told to stop", "[unit][http]")
{
    const auto why = GENERATE(stop_reason::handed_back, stop_reason::lease_lost);
    recorded_attempt a;
    scripted_server target([&](const std::string& request) {
        if (line_of(request).starts_with("POST")) return reply_with(202, "Location: /jobs/7\r\n", "");
        a.stop(why);
        return status("{}");
    });
    a.handler = http_handler{.url = target.url("/jobs"), .completion = http_completion::poll, .poll_interval = soon, .cancel_url = "/cancel"};
    a.perform();
    for (const auto& each : target.requests()) CHECK_FALSE(line_of(each).starts_with("POST /cancel"));
}

TEST_CASE("an attempt that is to stop before it has called its target tells it nothing", "[unit][http]")
{
    const auto completion = GENERATE(http_completion::reply, http_completion::poll);
    scripted_server target([](const std::string&) { return reply_with(200, "", ""); });
    recorded_attempt a{.handler = http_handler{.url = target.url("/jobs"), .completion = completion, .cancel_url = "/cancel"}};
    // Runs before the attempt does.
    a.stop(stop_reason::cancelled);
    const auto o = a.perform();
    CHECK(o.status == execution_status::cancelled);
    CHECK(o.termination == "GRACEFUL");
    CHECK(target.requests().empty());
}

TEST_CASE("a call for its reply that is to stop calls the cancel URL too", "[unit][http]")
{
    recorded_attempt a;
    scripted_server target([&](const std::string& request) {
        if (line_of(request).starts_with("POST /cancel")) return reply_with(200, "", "");
        a.stop(stop_reason::cancelled);
        return scripted_reply{};
    });
    a.handler = http_handler{.url = target.url("/jobs"), .cancel_url = "/cancel"};
    const auto o = a.perform();
    CHECK(o.status == execution_status::cancelled);
    CHECK(o.termination == "GRACEFUL");
    CHECK(target.requests().size() == 2);
}
