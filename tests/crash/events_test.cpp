#include "tests/crash/crew.hpp"
#include "tests/crash/history.hpp"
#include "tests/support/triggers.hpp"

#include <catch2/catch.hpp>
#include <csignal>
#include <fmt/format.h>
#include <thread>

namespace {

using namespace rowlock::test;
namespace json = boost::json;

const std::vector<std::string> none;

const std::vector<std::string> steps = {"event.before_commit:1", "event.before_commit:7", "event.after_commit:1", "event.after_commit:7", "flush.after_commit:2", "flush.after_commit:5"};

// Sends one keyed event after the other until it is stopped, each until it is acknowledged: its id stays the same, whoever answers.
class sender {
public:
    sender(targets& where, std::string name) : where_(where), name_(std::move(name)), thread_([this] { work(); }) {}
    ~sender() { finish(); }
    std::vector<std::string> finish()
    {
        stopping_.store(true);
        if (thread_.joinable()) thread_.join();
        return acknowledged_;
    }

private:
    void work()
    {
        for (int n = 1; !stopping_.load(); ++n) {
            const auto key = fmt::format("{}-{}", name_, n);
            const auto body = fmt::format(R"({{"source":"crash","key":"{}","payload":{{"n":{}}}}})", key, n);
            const auto until = std::chrono::steady_clock::now() + patience;
            while (!is_taken(body)) {
                if (std::chrono::steady_clock::now() > until) return;
            }
            acknowledged_.push_back(key);
        }
    }
    bool is_taken(const std::string& body)
    {
        const auto address = where_.next();
        if (address.empty()) return false;
        try {
            return http_request(address, "POST", "/v1/events", body).status == 202;
        } catch (const std::exception&) {
            return false;
        }
    }

    targets& where_;
    std::string name_;
    std::vector<std::string> acknowledged_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

}

TEST_CASE("a server may be killed at any step between an event and what it starts: each event starts one execution, and is in one batch", "[crash][events]")
{
    const test_database database;
    crew servers(database.url());
    const auto& steady = servers.start("steady");
    define_triggered(steady, "each", {{{"source", "crash"}}});
    define_triggered(steady, "some", {{{"source", "crash"}, {"filter", "$.n > 2"}, {"batch_window_seconds", 0.1}}});
    define_triggered(steady, "last", {{{"source", "crash"}, {"debounce_seconds", 0.1}}});
    std::vector<std::unique_ptr<sender>> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(std::make_unique<sender>(servers.where(), fmt::format("c{}", i)));
    for (const auto& step : steps) {
        INFO(step);
        CHECK(servers.run_until_crash(step) == -SIGKILL);
        CHECK(violations(database.url()) == none);
    }
    std::size_t acknowledged = 0;
    for (auto& each : clients) acknowledged += each->finish().size();
    const auto value = [&](const std::string& sql) { return value_of(database.url(), sql); };
    eventually("nothing waits any more", [&] { return value("select count(*) from rowlock.trigger_buffers") == "0"; });
    await_idle(database.url());

    CHECK(acknowledged > 20);
    // What was not acknowledged may have come in all the same: at most one of each client.
    const auto events = std::stoul(value("select count(*) from rowlock.v_events"));
    CHECK(events >= acknowledged);
    CHECK(events <= acknowledged + clients.size());
    CHECK(value("select count(distinct key) from rowlock.v_events") == std::to_string(events));
    CHECK(value("select count(distinct parameters -> 'event' ->> 'event_id') || ' ' || count(*) from rowlock.v_executions where job_id = 'each' and attempt_number = 1")
          == fmt::format("{0} {0}", events));
    const auto passing = value("select count(*) from rowlock.v_events where (payload ->> 'n')::int > 2");
    CHECK(value("select count(distinct e ->> 'event_id') || ' ' || count(*) from rowlock.v_executions x, jsonb_array_elements(x.parameters -> 'events') e where job_id = 'some' and attempt_number = 1")
          == passing + " " + passing);
    CHECK(value("select count(*) from rowlock.v_trigger_activations where trigger_id = 'last-1'") == std::to_string(events));
    CHECK(value("select count(*) from rowlock.v_executions where status <> 'COMPLETED' and attempt_number = 1 and error_code is distinct from 'LEASE_LOST'") == "0");
    CHECK(violations(database.url()) == none);
}
