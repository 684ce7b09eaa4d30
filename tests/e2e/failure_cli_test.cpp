#include "tests/support/database_rows.hpp"
#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

const json::object once{{"retry_policy", {{"max_attempts", 1}}}};
constexpr const char* unknown = "0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10";

ended_program cli(std::vector<std::string> arguments)
{
    return run_rowlock(std::move(arguments), {{"ROWLOCK_URL", open_server().url()}});
}

json::value json_of(std::vector<std::string> arguments)
{
    arguments.insert(arguments.end(), {"--format", "json"});
    const auto ran = cli(std::move(arguments));
    INFO(ran.out << ran.err);
    REQUIRE(ran.code == 0);
    return json::parse(ran.out);
}

std::string dead(const std::string& job)
{
    const auto id = open_server().submit(job);
    REQUIRE(open_server().ended(id).at("status") == "FAILED");
    return id;
}

std::string line_of(const ended_program& ran) { return ran.out.substr(0, ran.out.find('\n')); }

}

TEST_CASE("dlq list, show and retry of one", "[e2e][cli][dead_letters]")
{
    auto& server = open_server();
    server.define("dlq-cli", {{"type", "fail"}, {"error_code", "X"}, {"times", 1}}, once);
    const auto id = dead("dlq-cli");
    const auto list = cli({"dlq", "list", "--job", "dlq-cli"});
    INFO(list.out << list.err);
    CHECK(list.code == 0);
    CHECK(list.out.find(id) != std::string::npos);
    CHECK(list.out.find("OPEN") != std::string::npos);
    CHECK(json_of({"dlq", "list", "--job", "dlq-cli", "--error-code", "X", "--status", "open"}).at("items").as_array().size() == 1);
    CHECK(json_of({"dlq", "show", id}).at("error_code") == "X");
    CHECK(cli({"dlq", "show", id}).out.find("dead_letter_id") != std::string::npos);
    CHECK(cli({"dlq", "show", id, "--format", "yaml"}).out.find("error_code: X") != std::string::npos);
    const auto retried = cli({"dlq", "retry", id});
    INFO(retried.out << retried.err);
    CHECK(retried.code == 0);
    CHECK(server.ended(id).at("execution_id") == line_of(retried).c_str());
    const auto twice = cli({"dlq", "retry", id});
    CHECK(twice.code == 2);
    CHECK(twice.out.empty());
    CHECK(twice.err.find("already") != std::string::npos);
    CHECK(cli({"dlq", "show", unknown}).code == 3);
    CHECK(cli({"dlq", "retry", unknown}).code == 3);
    CHECK(cli({"dlq", "list", "--status", "lost"}).code == 2);
}

TEST_CASE("dlq retry and purge take a filter, and refuse to be without one", "[e2e][cli][dead_letters]")
{
    auto& server = open_server();
    server.define("dlq-many", {{"type", "fail"}, {"error_code", "X"}, {"times", 2}}, once);
    std::vector<std::string> ids;
    for (int i = 0; i < 5; ++i) ids.push_back(dead("dlq-many"));
    CHECK(json_of({"dlq", "retry", "--job", "dlq-many", "--error-code", "Y"}).at("retried") == 0);
    const auto retried = cli({"dlq", "retry", "--job", "dlq-many", "--error-code", "X", "--all"});
    INFO(retried.out << retried.err);
    CHECK(retried.code == 0);
    CHECK(line_of(retried) == "5 dead letters retried");
    for (const auto& id : ids) CHECK(server.ended(id).at("attempt_number") == 2);
    CHECK(json_of({"dlq", "retry", "--job", "dlq-many"}) == json::value{{"retried", 5}, {"skipped", 0}, {"remaining", 0}});
    for (const auto& id : ids) CHECK(server.ended(id).at("status") == "COMPLETED");

    for (const auto& arguments : std::vector<std::vector<std::string>>{{"dlq", "retry"}, {"dlq", "retry", "--all"}, {"dlq", "retry", ids[0], "--job", "dlq-many"}, {"dlq", "purge"},
                                                                      {"dlq", "purge", ids[0], "--all"}, {"dlq", "retry", "--since", "today"}, {"dlq", "retry", "--job", "No"}}) {
        const auto refused = cli(arguments);
        INFO(arguments.back() << refused.err);
        CHECK(refused.code == 2);
        CHECK(refused.out.empty());
    }
    CHECK(json_of({"dlq", "purge", "--job", "dlq-many", "--status", "RETRIED"}).at("purged") == 10);
    const auto one = dead("dlq-many");
    CHECK(cli({"dlq", "purge", one}).code == 0);
    CHECK(cli({"dlq", "purge", one}).code == 3);
    dead("dlq-many");
    CHECK(json_of({"dlq", "purge", "--all"}).at("purged").to_number<int>() >= 1);
    CHECK(json_of({"dlq", "list"}).at("items").as_array().empty());
}

TEST_CASE("errors list, show, retry, purge and codes", "[e2e][cli][errors]")
{
    auto& server = open_server();
    server.define("errors-cli", {{"type", "process"}, {"command", json::array{"/bin/sh", "-c", "exit 4"}}}, once);
    const auto id = dead("errors-cli");
    const auto list = cli({"errors", "list", "--job", "errors-cli", "--queue", "execution_errors"});
    INFO(list.out << list.err);
    CHECK(list.code == 0);
    CHECK(list.out.find("EXIT_4") != std::string::npos);
    CHECK(json_of({"errors", "list", "--job", "errors-cli", "--category", "transient"}).at("items").as_array().size() == 1);
    CHECK(json_of({"errors", "show", id}).at("error_code") == "EXIT_4");
    CHECK(cli({"errors", "show", id}).out.find("hint") != std::string::npos);
    const auto retried = cli({"errors", "retry", id});
    CHECK(retried.code == 0);
    CHECK(server.ended(id).at("execution_id") == line_of(retried).c_str());
    CHECK(cli({"errors", "list", "--queue", "nothing"}).code == 2);
    CHECK(cli({"errors", "show", unknown}).code == 3);
    CHECK(cli({"errors", "purge"}).code == 2);
    CHECK(cli({"errors", "purge", id}).code == 0);
    CHECK(json_of({"errors", "purge", "--job", "errors-cli"}).at("purged") == 1);

    // Needs no server.
    const auto codes = run_rowlock({"errors", "codes", "--format", "json"}, {{"ROWLOCK_URL", "http://127.0.0.1:1"}});
    INFO(codes.err);
    REQUIRE(codes.code == 0);
    bool found = false;
    const auto table = json::parse(codes.out);
    for (const auto& entry : table.as_array()) found = found || entry.at("code") == "DEP_002_CYCLE_DETECTED";
    CHECK(found);
    CHECK(cli({"errors", "codes"}).out.find("HEARTBEAT_LOST") != std::string::npos);
}

TEST_CASE("breaker list, show and reset", "[e2e][cli][breakers]")
{
    auto& server = open_server();
    server.define("breaker-cli", {{"type", "fail"}, {"error_code", "X"}}, {{"retry_policy", {{"max_attempts", 1}}}, {"circuit_breaker", {{"failure_threshold", 1}, {"open_seconds", 3600}}}});
    dead("breaker-cli");
    const auto list = cli({"breaker", "list"});
    INFO(list.out << list.err);
    CHECK(list.code == 0);
    CHECK(list.out.find("breaker-cli") != std::string::npos);
    CHECK(json_of({"breaker", "show", "breaker-cli"}).at("state") == "OPEN");
    CHECK(cli({"breaker", "show", "breaker-cli"}).out.find("next_probe_at") != std::string::npos);
    const auto reset = cli({"breaker", "reset", "breaker-cli"});
    CHECK(reset.code == 0);
    CHECK(line_of(reset) == "breaker-cli is CLOSED");
    CHECK(cli({"breaker", "reset", "breaker-nobody"}).code == 3);
    CHECK(cli({"breaker", "show", "breaker-nobody"}).code == 3);
    CHECK(cli({"breaker", "show"}).code == 2);
}

TEST_CASE("execution retry, replay and explain", "[e2e][cli][retry]")
{
    auto& server = open_server();
    server.define("exec-cli", {{"type", "fail"}, {"error_code", "X"}, {"times", 1}}, once);
    const auto id = dead("exec-cli");
    const auto why = cli({"execution", "explain", id});
    INFO(why.out << why.err);
    CHECK(why.code == 0);
    CHECK(why.out.find("dead letters") != std::string::npos);
    CHECK(json_of({"execution", "explain", id}).at_pointer("/why/error_code") == "X");
    const auto retried = cli({"execution", "retry", id});
    CHECK(retried.code == 0);
    CHECK(server.ended(id).at("execution_id") == line_of(retried).c_str());
    CHECK(cli({"execution", "retry", id}).code == 2);
    CHECK(cli({"execution", "retry", unknown}).code == 3);
    CHECK(cli({"execution", "replay", unknown}).code == 3);
    CHECK(cli({"execution", "explain", unknown}).code == 3);

    const auto replayed = json_of({"execution", "replay", id, "-p", "n=2", "--idempotency-key", "exec-cli-key"});
    CHECK(replayed.at("replay_of") == id.c_str());
    CHECK(replayed.at_pointer("/parameters/n") == 2);
    CHECK(json_of({"execution", "replay", id, "-p", "n=2", "--idempotency-key", "exec-cli-key"}).at("execution_id") == replayed.at("execution_id"));
    CHECK(cli({"execution", "replay", id, "-p", "n=3", "--idempotency-key", "exec-cli-key"}).code == 2);

    const auto later = text_at(server.post("/v1/executions", {{"job_id", "exec-cli"}, {"scheduled_time", "2999-01-01T00:00:00Z"}}).json(), "/execution_id");
    CHECK(cli({"execution", "explain", later}).out.find("schedule") != std::string::npos);
    CHECK(cli({"execution", "cancel", later}).code == 0);
}

TEST_CASE("each new verb has help with an example", "[e2e][cli]")
{
    for (const auto& verb : std::vector<std::vector<std::string>>{{"dlq", "list"}, {"dlq", "show"}, {"dlq", "retry"}, {"dlq", "purge"}, {"errors", "list"}, {"errors", "show"}, {"errors", "retry"},
                                                                 {"errors", "purge"}, {"errors", "codes"}, {"breaker", "list"}, {"breaker", "show"}, {"breaker", "reset"},
                                                                 {"execution", "retry"}, {"execution", "replay"}, {"execution", "explain"}}) {
        INFO(verb[0] << ' ' << verb[1]);
        const auto help = run_rowlock({verb[0], verb[1], "--help"});
        CHECK(help.code == 0);
        CHECK(help.out.find("Example") != std::string::npos);
    }
}
