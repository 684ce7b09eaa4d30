#include "tests/unit/handlers/recorded_attempt.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <poll.h>
#include <set>
#include <sstream>
#include <sys/syscall.h>
#include <unistd.h>

using namespace rowlock;
using namespace rowlock::runtime;
using namespace rowlock::test;
namespace fs = std::filesystem;

namespace {

// Follows a process that is nobody's child here, to its end.
class followed {
public:
    explicit followed(pid_t pid) : fd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
    ~followed()
    {
        if (fd_ >= 0) ::close(fd_);
    }
    followed(const followed&) = delete;
    followed& operator=(const followed&) = delete;

    bool ends_soon() const
    {
        if (fd_ < 0) return true;
        pollfd p{fd_, POLLIN, 0};
        return ::poll(&p, 1, 10'000) == 1;
    }
    void kill() const { ::syscall(SYS_pidfd_send_signal, fd_, SIGKILL, nullptr, 0); }

private:
    int fd_;
};

// A script tells the id of a process as the stage of an empty checkpoint: $(tell PID).
constexpr const char* tell = R"(tell() { printf '{"checkpoint": "", "stage": "%s"}\n' "$1" >&3; }; )";

std::string contents(const fs::path& file)
{
    std::ifstream in(file);
    std::stringstream out;
    out << in.rdbuf();
    return out.str();
}

bool no_attempt_is_left(const recorded_attempt& r)
{
    return fs::is_empty(r.process.run_root / ".attempts");
}

}

TEST_CASE("how a program ends decides what its attempt comes to", "[unit][process]")
{
    struct row {
        const char* why;
        const char* script;
        execution_status status;
        std::optional<int> exit_code;
        const char* error_code;
        const char* message;
    };
    const auto r = GENERATE(values<row>({
        {"code 0 is success", "exit 0", execution_status::completed, 0, "", ""},
        {"another code names itself", "exit 3", execution_status::failed, 3, "EXIT_3", "the program exited with code 3"},
        {"the last line of stderr is quoted", "echo first >&2; echo 'no such table' >&2; exit 1", execution_status::failed, 1, "EXIT_1", "the program exited with code 1: no such table"},
        {"a signal names itself", "kill -TERM $$", execution_status::failed, std::nullopt, "SIGNAL_TERM", "the program was ended by SIGTERM"},
        {"so does the one that cannot be caught", "kill -KILL $$", execution_status::failed, std::nullopt, "SIGNAL_KILL", "the program was ended by SIGKILL"},
        {"a program may name its error itself", R"(echo '{"error_code": "NO_ROWS", "error_message": "none"}' >&3; exit 4)", execution_status::failed, 4, "NO_ROWS", "none"},
        {"an error named with code 0 is a failure", R"(echo '{"error_code": "NO_ROWS", "error_message": "none"}' >&3)", execution_status::failed, 0, "NO_ROWS", "none"},
    }));
    INFO(r.why);
    recorded_attempt a{.handler = shell(r.script)};
    const auto o = a.perform();
    CHECK(o.status == r.status);
    CHECK(o.exit_code == r.exit_code);
    CHECK(o.error_code == r.error_code);
    CHECK(o.error_message == r.message);
    CHECK(o.termination.empty());
    CHECK(no_attempt_is_left(a));
}

TEST_CASE("what a program says on descriptor 3 is acted on, and its result kept", "[unit][process]")
{
    recorded_attempt a{.handler = shell(R"(cat >&3 <<'X'
{"heartbeat": true}
{"progress": 0.5}
{"checkpoint": "aGVsbG8=", "stage": "half"}
{"output": {"rows": 10}}
nonsense
{"metrics": {"seconds": 1.5}, "records_processed": 10, "records_failed": 2}
X
printf '{"output": {"unfinished": "line"}}' >&3)")};
    const auto o = a.perform();
    CHECK(o.status == execution_status::completed);
    CHECK(a.heartbeats == 1);
    CHECK(a.progress == std::vector<double>{0.5});
    REQUIRE(a.checkpoints.size() == 1);
    CHECK(a.checkpoints[0].bytes == "hello");
    CHECK(a.checkpoints[0].stage == "half");
    CHECK(boost::json::parse(o.outputs) == boost::json::parse(R"({"rows": 10, "unfinished": "line"})"));
    CHECK(boost::json::parse(o.metrics) == boost::json::parse(R"({"seconds": 1.5})"));
    CHECK(o.records_processed == 10);
    CHECK(o.records_failed == 2);
    CHECK(a.system.find("nonsense") != std::string::npos);
}

TEST_CASE("outputs that are too large fail the attempt rather than being lost in silence", "[unit][process]")
{
    recorded_attempt a{.handler = shell(R"((printf '{"output": {"a": "'; head -c 2000000 /dev/zero | tr '\0' x; printf '"}}\n') >&3)")};
    const auto o = a.perform();
    CHECK(o.status == execution_status::failed);
    CHECK(o.error_code == "OUTPUT_LIMIT");
}

TEST_CASE("a program that heeds SIGTERM is stopped gracefully, with all its group", "[unit][process]")
{
    recorded_attempt a{.handler = shell(std::string(tell) + R"(trap 'echo bye; exit 0' TERM; sleep 1000 & tell $!; wait)")};
    std::optional<followed> grandchild;
    a.on_checkpoint = [&](const checkpoint_data& c, attempt& running) {
        grandchild.emplace(std::stoi(c.stage));
        running.request_stop(stop_reason::cancelled);
    };
    const auto o = a.perform();
    CHECK(o.status == execution_status::cancelled);
    CHECK(o.termination == "GRACEFUL");
    CHECK(a.out == "bye\n");
    CHECK(grandchild->ends_soon());
}

TEST_CASE("a program that ignores SIGTERM is killed after its grace, with all its group", "[unit][process]")
{
    auto handler = shell(std::string(tell) + R"(trap '' TERM; sh -c 'trap "" TERM; sleep 1000; sleep 1000' & tell $!; wait; wait)");
    handler.grace = std::chrono::milliseconds{50};
    recorded_attempt a{.handler = handler};
    std::optional<followed> grandchild;
    a.on_checkpoint = [&](const checkpoint_data& c, attempt& running) {
        grandchild.emplace(std::stoi(c.stage));
        running.request_stop(stop_reason::timeout);
    };
    const auto o = a.perform();
    CHECK(o.status == execution_status::timeout);
    CHECK(o.termination == "FORCED");
    CHECK_FALSE(o.exit_code);
    CHECK(grandchild->ends_soon());
}

TEST_CASE("an attempt that has lost its lease is killed without grace", "[unit][process]")
{
    auto handler = shell(R"(trap '' TERM; echo '{"heartbeat": true}' >&3; sleep 1000; sleep 1000)");
    handler.grace = std::chrono::hours{1};
    recorded_attempt a{.handler = handler};
    a.on_heartbeat = [](attempt& running) { running.request_stop(stop_reason::lease_lost); };
    CHECK(a.perform().termination == "FORCED");
}

TEST_CASE("what a program leaves behind in its group is killed when it ends", "[unit][process]")
{
    recorded_attempt a{.handler = shell(std::string(tell) + R"(sleep 1000 & tell $!; exit 0)")};
    std::optional<followed> left;
    a.on_checkpoint = [&](const checkpoint_data& c, attempt&) { left.emplace(std::stoi(c.stage)); };
    CHECK(a.perform().status == execution_status::completed);
    REQUIRE(left);
    CHECK(left->ends_soon());
}

TEST_CASE("a process that has left the group and holds the pipes open does not hold up the attempt", "[unit][process]")
{
    recorded_attempt a{.handler = shell(std::string(tell) + R"(mkfifo gone; setsid sh -c 'echo x >gone; exec sleep 1000' & tell $!; read x <gone; echo said)")};
    std::optional<followed> escaped;
    a.on_checkpoint = [&](const checkpoint_data& c, attempt&) { escaped.emplace(std::stoi(c.stage)); };
    CHECK(a.perform().status == execution_status::completed);
    CHECK(a.out == "said\n");
    REQUIRE(escaped);
    escaped->kill();
    CHECK(escaped->ends_soon());
}

TEST_CASE("all that a program wrote before its end is kept", "[unit][process]")
{
    recorded_attempt a{.handler = shell("head -c 60000 /dev/zero | tr '\\0' a; printf b >&2")};
    CHECK(a.perform().status == execution_status::completed);
    CHECK(a.out == std::string(60000, 'a'));
    CHECK(a.err == "b");
}

TEST_CASE("output beyond its limit is dropped with a note, and the program goes on", "[unit][process]")
{
    auto handler = shell("yes | head -c 5000000; echo '{\"output\": {\"done\": true}}' >&3");
    handler.output_limit_bytes = 1000;
    recorded_attempt a{.handler = handler};
    const auto o = a.perform();
    CHECK(o.status == execution_status::completed);
    CHECK(o.outputs == R"({"done":true})");
    CHECK(a.out.size() == 1000);
    CHECK(a.system.find("limit of 1000 bytes") != std::string::npos);
    CHECK(std::count(a.system.begin(), a.system.end(), '\n') == 1);
}

TEST_CASE("a program's environment is exactly what the contract says", "[unit][process]")
{
    ::setenv("SECRET_OF_THE_SERVER", "x", 1);
    ::setenv("TZ", "UTC", 1);
    ::setenv("LANG", "C.UTF-8", 1);
    ::setenv("HOME", "/root", 1);
    process_handler handler{.command = {"env"}, .env = {{"TABLE", "{{ parameters.table }}"}, {"ROWLOCK_JOB_ID", "forged"}, {"TZ", "Europe/Berlin"}}};
    recorded_attempt a{.handler = handler, .parameters = R"({"table": "packages"})", .until = steady_clock::now() + std::chrono::hours{1}};
    REQUIRE(a.perform().status == execution_status::completed);

    std::map<std::string, std::string> seen;
    std::istringstream lines(a.out);
    for (std::string line; std::getline(lines, line);) seen[line.substr(0, line.find('='))] = line.substr(line.find('=') + 1);
    CHECK(seen["TABLE"] == "packages");
    CHECK(seen["TZ"] == "Europe/Berlin");
    CHECK(seen["ROWLOCK_JOB_ID"] == "a-job");
    CHECK(seen["ROWLOCK_EXECUTION_ID"] == a.id.str());
    CHECK(seen["ROWLOCK_RUN_ID"] == a.run_id.str());
    CHECK(seen["ROWLOCK_ATTEMPT_NUMBER"] == "1");
    CHECK(seen["ROWLOCK_RUN_DIR"] == a.run_directory());
    CHECK(parse_rfc3339(seen["ROWLOCK_DEADLINE"]));
    std::set<std::string> names;
    for (const auto& [name, value] : seen) names.insert(name);
    CHECK(names == std::set<std::string>{"HOME", "LANG", "PATH", "ROWLOCK_ATTEMPT_NUMBER", "ROWLOCK_DEADLINE", "ROWLOCK_EXECUTION_ID", "ROWLOCK_JOB_ID", "ROWLOCK_PARAMETERS_FILE",
                                         "ROWLOCK_RUN_DIR", "ROWLOCK_RUN_ID", "TABLE", "TZ"});
}

TEST_CASE("a program has descriptors 0 to 3 and no other", "[unit][process]")
{
    recorded_attempt a{.handler = process_handler{.command = {"ls", "/proc/self/fd"}}};
    REQUIRE(a.perform().status == execution_status::completed);
    CHECK(a.out == "0\n1\n2\n3\n4\n");               // 4 is the directory that ls reads
}

TEST_CASE("parameters come on stdin and in a file, and may go unread", "[unit][process]")
{
    recorded_attempt a{.handler = shell("cat; cat $ROWLOCK_PARAMETERS_FILE; echo \"[$ROWLOCK_DEADLINE]\""), .parameters = R"({"n": 1})"};
    REQUIRE(a.perform().status == execution_status::completed);
    CHECK(a.out == R"({"n": 1}{"n": 1})" "[]\n");

    recorded_attempt unread{.handler = shell("exit 0"), .parameters = "{\"x\": \"" + std::string(1 << 20, 'x') + "\"}"};
    CHECK(unread.perform().status == execution_status::completed);
}

TEST_CASE("a later attempt finds the run's last good checkpoint", "[unit][process]")
{
    recorded_attempt a{.handler = shell("cat $ROWLOCK_CHECKPOINT_FILE"), .attempt_number = 2, .last_checkpoint = checkpoint_data{.bytes = "hello"}};
    CHECK(a.perform().status == execution_status::completed);
    CHECK(a.out == "hello");

    recorded_attempt first{.handler = shell("echo ${ROWLOCK_CHECKPOINT_FILE-none}"), .last_checkpoint = checkpoint_data{.bytes = "hello"}};
    first.perform();
    CHECK(first.out == "none\n");
}

TEST_CASE("an attempt works in a fresh directory, which goes, and its run's directory stays", "[unit][process]")
{
    recorded_attempt a{.handler = shell("ls -A; pwd; mkdir -p deep/er; touch deep/er/file; chmod 000 deep; echo kept >$ROWLOCK_RUN_DIR/file")};
    REQUIRE(a.perform().status == execution_status::completed);
    CHECK(a.out.find(".attempts/" + a.id.str() + "/work") != std::string::npos);
    CHECK(no_attempt_is_left(a));
    CHECK(contents(a.run_directory() / "file") == "kept\n");
}

TEST_CASE("a definition's working directory is used and kept", "[unit][process]")
{
    recorded_attempt a;
    std::ofstream(a.folder.path() / "ingest.sh") << "#!/bin/sh\npwd\n";
    fs::permissions(a.folder.path() / "ingest.sh", fs::perms::owner_all);
    a.handler = process_handler{.command = {"./ingest.sh"}, .cwd = a.folder.path()};
    CHECK(a.perform().status == execution_status::completed);
    CHECK(a.out == fs::canonical(a.folder.path()).string() + "\n");
    CHECK(fs::exists(a.folder.path() / "ingest.sh"));
}

TEST_CASE("what cannot be started is a failure with its reason", "[unit][process]")
{
    recorded_attempt a;
    std::ofstream(a.folder.path() / "plain.txt") << "text";
    std::ofstream(a.folder.path() / "odd.sh") << "#!/no/such/interpreter\n";
    std::ofstream(a.folder.path() / "bare") << "echo no first line\n";
    for (const auto* name : {"odd.sh", "bare"}) fs::permissions(a.folder.path() / name, fs::perms::owner_all);
    struct row {
        const char* why;
        process_handler handler;
        const char* part;
    };
    const auto here = a.folder.path().string();
    const std::vector<row> rows{
        {"a program that is nowhere", {.command = {"no-such-program"}}, "not found on the server's PATH"},
        {"a path that is not there", {.command = {"/no/such/program"}}, "does not exist"},
        {"a file that is no program", {.command = {here + "/plain.txt"}}, "not an executable file"},
        {"a directory", {.command = {"/tmp"}}, "not an executable file"},
        {"an interpreter that is not there", {.command = {here + "/odd.sh"}}, "interpreter"},
        {"a script without its first line", {.command = {here + "/bare"}}, "#!"},
        {"a working directory that is not there", {.command = {"true"}, .cwd = here + "/nowhere"}, "working directory"},
        {"no command", {}, "no command"},
        {"a template that names nothing", {.command = {"echo", "{{ parameters.x }}"}}, "names nothing"},
    };
    for (const auto& r : rows) {
        INFO(r.why);
        a.handler = r.handler;
        const auto o = a.perform();
        CHECK(o.status == execution_status::failed);
        CHECK(o.error_code == "INVALID_CONFIG");
        CHECK_THAT(o.error_message, Catch::Contains(r.part));
        CHECK_FALSE(o.exit_code);
        CHECK(no_attempt_is_left(a));
    }
}

TEST_CASE("limits on memory and CPU time reach the program", "[unit][process]")
{
    auto handler = shell("ulimit -v; ulimit -t");
    handler.memory_limit_bytes = std::int64_t{512} << 20;
    handler.cpu_limit = std::chrono::milliseconds{1500};
    recorded_attempt a{.handler = handler};
    CHECK(a.perform().status == execution_status::completed);
    CHECK(a.out == "524288\n2\n");
}

TEST_CASE("a program that uses up its CPU time has exhausted a resource", "[unit][process]")
{
    auto handler = shell("while :; do :; done");
    handler.cpu_limit = std::chrono::milliseconds{1000};
    recorded_attempt a{.handler = handler};
    CHECK(a.perform().error_code == "RESOURCE_EXHAUSTED");
}

TEST_CASE("where the records break, the program is killed and the reason rethrown", "[unit][process]")
{
    recorded_attempt a{.handler = shell("echo hello; sleep 1000; sleep 1000"), .log_breaks = true};
    CHECK_THROWS_WITH(a.perform(), "the log is broken");
    CHECK(no_attempt_is_left(a));
}

TEST_CASE("an attempt that is stopped before its program has started ends all the same", "[unit][process]")
{
    recorded_attempt a{.handler = shell("sleep 1000; sleep 1000"), .attempt_number = 1};
    a.on_heartbeat = {};
    auto job = std::make_shared<job_version>();
    job->definition.handler = a.handler;
    handlers with(a.core.executor(), a.process, a.http, a.composite, a.databases);
    attempt early({.id = a.id, .run_id = a.run_id, .job = job}, no_deadline, {});
    early.request_stop(stop_reason::handed_back);
    const auto o = run_on_core(a.core, with.perform(early));
    CHECK(o.status == execution_status::cancelled);
    CHECK(o.termination == "GRACEFUL");
}

TEST_CASE("a program adds nodes to its plan; what is refused fails it, and what comes too late does not", "[unit][process]")
{
    struct row {
        const char* why;
        std::optional<error> refused;
        const char* code;                                // "" = it completes
    };
    const auto r = GENERATE(values<row>({
        {"they are added", std::nullopt, ""},
        {"they are refused", error{errc::invalid_request, "The plan is refused.", {{"nodes[0].job_id", "\"x\"", "names no job"}}}, "INVALID_CONFIG"},
        {"the plan is being stopped", error{errc::already_ended, "It has ended."}, ""},
        {"the database is away", error{errc::database_unavailable, "The database cannot be reached."}, "HANDLER_FAILED"},
    }));
    INFO(r.why);
    recorded_attempt it;
    it.handler = shell(R"(echo '{"add_nodes": [{"node_id": "a"}, {"node_id": "b"}]}' >&3)");
    it.nodes_error = r.refused;
    const auto end = it.perform();
    CHECK(it.nodes == std::vector<std::size_t>{2});
    CHECK(end.error_code == r.code);
    CHECK((end.status == execution_status::completed) == (*r.code == '\0'));
    CHECK(it.system.empty() == !r.refused.has_value());
    if (r.refused && !r.refused->fields.empty()) CHECK_THAT(it.system, Catch::Contains("nodes[0].job_id names no job (given: \"x\")"));
}
