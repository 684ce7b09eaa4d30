#include "tests/support/server_process.hpp"
#include "tests/support/signed_report.hpp"
#include "tests/support/stub_http.hpp"

#include <boost/json/object.hpp>
#include <catch2/catch.hpp>

using namespace rowlock::test;
namespace json = boost::json;

TEST_CASE("a report that was committed is found although the instance that took it in died before it said so", "[crash]")
{
    const stub_http target([](const stub_request&) { return stub_reply{.status = 202}; });
    const test_database database;
    server_process runs({"serve", "--auth", "none", "--database", database.url()});
    runs.define("told-silent", {{"type", "http"}, {"url", target.url() + "/jobs"}, {"completion", "webhook"}}, {{"retry_policy", {{"max_attempts", 1}}}});
    const auto id = runs.submit("told-silent");
    eventually("the target is called", [&] { return !target.requests().empty(); });
    const auto to = callback_of(target.requests()[0].body);
    server_process other({"serve", "--auth", "none", "--database", database.url()}, {{"ROWLOCK_CRASH_AT", "callback.after_commit:1"}});
    CHECK_THROWS(report(to, {{"status", "COMPLETED"}, {"rows", 1}}, unix_now(), other.address()));
    const auto end = runs.ended(id);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at_pointer("/result/outputs/rows") == 1);
    // What was answered with nothing is repeated, and that changes nothing.
    CHECK(report(to, {{"status", "COMPLETED"}, {"rows", 2}}).status == 409);
    CHECK(runs.terminate() == 0);
}
