#include "tests/crash/crew.hpp"
#include "tests/crash/history.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <csignal>
#include <fmt/format.h>

namespace {

using namespace rowlock::test;
namespace json = boost::json;

// Zombies do not work.
bool works(const std::string& pid)
{
    const auto stat = text_of_file("/proc/" + pid + "/stat");
    const auto name_end = stat.rfind(')');
    return name_end != std::string::npos && stat.size() > name_end + 2 && stat[name_end + 2] != 'Z';
}

std::string first_line(const std::filesystem::path& file)
{
    const auto text = text_of_file(file);
    return text.substr(0, text.find('\n'));
}

}

TEST_CASE("a server that was frozen past its lease finds its work taken over: its results are lost, it stops what runs, joins anew and works", "[crash]")
{
    const test_database database;
    const scratch_folder scratch;
    const auto pid_file = scratch.path() / "pid";
    crew servers(database.url());
    auto& other = servers.start("other");
    auto& frozen = servers.start("frozen");
    const json::object three{{"retry_policy", {{"max_attempts", 3}}}};
    other.define("nap", json::object{{"type", "sleep"}, {"seconds", 1.5}}, three);
    other.define("endless", json::object{{"type", "process"}, {"command", json::array{"/bin/sh", "-c", fmt::format("test $ROWLOCK_ATTEMPT_NUMBER = 1 || exit 0; echo $$ >{}; exec sleep 600", pid_file.string())}}}, three);

    std::vector<std::string> runs;
    for (int i = 0; i < 3; ++i) runs.push_back(frozen.submit("nap"));
    runs.push_back(frozen.submit("endless"));
    eventually("the program runs", [&] { return first_line(pid_file) != "" && frozen.metric("rowlock_executions_running") == 4; });
    const auto pid = first_line(pid_file);
    const auto was = text_at(frozen.execution(runs[3]), "/instance_id");
    frozen.process().signal(SIGSTOP);
    eventually("its work is taken over", [&] { return value_of(database.url(), "select count(*) from rowlock.v_executions where error_code = 'LEASE_LOST'") == "4"; });
    CHECK(works(pid));
    frozen.process().signal(SIGCONT);

    eventually("it has joined anew", [&] { return frozen.metric("rowlock_leases_lost_total") == 1 && frozen.metric("rowlock_ready") == 1; });
    eventually("its results are lost", [&] { return frozen.metric("rowlock_outcomes_lost_total") >= 1; });
    eventually("the program is stopped", [&] { return !works(pid); });
    eventually("nothing of the old work runs", [&] { return frozen.metric("rowlock_executions_running") == 0; });
    for (const auto& run : runs) {
        const auto last = other.ended(run);
        CHECK(text_at(last, "/status") == "COMPLETED");
        CHECK(last.at("attempt_number") == 2);
        CHECK(text_at(other.execution(run), "/result/error_code") == "LEASE_LOST");
    }
    const auto again = frozen.run("nap");
    CHECK(text_at(again, "/status") == "COMPLETED");
    CHECK(again.at("attempt_number") == 1);
    CHECK(text_at(again, "/instance_id") != was);
    await_idle(database.url());
    check_history(database.url(), {});
}

TEST_CASE("a server may be killed as it joins anew after it was declared dead", "[crash]")
{
    const test_database database;
    crew servers(database.url());
    auto& other = servers.start("other");
    auto& frozen = servers.start("frozen", {{"ROWLOCK_CRASH_AT", "join.after_commit:2"}});
    other.define("nap", json::object{{"type", "sleep"}, {"seconds", 1.5}}, {{"retry_policy", {{"max_attempts", 3}}}});
    const auto run = frozen.submit("nap");
    frozen.await_status(run, "RUNNING");
    frozen.process().signal(SIGSTOP);
    CHECK(text_at(other.ended(run), "/status") == "COMPLETED");
    frozen.process().signal(SIGCONT);
    CHECK(frozen.process().wait() == -SIGKILL);
    await_idle(database.url());
    check_history(database.url(), {});
}
