#include "runtime/handlers/handlers.hpp"

#include "tests/unit/handlers/http_text.hpp"
#include "tests/unit/handlers/recorded_attempt.hpp"

#include <boost/asio/post.hpp>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <mutex>

using namespace rowlock;
using namespace rowlock::runtime;
using namespace rowlock::test;
namespace json = boost::json;

namespace {

// Callbacks without a database: what the test says is what is reported.
struct fake_callbacks {
    explicit fake_callbacks(recorded_attempt& a) : attempt(a)
    {
        a.http.callbacks = {.open = [this](const assignment&, callback_functions::heard heard) { return open(std::move(heard)); },
                            .close = [this](execution_id) { ++closed; },
                            .leave = [this](execution_id) { ++left; }};
    }

    awaitable<result<callback_line>> open(callback_functions::heard heard)
    {
        if (failures_first > 0) {
            --failures_first;
            co_return error{errc::database_unavailable, "away"};
        }
        hears = std::move(heard);
        co_return callback_line{{"http://here/complete", "s3cret"}, ended_before};
    }
    // From any thread.
    void report(callback_report what)
    {
        boost::asio::post(attempt.core.executor(), [this, what] { hears(what); });
    }

    recorded_attempt& attempt;
    callback_functions::heard hears;
    std::optional<callback_report> ended_before{};
    int failures_first = 0;
    int closed = 0;
    int left = 0;
};

callback_report end(execution_status status, std::string body)
{
    return {status, std::nullopt, std::move(body)};
}

http_handler listening(const scripted_server& target)
{
    return {.url = target.url("/jobs"), .completion = http_completion::webhook};
}

}

TEST_CASE("a job that is ended by its target's report waits for it", "[unit][http]")
{
    recorded_attempt a;
    fake_callbacks callbacks(a);
    scripted_server target([&](const std::string&) {
        callbacks.report({execution_status::running, 0.25});
        callbacks.report({execution_status::running, std::nullopt});
        callbacks.report(end(execution_status::completed, R"({"outputs": {"rows": 3}, "records_processed": 3})"));
        return reply_with(202, "", "");
    });
    a.handler = listening(target);
    const auto o = a.perform();
    CHECK(o.status == execution_status::completed);
    CHECK(o.outputs == R"({"rows":3})");
    CHECK(o.records_processed == 3);
    CHECK(a.heartbeats >= 1);
    CHECK(a.progress == std::vector<double>{0.25});
    CHECK(callbacks.closed == 1);
    const auto body = json::parse(body_of(target.requests().at(0)));
    CHECK(body.at("callback_url") == "http://here/complete");
    CHECK(body.at("callback_secret") == "s3cret");
}

TEST_CASE("a body of the definition's own gets the callback by its templates", "[unit][http]")
{
    recorded_attempt a;
    fake_callbacks callbacks(a);
    scripted_server target([&](const std::string&) {
        callbacks.report(end(execution_status::completed, "{}"));
        return reply_with(202, "", "");
    });
    auto handler = listening(target);
    handler.headers = {{"X-Report-To", "{{ callback.url }}"}};
    handler.body = json::parse(R"({"sign_with": "{{ callback.secret }}"})");
    a.handler = handler;
    CHECK(a.perform().status == execution_status::completed);
    CHECK(says(target.requests().at(0), "X-Report-To: http://here/complete"));
    CHECK(body_of(target.requests().at(0)) == R"({"sign_with":"s3cret"})");
}

TEST_CASE("a failure that is reported is the attempt's", "[unit][http]")
{
    recorded_attempt a;
    fake_callbacks callbacks(a);
    scripted_server target([&](const std::string&) {
        callbacks.report(end(execution_status::failed, R"({"error_code": "QUALITY", "error_message": "score 0.2"})"));
        return reply_with(202, "", "");
    });
    a.handler = listening(target);
    const auto o = a.perform();
    CHECK(o.status == execution_status::failed);
    CHECK(o.error_code == "QUALITY");
    CHECK(o.error_message == "score 0.2");
}

TEST_CASE("a target that does not accept the work ends the attempt, and its answer does not bring the secret into the log", "[unit][http]")
{
    recorded_attempt a;
    fake_callbacks callbacks(a);
    scripted_server target([&](const std::string& request) { return reply_with(500, "", "cannot: " + body_of(request)); });
    a.handler = listening(target);
    const auto o = a.perform();
    CHECK(o.error_code == "HTTP_500");
    CHECK(callbacks.closed == 1);
    CHECK((a.out + o.error_message).find("s3cret") == std::string::npos);
}

TEST_CASE("a report counts although the answer to the start was lost", "[unit][http]")
{
    recorded_attempt a;
    fake_callbacks callbacks(a);
    scripted_server target([&](const std::string&) {
        callbacks.report(end(execution_status::completed, "{}"));
        return scripted_reply{"", true};
    });
    a.handler = listening(target);
    const auto o = a.perform();
    // Whichever comes first: a lost answer alone is CONNECTION_FAILED.
    CHECK((o.status == execution_status::completed || o.error_code == "CONNECTION_FAILED"));
    CHECK(callbacks.closed == 1);
}

TEST_CASE("an end that was reported before the attempt came here is taken, and the work is not started again", "[unit][http]")
{
    recorded_attempt a;
    fake_callbacks callbacks(a);
    callbacks.ended_before = end(execution_status::completed, R"({"rows": 1})");
    scripted_server target([](const std::string&) { return reply_with(500, "", ""); });
    a.handler = listening(target);
    CHECK(a.perform().outputs == R"({"rows":1})");
    CHECK(target.requests().empty());
}

TEST_CASE("the target is not called before its reports can be taken in", "[unit][http]")
{
    recorded_attempt a;
    fake_callbacks callbacks(a);
    callbacks.failures_first = 2;
    scripted_server target([&](const std::string&) {
        callbacks.report(end(execution_status::completed, "{}"));
        return reply_with(200, "", "");
    });
    a.handler = listening(target);
    CHECK(a.perform().status == execution_status::completed);
    CHECK(target.requests().size() == 1);
}

TEST_CASE("a stop ends the wait for a report, and whether the callback stays open is as the attempt goes on", "[unit][http]")
{
    struct row {
        stop_reason why;
        bool told;
        bool goes_on;
        std::string termination;
    };
    const auto r = GENERATE(values<row>({
        {stop_reason::timeout, true, false, "GRACEFUL"},
        {stop_reason::cancelled, false, false, "FORCED"},
        {stop_reason::heartbeat_lost, true, false, "GRACEFUL"},
        {stop_reason::handed_back, true, true, "FORCED"},
        {stop_reason::lease_lost, true, true, "FORCED"},
    }));
    recorded_attempt a;
    fake_callbacks callbacks(a);
    scripted_server target([&](const std::string& request) {
        if (line_of(request).starts_with("POST /jobs")) callbacks.report({execution_status::running});
        return reply_with(202, "", "");
    });
    a.on_heartbeat = [&](attempt&) { a.stop(r.why); };
    auto handler = listening(target);
    if (r.told) handler.cancel_url = "/cancel";
    a.handler = handler;
    const auto o = a.perform();
    CHECK(o.termination == r.termination);
    CHECK(callbacks.closed == (r.goes_on ? 0 : 1));
    CHECK(callbacks.left == (r.goes_on ? 1 : 0));
    CHECK(target.requests().size() == (r.told && !r.goes_on ? 2 : 1));
}
