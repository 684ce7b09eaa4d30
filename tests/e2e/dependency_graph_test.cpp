#include "tests/support/database_rows.hpp"
#include "tests/support/job_runs.hpp"

#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <future>
#include <set>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

json::object job(const std::string& id, json::array dependencies, const json::object& more = {})
{
    return with({{"job_id", id}, {"handler", {{"type", "noop"}}}, {"dependencies", std::move(dependencies)}}, more);
}

http_reply put_job(const server_process& at, const json::object& definition, const std::string& query = "")
{
    return at.put("/v1/jobs/" + text_at(definition, "/job_id") + query, definition);
}

void check_stored(const http_reply& reply)
{
    INFO(reply.body);
    CHECK((reply.status == 200 || reply.status == 201));
}

// A cycle is refused with its path, from one of these jobs round to it again.
void check_refused_as_cycle(const http_reply& reply, std::size_t length)
{
    INFO(reply.body);
    REQUIRE(reply.status == 422);
    const auto problem = reply.json();
    CHECK(problem.at("code") == "DEP_002_CYCLE_DETECTED");
    const auto& path = problem.at_pointer("/errors/0/cycle_path").as_array();
    CHECK(problem.at_pointer("/errors/0/field").as_string().find("dependencies") != std::string::npos);
    REQUIRE(path.size() == length + 1);
    CHECK(path.front() == path.back());
    std::set<std::string> jobs;
    for (const auto& id : path) jobs.emplace(id.as_string());
    CHECK(jobs.size() == length);
}

std::vector<json::value> dependency_errors(const server_process& at, const std::string& job_id)
{
    const auto reply = at.get("/v1/errors?queue=dependency_errors&job_id=" + job_id).json();
    const auto& items = reply.at("items").as_array();
    return {items.begin(), items.end()};
}

std::string warnings_in(const json::value& answer)
{
    return json::serialize(answer.at("warnings"));
}

}

TEST_CASE("a missing upstream is warned of and reported; what waits for it goes on once it is registered and has ended", "[e2e][dependencies]")
{
    auto& server = open_server();
    const auto down = job("missing-down", {on("missing-up")});
    const auto rehearsed = put_job(server, down, "?dry_run=true").json();
    CHECK(warnings_in(rehearsed.at("job")).find("DEP_001_MISSING_UPSTREAM") != std::string::npos);
    CHECK(dependency_errors(server, "missing-down").empty());

    const auto stored = put_job(server, down);
    check_stored(stored);
    CHECK(warnings_in(stored.json()).find("missing-up") != std::string::npos);
    CHECK(warnings_in(stored.json()).find("DEP_001_MISSING_UPSTREAM") != std::string::npos);
    const auto errors = dependency_errors(server, "missing-down");
    REQUIRE(errors.size() == 1);
    INFO(errors.front());
    CHECK(errors.front().at("error_code") == "DEP_001_MISSING_UPSTREAM");
    CHECK(server.get("/v1/graph").body.find("missing-down depends on missing-up, and there is no such job") != std::string::npos);

    const auto waits = server.submit("missing-down");
    CHECK(server.status_of(waits) == "PENDING");
    CHECK(server.execution(waits).at_pointer("/waiting_on/detail").as_string().find("missing-up") != std::string::npos);
    server.define("missing-up", {{"type", "noop"}});
    CHECK(server.status_of(waits) == "PENDING");
    CHECK(warnings_in(put_job(server, down).json()) == "[]");
    server.run("missing-up");
    CHECK(server.ended(waits).at("status") == "COMPLETED");

    // It goes: what depends on it is told, and waits again.
    REQUIRE(http_request(server.address(), "DELETE", "/v1/jobs/missing-up").status == 204);
    CHECK(dependency_errors(server, "missing-down").size() == 2);
    const auto again = server.submit("missing-down");
    CHECK(server.status_of(again) == "PENDING");
    CHECK(server.post("/v1/executions/" + again + "/cancel", json::object{}).status == 202);
}

TEST_CASE("jobs that are applied together may name one another in any order", "[e2e][dependencies]")
{
    auto& server = open_server();
    const auto applied = server.post("/v1/jobs/apply", {{"jobs", json::array{job("apply-last", {on("apply-mid")}), job("apply-mid", {on("apply-first")}), job("apply-first", {}), job("apply-lost", {on("apply-none")})}}});
    INFO(applied.body);
    REQUIRE(applied.status == 200);
    const auto jobs = applied.json().at("jobs").as_array();
    CHECK(warnings_in(jobs[0]) == "[]");
    CHECK(warnings_in(jobs[1]) == "[]");
    CHECK(warnings_in(jobs[3]).find("apply-none") != std::string::npos);
    CHECK(dependency_errors(server, "apply-last").empty());
    CHECK(dependency_errors(server, "apply-mid").empty());
    CHECK(dependency_errors(server, "apply-lost").size() == 1);
    // Chains run through by themselves.
    server.run("apply-first");
    CHECK(last_of(server, "apply-mid").at("status") == "COMPLETED");
    CHECK(last_of(server, "apply-last").at("status") == "COMPLETED");

    // A dependency is turned round: on the way there it closes a cycle, in the end none.
    const auto turned = server.post("/v1/jobs/apply", {{"jobs", json::array{job("apply-first", {on("apply-last")}), job("apply-last", {on("apply-mid")}), job("apply-mid", {})}}});
    INFO(turned.body);
    CHECK(turned.status == 200);
}

TEST_CASE("a definition that closes a cycle is refused with its path, and changes nothing", "[e2e][dependencies]")
{
    auto& server = open_server();
    check_stored(put_job(server, job("ring-a", {on("ring-b")})));
    check_stored(put_job(server, job("ring-b", {on("ring-c")})));
    const auto closing = job("ring-c", {on("ring-x"), on("ring-a")});
    check_refused_as_cycle(put_job(server, closing, "?dry_run=true"), 3);
    check_refused_as_cycle(put_job(server, closing), 3);
    CHECK(server.get("/v1/jobs/ring-c").status == 404);
    check_refused_as_cycle(put_job(server, job("ring-self", {on("ring-self")})), 1);
    // By data: a reads what c makes, and c would wait for a.
    check_stored(put_job(server, job("ring-c", {}, {{"outputs", json::array{"ring-data"}}})));
    check_stored(put_job(server, job("ring-b", {})));
    check_stored(put_job(server, job("ring-a", {}, {{"inputs", json::array{"ring-data"}}})));
    check_refused_as_cycle(put_job(server, job("ring-c", {on("ring-a")}, {{"outputs", json::array{"ring-data"}}})), 2);
    const auto together = server.post("/v1/jobs/apply", {{"jobs", json::array{job("ring-p", {on("ring-q")}), job("ring-q", {on("ring-p")})}}});
    check_refused_as_cycle(together, 2);
    CHECK(server.get("/v1/jobs/ring-p").status == 404);
    CHECK(server.get("/v1/jobs/ring-a").json().at("version") == 2);
}

TEST_CASE("the halves of a cycle cannot be registered by two servers at once", "[e2e][dependencies]")
{
    const test_database database;
    server_process first({"serve", "--auth", "none", "--database", database.url()});
    server_process second({"serve", "--auth", "none", "--database", database.url()});
    for (int i = 0; i < 20; ++i) {
        const auto a = fmt::format("half-a{}", i);
        const auto b = fmt::format("half-b{}", i);
        auto one = std::async(std::launch::async, [&] { return put_job(first, job(a, {on(b)})); });
        auto two = std::async(std::launch::async, [&] { return put_job(second, job(b, {on(a)})); });
        const auto said_one = one.get();
        const auto said_two = two.get();
        INFO(said_one.body << '\n' << said_two.body);
        CHECK(((said_one.status == 201) != (said_two.status == 201)));
        check_refused_as_cycle(said_one.status == 201 ? said_two : said_one, 2);
    }
    CHECK(first.get("/v1/graph").body.find("The cycle is") == std::string::npos);
    CHECK(violations_at(database.url()) == std::vector<std::string>{});
}

TEST_CASE("where cycles are not looked for, they are taken, and what is on one ends when its time is up", "[e2e][dependencies]")
{
    const test_database database;
    server_process server({"serve", "--auth", "none", "--database", database.url()}, {{"ROWLOCK_DEPENDENCY_CYCLE_DETECTION_ENABLED", "false"}});
    check_stored(put_job(server, job("round-a", {on("round-b", {{"timeout_seconds", 0.2}})})));
    check_stored(put_job(server, job("round-b", {on("round-a", {{"timeout_seconds", 0.2}})})));
    CHECK(server.run("round-a").at_pointer("/result/error_code") == "EXPIRED");
    CHECK(dependency_errors(server, "round-a").front().at("error_code") == "DEP_003_UPSTREAM_TIMEOUT");
    CHECK(server.get("/v1/graph").json().at("is_valid") == false);
}

TEST_CASE("a condition that is no SQL/JSON path is refused by its field, and changes nothing", "[e2e][dependencies]")
{
    auto& server = open_server();
    const auto refused = put_job(server, job("path-down", {on("path-a", {{"condition", "$.exit_code == 0"}}), on("path-b", {{"condition", "$.exit_code =="}})}));
    INFO(refused.body);
    CHECK(refused.status == 422);
    CHECK(refused.json().at_pointer("/errors/0/field") == "dependencies[1].condition");
    CHECK(server.get("/v1/jobs/path-down").status == 404);
    const auto in_a_list = server.post("/v1/jobs/apply", {{"jobs", json::array{job("path-a", {}), job("path-down", {on("path-a", {{"condition", "("}})})}}});
    CHECK(in_a_list.status == 422);
    CHECK(in_a_list.json().at_pointer("/errors/0/field") == "jobs[1].dependencies[0].condition");
    CHECK(server.get("/v1/jobs/path-a").status == 404);
}

TEST_CASE("a dependency that is as it was keeps its mark when the definition changes", "[e2e][dependencies]")
{
    auto& server = open_server();
    server.define("mark-a", {{"type", "noop"}});
    server.define("mark-b", {{"type", "noop"}});
    check_stored(put_job(server, job("mark-down", {on("mark-a"), on("mark-b")})));
    server.run("mark-a");
    check_stored(put_job(server, job("mark-down", {on("mark-a"), on("mark-b")}, {{"description", "the same dependencies"}})));
    server.run("mark-b");
    CHECK(count_of(server, "mark-down") == 1);
    CHECK(last_of(server, "mark-down").at("job_version") == 2);
    CHECK(violations_at(open_server_database()) == std::vector<std::string>{});
}
