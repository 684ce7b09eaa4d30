#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <pqxx/pqxx>
#include <sstream>
#include <sys/stat.h>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

json::object shell(const std::string& script)
{
    return {{"type", "process"}, {"command", json::array{"/bin/sh", "-c", script}}, {"grace_seconds", 1}};
}

json::object once() { return {{"retry_policy", {{"max_attempts", 1}}}}; }

std::string log_of(const std::string& id) { return open_server().get("/v1/executions/" + id + "/log").body; }

}

TEST_CASE("a process reads its parameters on stdin and in a file, and what it writes is the log", "[e2e][process]")
{
    auto& server = open_server();
    server.define("process-parameters", shell("cat; echo; cat \"$ROWLOCK_PARAMETERS_FILE\""));
    const json::value expected{{"n", 1}, {"text", "\xc3\xa4 \"quoted\"\n"}};
    const auto end = server.run("process-parameters", expected.as_object());
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at_pointer("/result/exit_code") == 0);
    const auto reply = server.get("/v1/executions/" + text_at(end, "/execution_id") + "/log");
    CHECK(reply.status == 200);
    CHECK(reply.field("Content-Type").find("text/plain") == 0);
    std::istringstream lines(reply.body);
    int seen = 0;
    for (std::string line; std::getline(lines, line); ++seen) CHECK(json::parse(line) == expected);
    CHECK(seen == 2);

    server.define("process-stderr", shell("echo aside >&2"));
    CHECK(log_of(text_at(server.run("process-stderr"), "/execution_id")) == "aside\n");
}

TEST_CASE("the environment of a process is what the contract names, and nothing of the server's", "[e2e][process]")
{
    auto& server = open_server();
    auto handler = shell("env");
    handler["env"] = {{"MINE", "a b"}, {"FILLED", "{{ parameters.who }}"}};
    server.define("process-environment", handler, {{"timeout_seconds", 60}});
    const auto end = server.run("process-environment", {{"who", "me"}});
    REQUIRE(end.at("status") == "COMPLETED");
    std::map<std::string, std::string> seen;
    std::istringstream lines(log_of(text_at(end, "/execution_id")));
    for (std::string line; std::getline(lines, line);) seen.emplace(line.substr(0, line.find('=')), line.substr(line.find('=') + 1));
    CHECK(seen["MINE"] == "a b");
    CHECK(seen["FILLED"] == "me");
    CHECK(seen["ROWLOCK_EXECUTION_ID"] == text_at(end, "/execution_id"));
    CHECK(seen["ROWLOCK_ATTEMPT_NUMBER"] == "1");
    CHECK_FALSE(seen["ROWLOCK_DEADLINE"].empty());
    CHECK_FALSE(seen["ROWLOCK_RUN_DIR"].empty());
    CHECK_FALSE(seen["PATH"].empty());
    for (const auto& [name, value] : seen) {
        INFO(name << "=" << value);
        // PWD, _, SHLVL and OLDPWD are the shell's own.
        const bool known = name.rfind("ROWLOCK_", 0) == 0 || name == "MINE" || name == "FILLED" || name == "PATH" || name == "HOME" || name == "LANG" || name == "TZ" ||
                           name == "PWD" || name == "_" || name == "SHLVL" || name == "OLDPWD";
        CHECK(known);
    }
    // The server has these, its jobs must not.
    CHECK(seen.count("ROWLOCK_PROCESS_ALLOWED_PROGRAMS") == 0);
    CHECK(seen.count("ROWLOCK_DATABASE") == 0);
}

TEST_CASE("each attempt has a fresh working directory that is gone afterwards, and each run a directory that stays", "[e2e][process]")
{
    auto& server = open_server();
    server.define("process-directories", shell("pwd; ls -A | wc -l; touch here; echo $ROWLOCK_RUN_DIR; echo $ROWLOCK_ATTEMPT_NUMBER >> $ROWLOCK_RUN_DIR/notes; test $ROWLOCK_ATTEMPT_NUMBER = 2"),
                  {{"retry_policy", {{"max_attempts", 2}, {"initial_delay_seconds", 0}}}});
    const auto end = server.run("process-directories");
    REQUIRE(end.at("status") == "COMPLETED");
    REQUIRE(end.at("attempt_number") == 2);
    const auto lines_of = [](const std::string& log) {
        std::vector<std::string> out;
        std::istringstream lines(log);
        for (std::string line; std::getline(lines, line);) out.push_back(line);
        return out;
    };
    const auto first = lines_of(log_of(text_at(end, "/run_id")));
    const auto second = lines_of(log_of(text_at(end, "/execution_id")));
    REQUIRE(first.size() == 3);
    REQUIRE(second.size() == 3);
    CHECK(first[0] != second[0]);
    CHECK(first[1] == "0");
    CHECK(second[1] == "0");
    CHECK(first[2] == second[2]);
    CHECK_FALSE(std::filesystem::exists(first[0]));
    CHECK_FALSE(std::filesystem::exists(second[0]));
    CHECK(text_of_file(second[2] + "/notes") == "1\n2\n");
}

TEST_CASE("what a process says on descriptor 3 is in its result", "[e2e][process]")
{
    auto& server = open_server();
    server.define("process-speaks", shell(R"(printf '{"heartbeat": true}\n{"progress": 0.4}\n{"output": {"rows": 10}}\n{"output": {"path": "x"}}\n{"records_processed": 10, "records_failed": 3}\n' >&3)"));
    const auto end = server.run("process-speaks");
    REQUIRE(end.at("status") == "COMPLETED");
    CHECK(end.at_pointer("/result/outputs/rows") == 10);
    CHECK(end.at_pointer("/result/outputs/path") == "x");
    CHECK(end.at_pointer("/result/records_processed") == 10);
    CHECK(end.at_pointer("/result/records_failed") == 3);
    CHECK(end.at_pointer("/result/exit_code") == 0);

    server.define("process-says-error", shell(R"(printf '{"error_code": "NO_DATA", "error_message": "nothing there"}\n' >&3)"), once());
    const auto failed = server.run("process-says-error");
    CHECK(failed.at("status") == "FAILED");
    CHECK(failed.at_pointer("/result/error_code") == "NO_DATA");
    CHECK(failed.at_pointer("/result/error_message") == "nothing there");
    CHECK(failed.at_pointer("/result/exit_code") == 0);
}

TEST_CASE("lines on descriptor 3 that mean nothing harm nobody", "[e2e][process]")
{
    auto& server = open_server();
    server.define("process-babbles", shell(R"(printf 'not json\n[1]\n{"unknown": 1}\n{"progress": 7}\n{"checkpoint": "***"}\n\377\376\n{"output": 5}\n{"output": {"ok": true}}\n' >&3; head -c 3000000 /dev/zero | tr '\0' 'x' >&3; exit 0)"));
    const auto end = server.run("process-babbles");
    INFO(end);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at_pointer("/result/outputs/ok") == true);
}

TEST_CASE("exit codes and signals are kept and named", "[e2e][process]")
{
    auto& server = open_server();
    struct row {
        const char* script;
        const char* code;
        int exit_code;
    };
    const auto r = GENERATE(values<row>({{"exit 3", "EXIT_3", 3}, {"exit 255", "EXIT_255", 255}, {"kill -9 $$", "SIGNAL_KILL", -1}, {"kill -SEGV $$", "SIGNAL_SEGV", -1}}));
    INFO(r.script);
    server.define("process-exits", shell(r.script), once());
    const auto end = server.run("process-exits");
    CHECK(end.at("status") == "FAILED");
    CHECK((text_at(end, "/result/error_code") == r.code || text_at(end, "/result/error_code") == std::string("SIGNAL_SIG") + (r.code + 7)));
    if (r.exit_code >= 0) CHECK(end.at_pointer("/result/exit_code") == r.exit_code);
}

TEST_CASE("a program that is not there is a failure that says so", "[e2e][process]")
{
    auto& server = open_server();
    server.define("process-missing", {{"type", "process"}, {"command", json::array{"/no/such/program"}}}, {{"retry_policy", {{"max_attempts", 5}}}});
    const auto end = server.run("process-missing");
    CHECK(end.at("status") == "FAILED");
    CHECK(end.at_pointer("/result/error_code") == "INVALID_CONFIG");
    CHECK(end.at("attempt_number") == 1);
    CHECK(text_at(end, "/result/error_message").find("/no/such/program") != std::string::npos);
}

TEST_CASE("checkpoints are numbered, hashed and handed to the next attempt", "[e2e][process]")
{
    auto& server = open_server();
    // "one" and "two" in base64; the second attempt shows what it is given.
    server.define("process-checkpoints", shell(R"(if test -n "$ROWLOCK_CHECKPOINT_FILE"; then cat "$ROWLOCK_CHECKPOINT_FILE"; exit 0; fi
printf '{"checkpoint": "b25l", "stage": "first"}\n{"checkpoint": "dHdv"}\n' >&3; exit 1)"),
                  {{"retry_policy", {{"max_attempts", 2}, {"initial_delay_seconds", 0}}}});
    const auto end = server.run("process-checkpoints");
    REQUIRE(end.at("status") == "COMPLETED");
    CHECK(end.at("attempt_number") == 2);
    CHECK(log_of(text_at(end, "/execution_id")) == "two");
    const auto first = text_at(end, "/run_id");
    const auto list = server.get("/v1/executions/" + first + "/checkpoints");
    INFO(list.body);
    REQUIRE(list.status == 200);
    const auto body = list.json();
    CHECK(body.as_object().contains("next_cursor"));
    auto items = body.at("items").as_array();
    REQUIRE(items.size() == 2);
    if (items[0].at("checkpoint_number") == 2) std::swap(items[0], items[1]);
    CHECK(items[0].at("checkpoint_number") == 1);
    CHECK(items[0].at("size_bytes") == 3);
    CHECK(items[0].at("stage") == "first");
    CHECK(items[0].at("sha256") == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed");
    CHECK(items[0].at("created_time").is_string());
    CHECK(items[1].at("sha256") == "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3");
    const auto bytes = server.get("/v1/executions/" + first + "/checkpoints/2");
    CHECK(bytes.status == 200);
    CHECK(bytes.body == "two");
    CHECK(bytes.field("Content-Type").find("application/octet-stream") == 0);
    CHECK(server.get("/v1/executions/" + first + "/checkpoints/3").status == 404);
    CHECK(server.get("/v1/executions/" + first + "/checkpoints/x").status == 404);
    CHECK(server.execution(first).at("checkpoint") == 2);
}

TEST_CASE("a followed log comes while the process runs, and ends with it", "[e2e][process]")
{
    auto& server = open_server();
    const scratch_folder folder;
    const auto gate = (folder.path() / "gate").string();
    server.define("process-follow", shell("echo before; while ! test -e " + gate + "; do sleep 0.05; done; echo after"));
    const auto id = server.submit("process-follow");
    http_connection follower(server.address());
    follower.send(request_text("GET", "/v1/executions/" + id + "/log?follow=true"));
    std::string seen;
    while (seen.find("before\n") == std::string::npos) seen += follower.receive_some();
    CHECK(seen.find("after") == std::string::npos);
    CHECK(server.status_of(id) == "RUNNING");
    write_file(gate, "open");
    while (seen.find("after\n") == std::string::npos) seen += follower.receive_some();
    CHECK(server.ended(id).at("status") == "COMPLETED");
    // The last chunk; the connection can be used again.
    while (seen.find("\r\n0\r\n\r\n") == std::string::npos) seen += follower.receive_some();
    follower.send(request_text("GET", "/healthz"));
    CHECK(follower.receive().status == 200);
    CHECK(log_of(id) == "before\nafter\n");
    CHECK(server.get("/v1/executions/" + id + "/log?follow=true").body == "before\nafter\n");
}

TEST_CASE("the log is cut at output_limit_bytes, and the process goes on", "[e2e][process]")
{
    auto& server = open_server();
    auto handler = shell("head -c 5000000 /dev/zero | tr '\\0' 'y'; echo >&3 '{\"output\": {\"at_the_end\": true}}'");
    handler["output_limit_bytes"] = 10'000;
    server.define("process-floods", handler, once());
    const auto end = server.run("process-floods");
    INFO(end);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at_pointer("/result/outputs/at_the_end") == true);
    const auto log = log_of(text_at(end, "/execution_id"));
    CHECK(log.rfind(std::string(9'000, 'y'), 0) == 0);
    CHECK(log.size() < 11'000);
}

TEST_CASE("an artifact is hashed, recorded and read-only, and a later attempt does not overwrite it", "[e2e][process]")
{
    auto& server = open_server();
    server.define("process-artifacts", shell(R"(echo $ROWLOCK_RUN_DIR
printf one > "$ROWLOCK_RUN_DIR/table.csv"; printf '{"artifact": "table.csv"}\n' >&3)"), once());
    const auto end = server.run("process-artifacts");
    INFO(end);
    REQUIRE(end.at("status") == "COMPLETED");
    auto directory = log_of(text_at(end, "/execution_id"));
    directory.pop_back();
    struct stat found{};
    REQUIRE(::stat((directory + "/table.csv").c_str(), &found) == 0);
    CHECK((found.st_mode & 0222) == 0);
    CHECK(text_of_file(directory + "/table.csv") == "one");
    pqxx::connection session(open_server_database());
    pqxx::nontransaction sql(session);
    const auto recorded = sql.exec("select name, size_bytes, sha256 from rowlock.artifacts where run_id = " + sql.quote(text_at(end, "/run_id")));
    REQUIRE(recorded.size() == 1);
    CHECK(recorded[0][0].as<std::string>() == "table.csv");
    CHECK(recorded[0][1].as<int>() == 3);
    CHECK(recorded[0][2].as<std::string>().find("7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed") != std::string::npos);

    server.define("process-escapes", shell(R"(printf '{"artifact": "../../../../etc/passwd"}\n{"artifact": "/etc/passwd"}\n' >&3)"), once());
    server.run("process-escapes");
    REQUIRE(::stat("/etc/passwd", &found) == 0);
    CHECK((found.st_mode & 0200) != 0);
}

TEST_CASE("parameters fill a command word by word, without a shell between", "[e2e][process]")
{
    auto& server = open_server();
    server.define("process-words", {{"type", "process"}, {"command", json::array{"/bin/echo", "{{ parameters.what }}", "end"}}});
    const auto end = server.run("process-words", {{"what", "$(id); `id` 'x' \"y\"  *"}});
    CHECK(end.at("status") == "COMPLETED");
    CHECK(log_of(text_at(end, "/execution_id")) == "$(id); `id` 'x' \"y\"  * end\n");
}

TEST_CASE("an unused background child does not keep an execution from its end", "[e2e][process]")
{
    auto& server = open_server();
    server.define("process-background", shell("sleep 600 & echo started"));
    const auto end = server.run("process-background");
    CHECK(end.at("status") == "COMPLETED");
    CHECK(log_of(text_at(end, "/execution_id")) == "started\n");
}
