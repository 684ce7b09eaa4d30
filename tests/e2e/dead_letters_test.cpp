#include "tests/support/database_rows.hpp"
#include "tests/support/guarded_server.hpp"
#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <set>
#include <thread>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

const json::object once{{"retry_policy", {{"max_attempts", 1}}}};
constexpr const char* unknown = "0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10";

json::object failing(int times, const char* code = "BROKEN") { return {{"type", "fail"}, {"error_code", code}, {"error_message", "as it was told"}, {"times", times}}; }

http_reply remove(const server_process& server, const std::string& target, const http_fields& fields = {}) { return http_request(server.address(), "DELETE", target, {}, fields); }

// A dead letter of this job: its id.
std::string dead(const server_process& server, const std::string& job, const json::object& parameters = {})
{
    const auto id = server.submit(job, parameters);
    REQUIRE(server.ended(id).at("status") == "FAILED");
    return id;
}

// So many dead letters of this job.
void many_dead(const server_process& server, const std::string& database, const std::string& job, std::size_t n)
{
    json::array all;
    for (std::size_t i = 0; i < n; ++i) all.push_back(json::object{{"job_id", job}, {"parameters", {{"i", i}}}});
    const auto reply = server.post("/v1/executions/batch", {{"executions", std::move(all)}});
    REQUIRE(reply.status == 201);
    eventually("all have failed for good", [&] {
        return rows_at(database, "select count(*) from v_dead_letters where job_id = '" + job + "'")[0][0].as<std::size_t>() == n;
    });
}

std::size_t open_of(const std::string& database, const std::string& job)
{
    return rows_at(database, "select count(*) from v_dead_letters where status = 'OPEN' and job_id = '" + job + "'")[0][0].as<std::size_t>();
}

std::size_t count(const json::value& reply, const char* member) { return reply.at(member).to_number<std::size_t>(); }

}

TEST_CASE("a run that has failed for good has one dead letter, which is retried once", "[e2e][dead_letters]")
{
    auto& server = open_server();
    server.define("dead-one", failing(1), once);
    const auto id = dead(server, "dead-one", {{"n", 3}});
    const auto list = server.get("/v1/dead-letters?job_id=dead-one");
    INFO(list.body);
    REQUIRE(list.status == 200);
    REQUIRE(list.json().at("items").as_array().size() == 1);
    const auto item = list.json().at_pointer("/items/0");
    for (const char* member : {"dead_letter_id", "execution_id", "run_id"}) CHECK(text_at(item, std::string("/") + member) == id);
    CHECK(item.at("job_id") == "dead-one");
    CHECK(item.at("error_code") == "BROKEN");
    CHECK(item.at("error_message") == "as it was told");
    CHECK(item.at("status") == "OPEN");
    CHECK(item.at_pointer("/parameters/n") == 3);
    CHECK(text_at(item, "/created_time") < text_at(item, "/expires_at"));
    CHECK(server.get("/v1/dead-letters/" + id).json() == item);

    const auto reply = server.post("/v1/dead-letters/" + id + "/retry", json::object{});
    INFO(reply.body);
    REQUIRE(reply.status == 201);
    CHECK(reply.json().at("attempt_number") == 2);
    CHECK(text_at(reply.json(), "/run_id") == id);
    const auto next = text_at(reply.json(), "/execution_id");
    CHECK(reply.field("Location") == "/v1/executions/" + next);
    CHECK(server.ended(id).at("status") == "COMPLETED");

    const auto after = server.get("/v1/dead-letters/" + id).json();
    CHECK(after.at("status") == "RETRIED");
    CHECK(text_at(after, "/retried_as") == next);
    CHECK(after.at("retried_time").is_string());
    const auto twice = server.post("/v1/dead-letters/" + id + "/retry", json::object{});
    CHECK(twice.status == 409);
    CHECK(twice.json().at("code") == "NOT_RETRYABLE");
    CHECK(text_at(twice.json(), "/detail").find(next) != std::string::npos);
    CHECK(server.get("/v1/dead-letters?job_id=dead-one&status=OPEN").json().at("items").as_array().empty());
    CHECK(server.get("/v1/dead-letters?job_id=dead-one&status=RETRIED").json().at("items").as_array().size() == 1);
}

TEST_CASE("a retry that fails again has a dead letter of its own, and success has none", "[e2e][dead_letters]")
{
    auto& server = open_server();
    server.define("dead-twice", failing(2), once);
    const auto id = dead(server, "dead-twice");
    REQUIRE(server.post("/v1/dead-letters/" + id + "/retry", json::object{}).status == 201);
    const auto second = text_at(server.ended(id), "/execution_id");
    CHECK(server.get("/v1/dead-letters/" + second).json().at("status") == "OPEN");
    REQUIRE(server.post("/v1/dead-letters/" + second + "/retry", json::object{}).status == 201);
    CHECK(server.ended(id).at("attempt_number") == 3);
    CHECK(server.get("/v1/dead-letters?job_id=dead-twice").json().at("items").as_array().size() == 2);

    server.define("dead-none", failing(1), {{"retry_policy", {{"max_attempts", 2}, {"initial_delay_seconds", 0}}}});
    server.run("dead-none");
    CHECK(server.get("/v1/dead-letters?job_id=dead-none").json().at("items").as_array().empty());
    server.define("dead-off", failing(9), {{"retry_policy", {{"max_attempts", 1}}}, {"dead_letter", {{"enabled", false}}}});
    server.run("dead-off");
    CHECK(server.get("/v1/dead-letters?job_id=dead-off").json().at("items").as_array().empty());
    CHECK(violations_at(open_server_database()) == std::vector<std::string>{});
}

TEST_CASE("dead letters are listed newest first, in pages, by what a filter says", "[e2e][dead_letters]")
{
    auto& server = open_server();
    server.define("dead-pages", failing(9), once);
    server.define("dead-other", failing(9, "OTHER"), once);
    std::vector<std::string> ids;
    for (int i = 0; i < 5; ++i) ids.push_back(dead(server, "dead-pages"));
    const auto other = dead(server, "dead-other");
    std::vector<std::string> seen;
    std::string cursor;
    do {
        const auto page = server.get("/v1/dead-letters?job_id=dead-pages&limit=2" + (cursor.empty() ? "" : "&cursor=" + cursor)).json();
        CHECK(page.at("items").as_array().size() <= 2);
        for (const auto& item : page.at("items").as_array()) seen.push_back(text_at(item, "/dead_letter_id"));
        cursor = page.at("next_cursor").is_null() ? "" : text_at(page, "/next_cursor");
    } while (!cursor.empty());
    CHECK(seen == std::vector<std::string>(ids.rbegin(), ids.rend()));

    const auto ids_of = [&](const std::string& query) {
        std::set<std::string> found;
        const auto page = server.get("/v1/dead-letters?" + query).json();
        for (const auto& item : page.at("items").as_array()) found.insert(text_at(item, "/dead_letter_id"));
        return found;
    };
    CHECK(ids_of("error_code=OTHER").count(other) == 1);
    CHECK(ids_of("error_code=OTHER").count(ids[0]) == 0);
    const auto middle = text_at(server.get("/v1/dead-letters/" + ids[2]).json(), "/created_time");
    CHECK(ids_of("job_id=dead-pages&since=" + middle) == std::set<std::string>{ids[2], ids[3], ids[4]});
    CHECK(ids_of("job_id=dead-pages&until=" + middle) == std::set<std::string>{ids[0], ids[1]});
    CHECK(ids_of("job_id=dead-nobody").empty());

    for (const char* query : {"status=LOST", "job_id=No", "since=today", "cursor=nonsense", "limit=0", "limit=1001", "colour=red", "error_code="}) {
        INFO(query);
        CHECK(server.get(std::string("/v1/dead-letters?") + query).status == 422);
    }
    for (const auto& missing : {std::string(unknown), std::string("nonsense"), std::string("retry")}) {
        INFO(missing);
        CHECK(server.get("/v1/dead-letters/" + missing).status == 404);
        CHECK(remove(server, "/v1/dead-letters/" + missing).status == 404);
        CHECK(server.post("/v1/dead-letters/" + missing + "/retry", json::object{}).status == 404);
    }
}

TEST_CASE("thousands of dead letters are retried by filter in bounded requests; what was interrupted is resumed", "[e2e][dead_letters]")
{
    auto& server = open_server();
    constexpr std::size_t n = 2500;
    server.define("dead-many", failing(1), once);
    many_dead(server, open_server_database(), "dead-many", n);

    // Bounded, in a body that is flat or has a filter inside.
    const auto first = server.post("/v1/dead-letters/retry", {{"job_id", "dead-many"}, {"error_code", "BROKEN"}, {"limit", 700}});
    INFO(first.body);
    REQUIRE(first.status == 200);
    CHECK(count(first.json(), "retried") == 700);
    CHECK(count(first.json(), "skipped") == 0);
    CHECK(count(first.json(), "remaining") == n - 700);
    CHECK(first.json().at("next_cursor").is_string());

    // The client goes away before the answer: what was done stays done.
    {
        http_connection impatient(server.address());
        impatient.send(request_text("POST", "/v1/dead-letters/retry", json::serialize(json::object{{"filter", {{"job_id", "dead-many"}}}}), {{"Content-Type", "application/json"}}));
        eventually("some more are retried", [&] { return open_of(open_server_database(), "dead-many") < n - 700; });
    }
    for (;;) {
        const auto next = server.post("/v1/dead-letters/retry", {{"filter", {{"job_id", "dead-many"}, {"since", "2000-01-01T00:00:00Z"}}}, {"limit", 1000}});
        INFO(next.body);
        REQUIRE(next.status == 200);
        CHECK(count(next.json(), "skipped") == 0);
        if (count(next.json(), "remaining") == 0) break;
    }
    CHECK(open_of(open_server_database(), "dead-many") == 0);
    eventually("all have completed", [&] {
        return rows_at(open_server_database(), "select count(*) from v_executions where job_id = 'dead-many' and status = 'COMPLETED'")[0][0].as<std::size_t>() == n;
    });
    // Nothing was retried twice.
    CHECK(rows_at(open_server_database(), "select count(*) from v_executions where job_id = 'dead-many'")[0][0].as<std::size_t>() == 2 * n);
    CHECK(violations_at(open_server_database()) == std::vector<std::string>{});
}

TEST_CASE("two who retry the same many at once share them", "[e2e][dead_letters]")
{
    auto& server = open_server();
    server.define("dead-shared", failing(1), once);
    many_dead(server, open_server_database(), "dead-shared", 1200);
    std::array<std::size_t, 3> retried{};
    {
        std::vector<std::thread> clients;
        for (auto& mine : retried) {
            clients.emplace_back([&server, &mine] {
                for (;;) {
                    const auto reply = server.post("/v1/dead-letters/retry", {{"job_id", "dead-shared"}}).json();
                    mine += count(reply, "retried");
                    if (count(reply, "remaining") == 0) return;
                }
            });
        }
        for (auto& client : clients) client.join();
    }
    CHECK(retried[0] + retried[1] + retried[2] == 1200);
    CHECK(open_of(open_server_database(), "dead-shared") == 0);
    CHECK(violations_at(open_server_database()) == std::vector<std::string>{});
}

TEST_CASE("dead letters are retried by their ids; those that cannot be are skipped and stay open", "[e2e][dead_letters]")
{
    auto& server = open_server();
    server.define("dead-dedupe", failing(1), {{"retry_policy", {{"max_attempts", 1}}}, {"dedupe", true}});
    const auto id = dead(server, "dead-dedupe", {{"n", 1}});
    const auto other = dead(server, "dead-dedupe", {{"n", 2}});
    const auto twin = text_at(server.post("/v1/executions", {{"job_id", "dead-dedupe"}, {"parameters", {{"n", 1}}}, {"scheduled_time", "2999-01-01T00:00:00Z"}}).json(), "/execution_id");
    const auto reply = server.post("/v1/dead-letters/retry", {{"ids", json::array{id, other, unknown}}});
    INFO(reply.body);
    REQUIRE(reply.status == 200);
    CHECK(count(reply.json(), "retried") == 1);
    CHECK(count(reply.json(), "skipped") == 1);
    CHECK(count(reply.json(), "remaining") == 0);
    CHECK(reply.json().at("next_cursor").is_null());
    CHECK(server.get("/v1/dead-letters/" + id).json().at("status") == "OPEN");
    CHECK(server.get("/v1/dead-letters/" + other).json().at("status") == "RETRIED");
    const auto refused = server.post("/v1/dead-letters/" + id + "/retry", json::object{});
    CHECK(refused.status == 409);
    CHECK(text_at(refused.json(), "/detail").find("dedupe") != std::string::npos);
    CHECK(server.post("/v1/executions/" + twin + "/cancel", json::object{}).status == 202);
    CHECK(server.post("/v1/dead-letters/" + id + "/retry", json::object{}).status == 201);
    CHECK(server.ended(id).at("status") == "COMPLETED");
}

TEST_CASE("a retry of many says what it takes, and refuses what it does not", "[e2e][dead_letters]")
{
    auto& server = open_server();
    json::array too_many;
    for (int i = 0; i < 10'001; ++i) too_many.push_back(unknown);
    struct row {
        const char* why;
        json::value body;
        const char* field;
    };
    for (const auto& r : {row{"nothing is named", json::object{}, "filter"}, row{"an empty filter", json::object{{"filter", json::object{}}}, "filter"},
                          row{"only a limit", json::object{{"limit", 5}}, "filter"}, row{"no slug", json::object{{"job_id", "No"}}, "job_id"},
                          row{"no time", json::object{{"filter", {{"since", "today"}}}}, "filter.since"}, row{"no id", json::object{{"ids", json::array{"x"}}}, "ids[0]"},
                          row{"no ids", json::object{{"ids", json::array{}}}, "ids"}, row{"too many ids", json::object{{"ids", std::move(too_many)}}, "ids"},
                          row{"too much at once", json::object{{"job_id", "a"}, {"limit", 10'001}}, "limit"}, row{"no cursor", json::object{{"job_id", "a"}, {"cursor", "x"}}, "cursor"},
                          row{"unknown", json::object{{"job_id", "a"}, {"colour", "red"}}, "colour"}, row{"in both places", json::object{{"filter", {{"job_id", "a"}}}, {"job_id", "a"}}, "job_id"}}) {
        INFO(r.why);
        const auto reply = server.post("/v1/dead-letters/retry", r.body);
        INFO(reply.body);
        CHECK(reply.status == 422);
        CHECK(text_at(reply.json(), "/errors/0/field") == r.field);
    }
    CHECK(http_request(server.address(), "POST", "/v1/dead-letters/retry", "[]").status == 400);
    const auto none = server.post("/v1/dead-letters/retry", {{"job_id", "dead-nobody"}});
    CHECK(none.status == 200);
    CHECK(none.json() == json::value{{"retried", 0}, {"skipped", 0}, {"remaining", 0}, {"next_cursor", nullptr}});
}

TEST_CASE("dead letters are deleted one by one or by filter, and history stays", "[e2e][dead_letters]")
{
    auto& server = open_server();
    server.define("dead-purged", failing(9), once);
    const auto id = dead(server, "dead-purged");
    CHECK(remove(server, "/v1/dead-letters/" + id).status == 204);
    CHECK(remove(server, "/v1/dead-letters/" + id).status == 404);
    CHECK(server.get("/v1/dead-letters/" + id).status == 404);
    CHECK(server.post("/v1/dead-letters/" + id + "/retry", json::object{}).status == 404);
    CHECK(server.status_of(id) == "FAILED");
    CHECK(server.post("/v1/executions/" + id + "/retry", json::object{}).status == 201);

    CHECK(server.ended(id).at("attempt_number") == 2);
    CHECK(remove(server, "/v1/dead-letters?job_id=dead-purged").json() == json::value{{"purged", 1}, {"remaining", 0}});

    many_dead(server, open_server_database(), "dead-purged", 1102);
    const auto some = remove(server, "/v1/dead-letters?job_id=dead-purged&limit=600");
    CHECK(some.json() == json::value{{"purged", 600}, {"remaining", 502}});
    const auto kept = remove(server, "/v1/dead-letters?job_id=dead-purged&status=RETRIED");
    CHECK(kept.json() == json::value{{"purged", 0}, {"remaining", 0}});
    const auto rest = remove(server, "/v1/dead-letters?job_id=dead-purged&error_code=BROKEN");
    CHECK(rest.json() == json::value{{"purged", 502}, {"remaining", 0}});

    CHECK(remove(server, "/v1/dead-letters").status == 422);
    CHECK(remove(server, "/v1/dead-letters?all=false").status == 422);
    CHECK(remove(server, "/v1/dead-letters?limit=10001&all=true").status == 422);
    dead(server, "dead-purged");
    const auto all = remove(server, "/v1/dead-letters?all=true");
    CHECK(all.status == 200);
    CHECK(count(all.json(), "purged") >= 1);
    CHECK(server.get("/v1/dead-letters").json().at("items").as_array().empty());
    CHECK(violations_at(open_server_database()) == std::vector<std::string>{});
}

TEST_CASE("dead letters, errors and breakers are for operators, and for their own tenant", "[e2e][dead_letters][tokens]")
{
    const guarded_server guarded;
    const auto& server = guarded.server;
    const auto editor = guarded.as("editor", "default");
    const auto viewer = guarded.as("viewer", "default");
    const auto operate = guarded.as("operator", "default");
    const auto stranger = guarded.as("admin", "other");
    REQUIRE(server.put("/v1/jobs/guarded", {{"handler", failing(1)}, {"retry_policy", {{"max_attempts", 1}}}, {"circuit_breaker", {{"failure_threshold", 1}, {"open_seconds", 3600}}}}, editor).status == 201);
    const auto id = text_at(server.post("/v1/executions?wait_seconds=50", {{"job_id", "guarded"}}, operate).json(), "/execution_id");

    for (const auto& path : {"/v1/dead-letters/" + id, "/v1/errors/" + id, std::string("/v1/breakers/guarded"), "/v1/executions/" + id + "/explain"}) {
        INFO(path);
        CHECK(server.get(path).status == 401);
        CHECK(server.get(path, viewer).status == 200);
        CHECK(server.get(path, stranger).status == 404);
    }
    for (const char* path : {"/v1/dead-letters", "/v1/errors", "/v1/breakers"}) {
        INFO(path);
        CHECK(server.get(path, viewer).json().at("items").as_array().size() == 1);
        CHECK(server.get(path, stranger).json().at("items").as_array().empty());
    }
    for (const auto& path : {"/v1/dead-letters/" + id + "/retry", "/v1/errors/" + id + "/retry", std::string("/v1/breakers/guarded/reset"), "/v1/executions/" + id + "/retry",
                             "/v1/executions/" + id + "/replay"}) {
        INFO(path);
        CHECK(server.post(path, json::object{}).status == 401);
        CHECK(server.post(path, json::object{}, viewer).status == 403);
        CHECK(server.post(path, json::object{}, stranger).status == 404);
    }
    CHECK(server.post("/v1/dead-letters/retry", {{"job_id", "guarded"}}, viewer).status == 403);
    CHECK(count(server.post("/v1/dead-letters/retry", {{"job_id", "guarded"}}, stranger).json(), "retried") == 0);
    CHECK(count(server.post("/v1/dead-letters/retry", {{"ids", json::array{id}}}, stranger).json(), "retried") == 0);
    for (const auto& path : {"/v1/dead-letters/" + id, "/v1/errors/" + id}) {
        INFO(path);
        CHECK(remove(server, path, viewer).status == 403);
        CHECK(remove(server, path, stranger).status == 404);
    }
    for (const char* path : {"/v1/dead-letters?all=true", "/v1/errors?all=true"}) {
        INFO(path);
        CHECK(remove(server, path, viewer).status == 403);
        CHECK(count(remove(server, path, stranger).json(), "purged") == 0);
    }
    const auto next = server.post("/v1/dead-letters/" + id + "/retry", json::object{}, operate);
    CHECK(next.status == 201);
    CHECK(server.get("/v1/dead-letters/" + id, viewer).json().at("retried_by") == "token:operator of default");
    CHECK(server.post("/v1/breakers/guarded/reset", json::object{}, operate).json().at("state") == "CLOSED");
    CHECK(server.get("/v1/executions/" + id + "/wait?timeout_seconds=50", viewer).json().at("status") == "COMPLETED");
    CHECK(violations_at(guarded.database.url()) == std::vector<std::string>{});
}
