#include "runtime/handlers/http.hpp"

#include "runtime/handlers/http_connection.hpp"
#include "runtime/handlers/http_reply.hpp"
#include "tests/support/run_on_core.hpp"
#include "tests/unit/handlers/http_text.hpp"
#include "tests/unit/handlers/recorded_attempt.hpp"
#include "tests/unit/handlers/scripted_server.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::runtime;
using namespace rowlock::test;
namespace json = boost::json;

namespace {

// Answers a path with what stands for it.
scripted_server::answerer routes(std::map<std::string, scripted_reply> by_path)
{
    return [by_path = std::move(by_path)](const std::string& request) {
        const auto line = line_of(request);
        const auto from = line.find(' ') + 1;
        const auto found = by_path.find(line.substr(from, line.rfind(' ') - from));
        return found == by_path.end() ? reply_with(404, "", "") : found->second;
    };
}

}

TEST_CASE("an http job sends the body and the headers of the contract", "[unit][http]")
{
    scripted_server server([](const std::string&) { return reply_with(200, "", R"({"rows": 3})"); });
    recorded_attempt a{.handler = http_handler{.url = server.url("/run")},
                       .parameters = R"({"n": 1})",
                       .attempt_number = 2,
                       .trace_parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                       .last_checkpoint = checkpoint_data{.bytes = "hello"}};
    const auto o = a.perform();
    CHECK(o.status == execution_status::completed);
    CHECK(o.outputs == R"({"rows":3})");
    REQUIRE(server.requests().size() == 1);
    const auto request = server.requests()[0];
    CHECK(line_of(request) == "POST /run HTTP/1.1");
    CHECK(says(request, "Host: 127.0.0.1:" + std::to_string(server.port())));
    CHECK(says(request, "X-Rowlock-Execution-Id: " + a.id.str()));
    CHECK(says(request, "X-Rowlock-Attempt: 2"));
    CHECK(says(request, "Idempotency-Key: " + a.run_id.str()));
    CHECK(says(request, "traceparent: " + a.trace_parent));
    CHECK(says(request, "Content-Type: application/json"));
    const json::value expected{{"execution_id", a.id.str()}, {"run_id", a.run_id.str()}, {"job_id", "a-job"},   {"attempt_number", 2},
                               {"parameters", {{"n", 1}}},   {"deadline", nullptr},      {"checkpoint", "aGVsbG8="}};
    CHECK(json::parse(body_of(request)) == expected);
}

TEST_CASE("templates fill the address, the headers and the body", "[unit][http]")
{
    scripted_server server([](const std::string&) { return reply_with(204, "", ""); });
    recorded_attempt a{.handler = http_handler{.url = server.url("/{{ parameters.table }}?q={{ parameters.odd }}"),
                                               .method = "PUT",
                                               .headers = {{"X-Table", "t-{{ parameters.table }}"}},
                                               .body = json::parse(R"({"n": "{{ parameters.n }}"})")},
                       .parameters = R"({"table": "packages", "n": 7, "odd": "a b&c"})"};
    CHECK(a.perform().status == execution_status::completed);
    const auto request = server.requests().at(0);
    CHECK(line_of(request) == "PUT /packages?q=a%20b%26c HTTP/1.1");
    CHECK(says(request, "X-Table: t-packages"));
    CHECK(body_of(request) == R"({"n":7})");
}

TEST_CASE("what a request cannot say is INVALID_CONFIG, and nothing is sent", "[unit][http]")
{
    struct row {
        const char* why;
        http_handler handler;
    };
    const auto r = GENERATE(values<row>({
        {"no address", {.url = "nowhere"}},
        {"a template that names nothing", {.url = "http://127.0.0.1:1/{{ parameters.x }}"}},
        {"a header with a line break", {.url = "http://127.0.0.1:1/", .headers = {{"X-A", "{{ parameters.broken }}"}}}},
        {"a header that is no name", {.url = "http://127.0.0.1:1/", .headers = {{"X A", "1"}}}},
        {"a header of the connection's own", {.url = "http://127.0.0.1:1/", .headers = {{"content-length", "1"}}}},
        {"no method", {.url = "http://127.0.0.1:1/", .method = "GE T"}},
        {"a file of authorities that is not there", {.url = "https://127.0.0.1:1/", .ca_file = "/no/such/file"}},
    }));
    INFO(r.why);
    recorded_attempt a{.handler = r.handler, .parameters = R"({"broken": "a\r\nX-B: c"})"};
    CHECK(a.perform().error_code == "INVALID_CONFIG");
}

TEST_CASE("the status of a reply decides", "[unit][http]")
{
    struct row {
        int status;
        std::string headers;
        std::string body;
        std::string error_code;
    };
    const auto r = GENERATE(values<row>({
        {200, "", "{}", ""},
        {202, "", "", ""},
        {299, "", "[1]", ""},
        {302, "", "", "HTTP_302"},
        {400, "", "{\"why\": 1}", "HTTP_400"},
        {404, "", "", "HTTP_404"},
        {429, "", "", "RATE_LIMITED"},
        {500, "", "oops", "HTTP_500"},
        {503, "", "", "HTTP_503"},
    }));
    INFO(r.status);
    scripted_server server([r](const std::string&) { return reply_with(r.status, r.headers, r.body); });
    recorded_attempt a{.handler = http_handler{.url = server.url(), .method = "GET"}};
    const auto o = a.perform();
    CHECK(o.error_code == r.error_code);
    CHECK((o.status == execution_status::completed) == r.error_code.empty());
    CHECK(o.outputs.empty());
}

TEST_CASE("Retry-After is passed on, in seconds or as a date", "[unit][http]")
{
    const auto now = *parse_rfc3339("2026-01-31T10:00:00Z");
    struct row {
        std::string value;
        std::optional<std::chrono::seconds> expected;
    };
    const auto r = GENERATE(values<row>({
        {"7", std::chrono::seconds{7}},
        {"0", std::chrono::seconds{0}},
        {"99999999", std::chrono::hours{24}},
        {"Sat, 31 Jan 2026 10:01:30 GMT", std::chrono::seconds{90}},
        {"Sat, 31 Jan 2026 09:00:00 GMT", std::chrono::seconds{0}},
        {"-1", std::nullopt},
        {"soon", std::nullopt},
    }));
    INFO(r.value);
    CHECK(conclude({.status = 429, .headers = {{"retry-after", r.value}}}, now).outcome.retry_after == r.expected);
}

TEST_CASE("a JSON object is the outputs, or has them among its members", "[unit][http]")
{
    struct row {
        const char* why;
        std::string body;
        std::string outputs;
        std::string metrics;
        std::optional<std::int64_t> processed;
    };
    const auto r = GENERATE(values<row>({
        {"the object itself", R"({"a": 1})", R"({"a":1})", "", std::nullopt},
        {"its members", R"({"outputs": {"a": 1}, "metrics": {"m": 2}, "records_processed": 5, "other": true})", R"({"a":1})", R"({"m":2})", 5},
        {"record counts beside outputs of their own", R"({"records_processed": 5, "a": 1})", R"({"a":1})", "", 5},
        {"a count that is none is an output", R"({"records_processed": "many"})", R"({"records_processed":"many"})", "", std::nullopt},
        {"an empty object", "{}", "", "", std::nullopt},
        {"no object", "[1]", "", "", std::nullopt},
        {"U+0000, which cannot be kept", R"({"a": "\u0000"})", "", "", std::nullopt},
    }));
    INFO(r.why);
    const auto o = conclude({.status = 200, .body = r.body}, {}).outcome;
    CHECK(o.outputs == r.outputs);
    CHECK(o.metrics == r.metrics);
    CHECK(o.records_processed == r.processed);
}

TEST_CASE("a reply that is no JSON object is kept as a bounded log", "[unit][http]")
{
    const auto c = conclude({.status = 200, .body = std::string(100'000, 'x')}, {});
    CHECK(c.outcome.status == execution_status::completed);
    CHECK(c.log.size() <= 8193);
    CHECK(c.log.starts_with("xxx"));
}

TEST_CASE("a connection is kept and used again", "[unit][http]")
{
    scripted_server server([](const std::string&) { return reply_with(200, "", "{}"); });
    recorded_attempt a{.handler = http_handler{.url = server.url()}};
    handlers with(a.core.executor(), a.process, a.http, a.composite, a.databases);
    for (int i = 0; i < 5; ++i) CHECK(a.perform(with).status == execution_status::completed);
    CHECK(server.connections() == 1);
    CHECK(server.requests().size() == 5);
}

TEST_CASE("no more connections are kept than allowed", "[unit][http]")
{
    scripted_server server([](const std::string&) { return reply_with(200, "", "{}"); });
    recorded_attempt a{.handler = http_handler{.url = server.url()}};
    a.http.max_idle_connections = 0;
    handlers with(a.core.executor(), a.process, a.http, a.composite, a.databases);
    for (int i = 0; i < 3; ++i) CHECK(a.perform(with).status == execution_status::completed);
    CHECK(server.connections() == 3);
}

TEST_CASE("a connection that the server closes is not kept", "[unit][http]")
{
    scripted_server server([](const std::string&) {
        auto reply = reply_with(200, "Connection: close\r\n", "{}");
        reply.close = true;
        return reply;
    });
    recorded_attempt a{.handler = http_handler{.url = server.url()}};
    handlers with(a.core.executor(), a.process, a.http, a.composite, a.databases);
    for (int i = 0; i < 3; ++i) CHECK(a.perform(with).status == execution_status::completed);
    CHECK(server.connections() == 3);
}

TEST_CASE("a kept connection that closes before it answers is exchanged for a fresh one", "[unit][http]")
{
    // The second request on a connection is read and not answered: the caller cannot have seen that coming.
    std::atomic<int> seen{0};
    scripted_server server([&seen](const std::string&) { return ++seen == 2 ? scripted_reply{"", true} : reply_with(200, "", "{}"); });
    recorded_attempt a{.handler = http_handler{.url = server.url()}};
    handlers with(a.core.executor(), a.process, a.http, a.composite, a.databases);
    CHECK(a.perform(with).status == execution_status::completed);
    CHECK(a.perform(with).status == execution_status::completed);
    CHECK(server.connections() == 2);
    CHECK(server.requests().size() == 3);
}

TEST_CASE("a fresh connection that closes before it answers has failed, and is not tried again", "[unit][http]")
{
    scripted_server server([](const std::string&) { return scripted_reply{"", true}; });
    recorded_attempt a{.handler = http_handler{.url = server.url()}};
    const auto o = a.perform();
    CHECK(o.error_code == "CONNECTION_FAILED");
    CHECK(server.requests().size() == 1);
}

TEST_CASE("a reply that breaks off has failed", "[unit][http]")
{
    const auto bytes = GENERATE(as<std::string>{}, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "HTTP/1.1 200", "not http at all\r\n\r\n");
    scripted_server server([bytes](const std::string&) { return scripted_reply{bytes, true}; });
    recorded_attempt a{.handler = http_handler{.url = server.url()}};
    CHECK(a.perform().error_code == "CONNECTION_FAILED");
}

TEST_CASE("a chunked reply and one that ends with its connection are read whole", "[unit][http]")
{
    const auto bytes = GENERATE(as<std::string>{}, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n{\"a\":1}",
                                "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}");
    scripted_server server([bytes](const std::string&) { return scripted_reply{bytes, true}; });
    recorded_attempt a{.handler = http_handler{.url = server.url()}};
    CHECK(a.perform().outputs == R"({"a":1})");
}

TEST_CASE("a reply over its limit is OUTPUT_LIMIT", "[unit][http]")
{
    scripted_server server([](const std::string&) { return reply_with(200, "", std::string(2000, 'x')); });
    recorded_attempt a{.handler = http_handler{.url = server.url(), .response_limit_bytes = 1999}};
    CHECK(a.perform().error_code == "OUTPUT_LIMIT");
    recorded_attempt fits{.handler = http_handler{.url = server.url(), .response_limit_bytes = 2000}};
    CHECK(fits.perform().status == execution_status::completed);
}

TEST_CASE("redirects are followed as their status says", "[unit][http]")
{
    struct row {
        int status;
        std::string method;
        std::string then;
        bool with_body;
    };
    const auto r = GENERATE(values<row>({
        {301, "POST", "GET", false},
        {302, "POST", "GET", false},
        {303, "PUT", "GET", false},
        {302, "PUT", "PUT", true},
        {307, "POST", "POST", true},
        {308, "POST", "POST", true},
        {301, "GET", "GET", false},
    }));
    INFO(r.status << " " << r.method);
    scripted_server server(routes({{"/from", reply_with(r.status, "Location: to?x=1\r\n", "moved")}, {"/to?x=1", reply_with(200, "", R"({"there": true})")}}));
    recorded_attempt a{.handler = http_handler{.url = server.url("/from"), .method = r.method, .headers = {{"Authorization", "Bearer T"}}}};
    const auto o = a.perform();
    CHECK(o.outputs == R"({"there":true})");
    const auto request = server.requests().at(1);
    CHECK(line_of(request) == r.then + " /to?x=1 HTTP/1.1");
    CHECK(body_of(request).empty() != r.with_body);
    CHECK(says(request, "Authorization: Bearer T"));
    CHECK(says(request, "X-Rowlock-Attempt: 1"));
}

TEST_CASE("another origin does not learn what the definition's headers hold", "[unit][http]")
{
    scripted_server other([](const std::string&) { return reply_with(200, "", "{}"); });
    scripted_server server([&other](const std::string&) { return reply_with(307, "Location: " + other.url("/x") + "\r\n", ""); });
    recorded_attempt a{.handler = http_handler{.url = server.url(), .headers = {{"Authorization", "Bearer T"}, {"Cookie", "c"}, {"X-Api-Key", "k"}, {"Content-Type", "application/json"}}}};
    CHECK(a.perform().status == execution_status::completed);
    const auto request = other.requests().at(0);
    CHECK(request.find("Authorization") == std::string::npos);
    CHECK(request.find("Cookie") == std::string::npos);
    CHECK(request.find("X-Api-Key") == std::string::npos);
    CHECK(says(request, "Content-Type: application/json"));
}

TEST_CASE("redirects are bounded", "[unit][http]")
{
    scripted_server server([](const std::string&) { return reply_with(302, "Location: /again\r\n", ""); });
    recorded_attempt a{.handler = http_handler{.url = server.url(), .method = "GET", .max_redirects = 3}};
    CHECK(a.perform().error_code == "HTTP_302");
    CHECK(server.requests().size() == 4);
}

TEST_CASE("a redirect to no address is INVALID_CONFIG", "[unit][http]")
{
    scripted_server server([](const std::string&) { return reply_with(302, "Location: file:///etc/passwd\r\n", ""); });
    recorded_attempt a{.handler = http_handler{.url = server.url(), .method = "GET"}};
    CHECK(a.perform().error_code == "INVALID_CONFIG");
}

TEST_CASE("addresses of private networks are refused where they are not allowed", "[unit][http]")
{
    scripted_server server([](const std::string&) { return reply_with(200, "", "{}"); });
    const auto host = GENERATE(as<std::string>{}, "127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "0.0.0.0");
    INFO(host);
    recorded_attempt a{.handler = http_handler{.url = "http://" + host + ":" + std::to_string(server.port()) + "/"}};
    a.http.allow_private_addresses = false;
    const auto o = a.perform();
    CHECK(o.status == execution_status::failed);
    CHECK(o.error_code == "PERMISSION_DENIED");
    CHECK(server.connections() == 0);
}

TEST_CASE("a target that cannot be reached is CONNECTION_FAILED", "[unit][http]")
{
    std::uint16_t port = 0;
    {
        const scripted_server gone([](const std::string&) { return scripted_reply{}; });
        port = gone.port();
    }
    recorded_attempt a{.handler = http_handler{.url = "http://127.0.0.1:" + std::to_string(port) + "/"}};
    CHECK(a.perform().error_code == "CONNECTION_FAILED");
}

TEST_CASE("of the addresses of a name, the next one is tried where one refuses", "[unit][http]")
{
    const scripted_server server([](const std::string&) { return reply_with(200, "", "{}"); });
    core on(0);
    http_connection connection(on.executor(), nullptr);
    const url to{.host = "several.example", .port = server.port()};
    const auto address = [](const char* text) { return boost::asio::ip::make_address(text); };
    const auto connected = run_on_core(on, connection.connect(to, {address("::1"), address("127.0.0.2"), address("127.0.0.1")}, steady_clock::now() + test_patience));
    CHECK(connected.has_value());
}

TEST_CASE("a stop ends a call that waits for its reply at once", "[unit][http]")
{
    recorded_attempt a;
    auto job = std::make_shared<job_version>();
    attempt* running = nullptr;
    // The request has arrived and no reply will come; the stop is delivered on the attempt's own core.
    scripted_server server([&](const std::string&) {
        boost::asio::post(a.core.executor(), [&] { running->request_stop(stop_reason::timeout); });
        return scripted_reply{};
    });
    job->definition.handler = http_handler{.url = server.url()};
    attempt waiting({.id = a.id, .run_id = a.run_id, .job = job}, steady_clock::now() + std::chrono::minutes{5}, {});
    running = &waiting;
    handlers with(a.core.executor(), a.process, a.http, a.composite, a.databases);
    const auto before = steady_clock::now();
    const auto o = run_on_core(a.core, with.perform(waiting));
    CHECK(o.status == execution_status::timeout);
    CHECK(o.termination == "GRACEFUL");
    CHECK(steady_clock::now() - before < std::chrono::seconds{30});
}

TEST_CASE("a call ends by itself after its deadline, if nobody stops it", "[unit][http]")
{
    scripted_server server([](const std::string&) { return scripted_reply{}; });
    recorded_attempt a{.handler = http_handler{.url = server.url()}, .until = steady_clock::now() - std::chrono::milliseconds{1900}};
    const auto o = a.perform();
    CHECK(o.error_code == "CONNECTION_FAILED");
    CHECK_THAT(o.error_message, Catch::Contains("in time"));
}

TEST_CASE("TLS is verified: the authority and the name", "[unit][http]")
{
    const scratch_folder folder;
    const auto authority = (folder.path() / "authority.pem").string();
    const auto name = GENERATE(as<std::string>{}, "localhost", "elsewhere.example");
    const self_signed identity(name, authority);
    scripted_server server([](const std::string&) { return reply_with(200, "", "{}"); }, identity.context);
    struct row {
        const char* why;
        http_handler handler;
        bool succeeds;
    };
    const std::vector<row> rows{
        {"an authority that is trusted", {.url = server.url(), .ca_file = authority}, name == "localhost"},
        {"an authority nobody knows", {.url = server.url()}, false},
        {"no verification, as the definition says", {.url = server.url(), .verify_tls = false}, true},
    };
    for (const auto& r : rows) {
        INFO(name << ": " << r.why);
        recorded_attempt a{.handler = r.handler};
        handlers with(a.core.executor(), a.process, a.http, a.composite, a.databases);
        const auto o = a.perform(with);
        CHECK(o.error_code == (r.succeeds ? "" : "CONNECTION_FAILED"));
        if (!r.succeeds) CHECK_THAT(o.error_message, Catch::Contains("TLS"));
        // And a second time, over the connection that was kept.
        if (r.succeeds) CHECK(a.perform(with).status == execution_status::completed);
    }
}

TEST_CASE("a redirect from https to http is refused", "[unit][http]")
{
    const scratch_folder folder;
    const auto authority = (folder.path() / "authority.pem").string();
    const self_signed identity("localhost", authority);
    scripted_server plain([](const std::string&) { return reply_with(200, "", "{}"); });
    scripted_server server([&plain](const std::string&) { return reply_with(302, "Location: " + plain.url() + "\r\n", ""); }, identity.context);
    recorded_attempt a{.handler = http_handler{.url = server.url(), .ca_file = authority}};
    CHECK(a.perform().error_code == "PERMISSION_DENIED");
    CHECK(plain.connections() == 0);
}
