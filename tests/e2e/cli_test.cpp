#include "tests/support/server_process.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <set>
#include <sstream>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

ended_program cli(std::vector<std::string> arguments, std::string input = {})
{
    return run_rowlock(std::move(arguments), {{"ROWLOCK_URL", open_server().url()}}, std::move(input));
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::size_t lines_in(const std::string& text) { return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')); }

}

TEST_CASE("job apply stores every definition of its files, tells what changed, and errors name file, line and field", "[e2e][cli]")
{
    const scratch_folder folder;
    const auto good = (folder.path() / "good.yaml").string();
    write_file(good, "job_id: cli-one\nhandler: {type: noop}\ntimeout_seconds: 60\n---\njob_id: cli-two\nhandler:\n  type: sleep\n  seconds: 0.5\n");
    const auto dry = cli({"job", "apply", good, "--dry-run"});
    INFO(dry.out << dry.err);
    CHECK(dry.code == 0);
    CHECK(open_server().get("/v1/jobs/cli-one").status == 404);
    const auto applied = cli({"job", "apply", good, "--reason", "by a test"});
    INFO(applied.out << applied.err);
    CHECK(applied.code == 0);
    CHECK(open_server().get("/v1/jobs/cli-one").json().at("reason") == "by a test");
    CHECK(open_server().get("/v1/jobs/cli-two").status == 200);
    CHECK(cli({"job", "apply", good}).code == 0);
    CHECK(open_server().get("/v1/jobs/cli-one").json().at("version") == 1);

    const auto bad = (folder.path() / "bad.yaml").string();
    write_file(bad, "job_id: cli-bad\nhandler:\n  type: sleep\n  seconds: -1\n# a comment\ncolour: red\n");
    const auto refused = cli({"job", "apply", bad});
    INFO(refused.err);
    CHECK(refused.code == 2);
    CHECK(refused.out.empty());
    CHECK(refused.err.find("bad.yaml:4") != std::string::npos);
    CHECK(refused.err.find("handler.seconds") != std::string::npos);
    CHECK(refused.err.find("bad.yaml:6") != std::string::npos);
    CHECK(refused.err.find("colour") != std::string::npos);
    CHECK(open_server().get("/v1/jobs/cli-bad").status == 404);

    const auto broken = (folder.path() / "broken.yaml").string();
    write_file(broken, "job_id: cli-broken\nhandler: {type: noop\n");
    const auto unread = cli({"job", "apply", broken});
    CHECK(unread.code == 2);
    CHECK(unread.err.find("broken.yaml:") != std::string::npos);
    CHECK(cli({"job", "apply", (folder.path() / "absent.yaml").string()}).code == 2);
}

TEST_CASE("job list, show, enable and disable", "[e2e][cli]")
{
    open_server().define("cli-job", {{"type", "noop"}});
    const auto list = cli({"job", "list", "--format", "json"});
    REQUIRE(list.code == 0);
    CHECK(json::parse(list.out).at("items").as_array().size() >= 1);
    const auto show = cli({"job", "show", "cli-job", "--format", "json"});
    REQUIRE(show.code == 0);
    CHECK(json::parse(show.out).at("job_id") == "cli-job");
    const auto yaml = cli({"job", "show", "cli-job", "--format", "yaml"});
    CHECK(yaml.out.find("job_id: cli-job") != std::string::npos);
    CHECK(cli({"job", "disable", "cli-job"}).code == 0);
    CHECK(cli({"submit", "cli-job"}).code == 2);
    CHECK(cli({"job", "enable", "cli-job"}).code == 0);
    const auto absent = cli({"job", "show", "cli-absent"});
    CHECK(absent.code == 3);
    CHECK(absent.out.empty());
    CHECK(absent.err.find("cli-absent") != std::string::npos);
}

TEST_CASE("what GET shows as YAML can be applied again", "[e2e][cli]")
{
    const scratch_folder folder;
    open_server().define("cli-round", {{"type", "process"}, {"command", json::array{"/bin/echo", "yes", "no", "1e3", "012", "a: b", "#", "", "\xc3\xa4", "x\ny"}}},
                         {{"description", "null"}, {"parameters", {{"a", nullptr}, {"b", 1.5}, {"c", "1.5"}, {"d", true}}}});
    const auto shown = cli({"job", "show", "cli-round", "--format", "yaml"});
    REQUIRE(shown.code == 0);
    write_file(folder.path() / "again.yaml", shown.out);
    const auto again = cli({"job", "apply", (folder.path() / "again.yaml").string()});
    INFO(shown.out << again.err);
    CHECK(again.code == 0);
    CHECK(open_server().get("/v1/jobs/cli-round").json().at("version") == 1);
}

TEST_CASE("submit prints the id alone, waits if asked, and ends with 0 or 1 as the execution did", "[e2e][cli]")
{
    auto& server = open_server();
    server.define("cli-good", {{"type", "noop"}});
    server.define("cli-bad-end", {{"type", "fail"}, {"error_code", "CLI"}, {"times", 9}}, {{"retry_policy", {{"max_attempts", 1}}}});
    const auto plain = cli({"submit", "cli-good", "-p", "n=1", "-p", "text=abc", "--idempotency-key", "cli-key"});
    INFO(plain.err);
    REQUIRE(plain.code == 0);
    CHECK(lines_in(plain.out) == 1);
    const auto id = first_line(plain.out);
    CHECK(server.execution(id).at("parameters") == json::value({{"n", 1}, {"text", "abc"}}));
    CHECK(first_line(cli({"submit", "cli-good", "-p", "n=1", "-p", "text=abc", "--idempotency-key", "cli-key"}).out) == id);
    CHECK(cli({"submit", "cli-good", "-p", "n=2", "--idempotency-key", "cli-key"}).code == 2);

    const auto waited = cli({"submit", "cli-good", "--wait", "--format", "json", "--parameters", R"({"a": [1]})"});
    CHECK(waited.code == 0);
    CHECK(json::parse(waited.out).at("status") == "COMPLETED");
    const auto failed = cli({"submit", "cli-bad-end", "--wait", "--format", "json"});
    CHECK(failed.code == 1);
    CHECK(json::parse(failed.out).at_pointer("/result/error_code") == "CLI");
    CHECK(cli({"submit", "cli-nobody"}).code == 2);
    CHECK(cli({"submit", "cli-good", "--parameters", "[1]"}).code == 2);
    CHECK(cli({"submit", "cli-good", "-p", "no-equals-sign"}).code == 2);

    const auto many = cli({"submit", "cli-good", "--count", "250"});
    REQUIRE(many.code == 0);
    std::set<std::string> ids;
    std::istringstream lines(many.out);
    for (std::string line; std::getline(lines, line);) ids.insert(line);
    CHECK(ids.size() == 250);
    CHECK(cli({"submit", "cli-good", "--count", "3", "--wait"}).code == 0);
    CHECK(cli({"submit", "cli-bad-end", "--count", "2", "--wait"}).code == 1);
}

TEST_CASE("run applies the file's job, runs it and ends with its exit code", "[e2e][cli]")
{
    const scratch_folder folder;
    const auto good = (folder.path() / "run.yaml").string();
    write_file(good, "job_id: cli-run\nhandler: {type: process, command: [/bin/sh, -c, 'cat; echo said']}\n");
    const auto ran = cli({"run", good, "-p", "n=5", "--format", "json"});
    INFO(ran.err);
    REQUIRE(ran.code == 0);
    CHECK(json::parse(ran.out).at("status") == "COMPLETED");
    CHECK(json::parse(ran.out).at_pointer("/parameters/n") == 5);
    CHECK(ran.err.find("said") != std::string::npos);
    const auto bad = (folder.path() / "bad.yaml").string();
    write_file(bad, "job_id: cli-run-bad\nhandler: {type: process, command: [/bin/sh, -c, 'exit 7']}\nretry_policy: {max_attempts: 1}\n");
    const auto failed = cli({"run", bad});
    CHECK(failed.code == 1);
    CHECK((failed.out + failed.err).find("EXIT_7") != std::string::npos);
    CHECK(cli({"run", (folder.path() / "absent.yaml").string()}).code == 2);
}

TEST_CASE("execution list, show, log, watch, cancel and transitions", "[e2e][cli]")
{
    auto& server = open_server();
    server.define("cli-logs", {{"type", "process"}, {"command", json::array{"/bin/echo", "from the job"}}});
    server.define("cli-sleeps", {{"type", "sleep"}, {"seconds", 300}});
    const auto id = text_at(server.run("cli-logs"), "/execution_id");
    const auto list = cli({"execution", "list", "--job", "cli-logs", "--format", "json"});
    REQUIRE(list.code == 0);
    CHECK(json::parse(list.out).at("items").as_array().size() == 1);
    const auto table = cli({"execution", "list", "--job", "cli-logs"});
    CHECK(table.out.find(id) != std::string::npos);
    CHECK(table.out.find('\x1b') == std::string::npos);
    CHECK(text_at(json::parse(cli({"execution", "show", id, "--format", "json"}).out), "/execution_id") == id);
    CHECK(cli({"execution", "log", id}).out == "from the job\n");
    CHECK(cli({"execution", "log", id, "--follow"}).out == "from the job\n");
    CHECK(cli({"execution", "watch", id}).code == 0);
    CHECK(cli({"execution", "transitions", id}).code == 0);
    CHECK(cli({"execution", "list", "--status", "NONSENSE"}).code == 2);
    CHECK(cli({"execution", "show", "0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10"}).code == 3);

    const auto sleeping = server.submit("cli-sleeps");
    server.await_status(sleeping, "RUNNING");
    program watcher({"execution", "watch", sleeping}, {{"ROWLOCK_URL", server.url()}});
    CHECK(cli({"execution", "cancel", sleeping, "--reason", "enough"}).code == 0);
    CHECK(watcher.wait() == 1);
    CHECK(cli({"execution", "cancel", sleeping}).code == 2);
}

TEST_CASE("config shows every setting with where it came from, and refuses what is out of range by name", "[e2e][cli]")
{
    const scratch_folder folder;
    const auto file = (folder.path() / "rowlock.yaml").string();
    write_file(file, "lease_seconds: 20\nexecutor_parallelism: 7\nscheduler_poll_interval_ms: 500\ndatabase: postgresql://me:secret@host/db\n");
    const auto shown = run_rowlock({"config", "--config", file, "--executor-parallelism", "9", "--format", "json"},
                                   {{"ROWLOCK_LEASE_SECONDS", "12"}, {"ROWLOCK_EXECUTOR_PARALLELISM", "8"}});
    INFO(shown.err);
    REQUIRE(shown.code == 0);
    CHECK(shown.out.find("secret") == std::string::npos);
    const auto all = json::parse(shown.out);
    const auto find = [&](const char* name) {
        for (const auto& one : all.as_array()) {
            for (const char* member : {"name", "value", "source", "type", "default", "range", "meaning"}) CHECK(one.as_object().contains(member));
            if (one.at("name") == name) return one;
        }
        FAIL(name << " is not shown");
        return json::value();
    };
    CHECK(find("EXECUTOR_PARALLELISM").at("value") == 9);
    CHECK(find("EXECUTOR_PARALLELISM").at("source") == "flag");
    CHECK(find("LEASE_SECONDS").at("value") == 12);
    CHECK(find("LEASE_SECONDS").at("source") == "environment");
    CHECK(find("SCHEDULER_POLL_INTERVAL_MS").at("value") == 500);
    CHECK(find("SCHEDULER_POLL_INTERVAL_MS").at("source") == "file");
    CHECK(find("MAX_BODY_BYTES").at("value") == 33554432);
    CHECK(find("MAX_BODY_BYTES").at("source") == "default");
    for (const auto& [name, value] : environment_map{{"ROWLOCK_LEASE_SECONDS", "1"}, {"ROWLOCK_EXECUTOR_PARALLELISM", "0"}, {"ROWLOCK_SCHEDULER_POLL_INTERVAL_MS", "99"}, {"ROWLOCK_MAX_BODY_BYTES", "big"}}) {
        INFO(name);
        const auto refused = run_rowlock({"config"}, {{name, value}});
        CHECK(refused.code == 2);
        CHECK(refused.err.find(name.substr(8)) != std::string::npos);
        CHECK(refused.out.empty());
    }
}

TEST_CASE("help is on stdout with 0, a verb that does not exist is 2 and says what was meant", "[e2e][cli]")
{
    for (const std::vector<std::string>& asked : {std::vector<std::string>{"--help"}, {"submit", "--help"}, {"job", "--help"}, {"job", "apply", "--help"}, {"serve", "--help"}, {"dev", "-h"}}) {
        const auto help = run_rowlock(asked);
        CHECK(help.code == 0);
        CHECK(help.out.find("Usage") != std::string::npos);
        CHECK(help.err.empty());
    }
    const auto unknown = run_rowlock({"sumbit"});
    CHECK(unknown.code == 2);
    CHECK(unknown.out.empty());
    CHECK(unknown.err.find("submit") != std::string::npos);
    CHECK(run_rowlock({}).code != 127);
    CHECK(run_rowlock({"submit"}).code == 2);
    CHECK(run_rowlock({"job", "list", "--colour"}).code == 2);
    CHECK(run_rowlock({"--version"}).code == 0);
}

TEST_CASE("no server is 4, in one sentence", "[e2e][cli]")
{
    const auto nobody = run_rowlock({"job", "list", "--url", "http://127.0.0.1:1"});
    CHECK(nobody.code == 4);
    CHECK(nobody.out.empty());
    CHECK(nobody.err.find("127.0.0.1:1") != std::string::npos);
    CHECK(run_rowlock({"job", "list", "--url", "nonsense://x"}).code == 2);
}

TEST_CASE("doctor finds nothing wrong with a server and a database that are well", "[e2e][cli]")
{
    const auto doctor = cli({"doctor"});
    INFO(doctor.out << doctor.err);
    CHECK(doctor.code == 0);
    const auto with_rows = run_rowlock({"doctor", "--database", open_server_database(), "--invariants", "--format", "json"});
    INFO(with_rows.out << with_rows.err);
    CHECK(with_rows.out.find("invariants") != std::string::npos);
    CHECK_NOTHROW(json::parse(with_rows.out));
}
