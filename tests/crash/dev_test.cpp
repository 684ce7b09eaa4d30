#include "tests/crash/history.hpp"
#include "tests/support/server_process.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <csignal>
#include <exception>
#include <iostream>

namespace {

using namespace rowlock::test;
namespace json = boost::json;

// `rowlock dev` on one folder, again and again.
struct development {
    ~development()
    {
        if (std::uncaught_exceptions() > 0 && server) std::cerr << server->process().told() << '\n';
    }

    scratch_folder scratch;
    std::filesystem::path data{scratch.path() / "data"};
    std::optional<server_process> server;

    void start()
    {
        server.reset();
        server.emplace(std::vector<std::string>{"dev", "--data", data.string()});
    }
    pid_t postmaster() const { return std::stoi(text_of_file(data / "pg" / "postmaster.pid")); }
    std::string database() const
    {
        const auto url = text_of_file(data / "database_url");
        return url.substr(0, url.find('\n'));
    }
    std::string begin(const std::string& job) const
    {
        const auto run = server->submit(job);
        server->await_status(run, "RUNNING");
        return run;
    }
};

// The last attempt of the run. While the database is away, the server says so.
json::value ended_in_the_end(const server_process& on, const std::string& run)
{
    json::value last;
    eventually(run + " has ended", [&] {
        const auto reply = on.get("/v1/executions/" + run + "/wait?timeout_seconds=5");
        if (reply.status == 503) return false;
        if (reply.status != 200) throw std::runtime_error(reply.body);
        last = reply.json();
        return !last.at("result").is_null();
    });
    return last;
}

// The lease of `dev` is 30 s; nobody has to wait for it.
void check_went_on(const development& d, const std::string& run, std::chrono::steady_clock::time_point since)
{
    const auto last = d.server->ended(run);
    CHECK(text_at(last, "/status") == "COMPLETED");
    CHECK(last.at("attempt_number") == 2);
    CHECK(text_at(d.server->execution(run), "/result/error_code") == "LEASE_LOST");
    CHECK(std::chrono::steady_clock::now() - since < std::chrono::seconds(20));
}

}

TEST_CASE("rowlock dev goes on at once after a kill -9 of the server, of its database, or of both", "[crash]")
{
    development d{};
    d.start();
    d.server->define("nap", json::object{{"type", "sleep"}, {"seconds", 2}}, {{"retry_policy", {{"max_attempts", 3}}}});

    {
        INFO("the server");
        const auto run = d.begin("nap");
        d.server->kill_hard();
        const auto killed = std::chrono::steady_clock::now();
        d.start();
        check_went_on(d, run, killed);
    }
    {
        INFO("the database");
        const auto run = d.begin("nap");
        const auto was = d.postmaster();
        REQUIRE(::kill(was, SIGKILL) == 0);
        const auto last = ended_in_the_end(*d.server, run);
        CHECK(text_at(last, "/status") == "COMPLETED");
        CHECK(last.at("attempt_number") == 1);
        CHECK(text_at(d.server->run("nap"), "/status") == "COMPLETED");
        CHECK(d.postmaster() != was);
    }
    {
        INFO("both");
        const auto run = d.begin("nap");
        REQUIRE(::kill(d.postmaster(), SIGKILL) == 0);
        d.server->kill_hard();
        const auto killed = std::chrono::steady_clock::now();
        d.start();
        check_went_on(d, run, killed);
    }
    await_idle(d.database());
    check_history(d.database(), {});
    CHECK(d.server->terminate() == 0);
}
