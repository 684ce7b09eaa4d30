#include "runtime/handlers/http_status.hpp"

#include "runtime/handlers/http_reply.hpp"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::runtime;
namespace json = boost::json;

namespace {

json::object object(const char* text)
{
    return json::parse(text).as_object();
}

}

TEST_CASE("without predicates the usual words say how a job is", "[unit][http]")
{
    struct row {
        const char* body;
        job_state state;
    };
    const auto r = GENERATE(values<row>({
        {R"({"status": "COMPLETED"})", job_state::succeeded},
        {R"({"status": "success"})", job_state::succeeded},
        {R"({"state": "Succeeded"})", job_state::succeeded},
        {R"({"state": "done"})", job_state::succeeded},
        {R"({"status": "FINISHED", "state": "FAILED"})", job_state::succeeded},
        {R"({"status": "failed"})", job_state::failed},
        {R"({"status": "ERROR"})", job_state::failed},
        {R"({"status": "cancelled"})", job_state::failed},
        {R"({"state": "ABORTED"})", job_state::failed},
        {R"({"status": "timeout"})", job_state::failed},
        {R"({"status": "RUNNING"})", job_state::running},
        {R"({"status": 1, "state": "DONE"})", job_state::succeeded},
        {R"({"status": "COMPLETEDNESS"})", job_state::running},
        {R"({"phase": "DONE"})", job_state::running},
        {"{}", job_state::running},
    }));
    INFO(r.body);
    CHECK(usual_state(object(r.body)) == r.state);
    CHECK(*state_of(object(r.body), {}, {}) == r.state);
}

TEST_CASE("predicates that are given decide, and fail closed", "[unit][http]")
{
    struct row {
        const char* why;
        status_question asked;
        status_answer answer;
        std::optional<job_state> state;
    };
    const auto r = GENERATE(values<row>({
        {"neither holds", {{}, "s", "f", {}}, {false, false, {}}, job_state::running},
        {"success holds", {{}, "s", "f", {}}, {true, false, {}}, job_state::succeeded},
        {"failure holds", {{}, "s", "f", {}}, {false, true, {}}, job_state::failed},
        {"both hold", {{}, "s", "f", {}}, {true, true, {}}, job_state::failed},
        {"success alone", {{}, "s", {}, {}}, {true, {}, {}}, job_state::succeeded},
        {"failure alone", {{}, {}, "f", {}}, {{}, false, {}}, job_state::running},
        {"the usual words do not count beside a predicate", {{}, "s", {}, {}}, {false, {}, {}}, job_state::running},
        {"success has no boolean answer", {{}, "s", "f", {}}, {{}, false, {}}, std::nullopt},
        {"failure has no boolean answer, whatever success says", {{}, "s", "f", {}}, {true, {}, {}}, std::nullopt},
    }));
    INFO(r.why);
    const auto state = state_of(object(R"({"status": "COMPLETED"})"), r.asked, r.answer);
    CHECK(state.has_value() == r.state.has_value());
    if (r.state) CHECK(*state == *r.state);
    else CHECK(state.error().code == "INVALID_RESULT");
}

TEST_CASE("which answers of a status URL are good, bad, or the last", "[unit][http]")
{
    struct row {
        const char* why;
        attempted<http_reply> reply;
        bool good;
        bool final;
        std::string code;
    };
    const auto r = GENERATE(values<row>({
        {"an object", http_reply{.status = 200, .body = "{}"}, true, false, ""},
        {"an object with 202", http_reply{.status = 202, .body = R"({"status": "RUNNING"})"}, true, false, ""},
        {"a list", http_reply{.status = 200, .body = "[]"}, false, false, "INVALID_RESULT"},
        {"nothing", http_reply{.status = 204}, false, false, "INVALID_RESULT"},
        {"half an object", http_reply{.status = 200, .body = R"({"status": )"}, false, false, "INVALID_RESULT"},
        {"U+0000", http_reply{.status = 200, .body = R"({"a": "\u0000"})"}, false, false, "INVALID_RESULT"},
        {"a number that no double is", http_reply{.status = 200, .body = R"({"a": 1e999})"}, false, false, "INVALID_RESULT"},
        {"404", http_reply{.status = 404}, false, true, "HTTP_404"},
        {"410", http_reply{.status = 410}, false, true, "HTTP_410"},
        {"401", http_reply{.status = 401}, false, false, "HTTP_401"},
        {"429", http_reply{.status = 429}, false, false, "RATE_LIMITED"},
        {"503", http_reply{.status = 503}, false, false, "HTTP_503"},
        {"no connection", failure("CONNECTION_FAILED", "x"), false, false, "CONNECTION_FAILED"},
        {"too much", failure("OUTPUT_LIMIT", "x"), false, false, "OUTPUT_LIMIT"},
        {"an address that is not allowed", failure("PERMISSION_DENIED", "x"), false, true, "PERMISSION_DENIED"},
        {"a definition that cannot be carried out", failure("INVALID_CONFIG", "x"), false, true, "INVALID_CONFIG"},
    }));
    INFO(r.why);
    const auto read = read_status(r.reply, {});
    CHECK(read.body.has_value() == r.good);
    CHECK(read.final == r.final);
    CHECK(read.why.code == r.code);
}

TEST_CASE("the fifth bad answer in a row is one too many", "[unit][http]")
{
    poll_patience patience;
    for (int i = 0; i < 4; ++i) CHECK_FALSE(patience.bad());
    patience.good();
    for (int i = 0; i < 4; ++i) CHECK_FALSE(patience.bad());
    CHECK(patience.bad());
}

TEST_CASE("the end that a target reports is taken as a reply is, and its error is the job's own", "[unit][http]")
{
    const auto good = reported(true, object(R"({"status": "DONE", "outputs": {"rows": 3}, "metrics": {"m": 1}, "records_processed": 3, "error_code": "NONE"})"));
    CHECK(good.status == execution_status::completed);
    CHECK(good.outputs == R"({"rows":3})");
    CHECK(good.metrics == R"({"m":1})");
    CHECK(good.records_processed == 3);
    CHECK(good.error_code.empty());

    const auto bad = reported(false, object(R"({"status": "FAILED", "error_code": "SCHEMA", "error_message": "no column a", "records_failed": 2})"));
    CHECK(bad.status == execution_status::failed);
    CHECK(bad.error_code == "SCHEMA");
    CHECK(bad.error_message == "no column a");
    CHECK(bad.records_failed == 2);
    CHECK(bad.outputs == R"({"status":"FAILED"})");

    const auto bare = reported(false, object(R"({"error_code": 7})"));
    CHECK(bare.error_code == "FAILED");
    CHECK_FALSE(bare.error_message.empty());
    CHECK(reported(false, {{"error_code", std::string(5000, 'x')}}).error_code.size() <= 128);
}
