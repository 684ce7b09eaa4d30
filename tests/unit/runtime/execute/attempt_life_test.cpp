#include "runtime/execute/attempt_life.hpp"

#include "storage/model/json_text.hpp"
#include "tests/support/run_on_core.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <vector>

using namespace rowlock;
using namespace rowlock::runtime;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

// The life of an attempt whose records are kept in memory. Times are short and real; what is waited for are events, never a time.
struct watched {
    core home{0};
    job_definition definition;
    std::vector<std::string> system;
    std::vector<std::string> kept;                   // bytes of checkpoints, in order
    std::vector<std::string> errors;                 // code and details
    std::vector<std::string> transitions;
    int heartbeats = 0;
    std::optional<error> refusal;                    // of the next checkpoint
    steady_timer happened{home.executor(), no_deadline};
    std::shared_ptr<attempt_life> life;

    watched() { definition.handler = process_handler{.command = {"true"}}; }

    attempt_life& begin()
    {
        auto job = std::make_shared<job_version>();
        job->definition = definition;
        assignment work{.id = execution_id::make(1'700'000'000'000, 7, 1), .run_id = execution_id::make(1'700'000'000'000, 7, 1), .job = job};
        life = std::make_shared<attempt_life>(home.executor(), std::move(work), steady_clock::now(), records());
        life->begin();
        return *life;
    }

    life_records records()
    {
        life_records sinks;
        sinks.plain.log = [this](log_stream, std::string text) { return keep(system, std::move(text)); };
        sinks.plain.last_checkpoint = [] { return no_checkpoint(); };
        sinks.plain.heartbeat = [this] { ++heartbeats; };
        sinks.plain.progress = [](double) {};
        sinks.checkpoint = [this](std::shared_ptr<const checkpoint_data> data) { return keep_checkpoint(std::move(data)); };
        sinks.error = [this](error_category, std::string code, std::string, std::string details) { return keep(errors, code + " " + details); };
        sinks.still_running = [this](std::string reason) { return keep(transitions, std::move(reason)); };
        return sinks;
    }

    awaitable<void> keep(std::vector<std::string>& where, std::string text)
    {
        where.push_back(std::move(text));
        happened.cancel();
        co_return;
    }
    static awaitable<result<std::optional<checkpoint_data>>> no_checkpoint() { co_return std::optional<checkpoint_data>{}; }
    awaitable<result<int>> keep_checkpoint(std::shared_ptr<const checkpoint_data> data)
    {
        // A database answers later, too.
        co_await boost::asio::post(use_awaitable);
        if (refusal) co_return *std::exchange(refusal, {});
        co_await keep(kept, data->bytes);
        co_return static_cast<int>(kept.size());
    }

    awaitable<void> stopped()
    {
        life->subject().on_stop([this] { happened.cancel(); });
        while (life->subject().stopped() == stop_reason::none) co_await next();
    }
    awaitable<void> next()
    {
        boost::system::error_code ec;
        co_await happened.async_wait(boost::asio::redirect_error(use_awaitable, ec));
    }
    awaitable<void> until_any(const std::vector<std::string>& of)
    {
        while (of.empty()) co_await next();
    }

    void run(awaitable<void> work) { run_on_core(home, std::move(work)); }
    result<int> offer(std::string bytes, std::string stage = "")
    {
        return run_on_core(home, life->subject().records().checkpoint({std::move(bytes), std::move(stage)}));
    }
    void end(bool succeeded) { run(life->end(succeeded)); }
};

boost::json::object object_of(const std::string& text)
{
    auto parsed = parse_json(text.substr(text.find('{')));
    REQUIRE(parsed.has_value());
    return parsed->as_object();
}

}

TEST_CASE("rule 12: an attempt that is over its timeout is asked to stop", "[unit][timeouts]")
{
    watched w;
    w.definition.timeout = 20ms;
    auto& life = w.begin();
    CHECK(life.subject().until() == life.subject().told_until());
    w.run(w.stopped());
    CHECK(life.subject().stopped() == stop_reason::timeout);
    w.end(false);
    const auto details = object_of(life.timeout_details("FORCED", steady_clock::now()));
    CHECK(details.at("timeout_seconds").to_number<double>() == 0.02);
    CHECK(details.at("elapsed_seconds").to_number<double>() >= 0.02);
    CHECK(details.at("last_heartbeat").is_null());
    CHECK(details.at("checkpoint_available") == false);
    CHECK(details.at("termination_method") == "FORCED");
    CHECK(life.why_stopped() == "It ran longer than its timeout_seconds of 0.02.");
}

TEST_CASE("rule 12: WARN tells once, and the attempt goes on", "[unit][timeouts]")
{
    watched w;
    w.definition.timeout = 10ms;
    w.definition.timeout_action = timeout_action::warn;
    auto& life = w.begin();
    CHECK(life.subject().until() == no_deadline);
    CHECK(life.subject().told_until() != no_deadline);
    w.run(w.until_any(w.errors));
    CHECK(life.subject().stopped() == stop_reason::none);
    w.end(true);
    REQUIRE(w.errors.size() == 1);
    CHECK(w.errors[0].rfind("TIMEOUT_WARNING ", 0) == 0);
    CHECK(object_of(w.errors[0]).at("termination_method").is_null());
    CHECK(w.system.size() == 1);
}

TEST_CASE("rule 12: EXTEND gives the timeout again where there was a sign of life, and tells so", "[unit][timeouts]")
{
    watched w;
    w.definition.timeout = 30ms;
    w.definition.timeout_action = timeout_action::extend;
    w.definition.max_extensions = 2;
    auto& life = w.begin();
    CHECK(life.subject().until() == life.subject().told_until() + 60ms);
    life.subject().records().heartbeat();
    w.run(w.stopped());
    CHECK(life.subject().stopped() == stop_reason::timeout);
    w.end(false);
    CHECK(w.transitions == std::vector<std::string>{"timeout extended, 1 of 2"});
    const auto details = object_of(life.timeout_details("GRACEFUL", steady_clock::now()));
    CHECK(details.at("last_heartbeat").is_string());
    CHECK(details.at("extensions") == 1);
    CHECK(life.why_stopped() == "It ran longer than its timeout_seconds of 0.03, extended 1 time.");
}

TEST_CASE("rule 13: an attempt that falls silent is asked to stop", "[unit][heartbeats]")
{
    watched w;
    w.definition.heartbeat = heartbeat_policy{.interval = 10ms, .missed_limit = 2};
    auto& life = w.begin();
    w.run(w.stopped());
    CHECK(life.subject().stopped() == stop_reason::heartbeat_lost);
    w.end(false);
    const auto details = object_of(life.timeout_details("", steady_clock::now()));
    CHECK(details.at("timeout_seconds").is_null());
    CHECK(details.at("missed_heartbeats") == 2);
    CHECK(life.why_stopped() == "It gave no sign of life for 2 intervals of 0.01 seconds.");
}

TEST_CASE("rule 13: heartbeats, progress, checkpoints and reports are signs of life", "[unit][heartbeats]")
{
    const int kind = GENERATE(0, 1, 2, 3);
    watched w;
    auto& life = w.begin();
    attempt& a = life.subject();
    REQUIRE_FALSE(a.last_sign().has_value());
    if (kind == 0) a.records().heartbeat();
    if (kind == 1) a.records().progress(0.5);
    if (kind == 2) REQUIRE(w.offer("x").has_value());
    if (kind == 3) a.alive();
    CHECK(a.last_sign().has_value());
    w.end(true);
}

TEST_CASE("rule 14: the newest waiting checkpoint is written when its interval has passed", "[unit][checkpoints]")
{
    watched w;
    w.definition.checkpoint.interval = 50ms;
    w.begin();
    CHECK(w.offer("first").value() == 1);
    w.kept.clear();
    CHECK(w.offer("second").value() == 0);
    CHECK(w.offer("third").value() == 0);
    w.run(w.until_any(w.kept));
    CHECK(w.kept == std::vector<std::string>{"third"});
    w.end(true);
    CHECK(w.kept.size() == 1);
}

TEST_CASE("rule 14: a waiting checkpoint is written when the attempt ends otherwise than well", "[unit][checkpoints]")
{
    struct row {
        const char* why;
        bool succeeded;
        stop_reason stopped;
        std::size_t kept;
    };
    const auto r = GENERATE(values<row>({
        {"success needs it no more", true, stop_reason::none, 1},
        {"failure", false, stop_reason::none, 2},
        {"timeout", false, stop_reason::timeout, 2},
        {"silence", false, stop_reason::heartbeat_lost, 2},
        {"cancel", false, stop_reason::cancelled, 2},
        {"hand-back", false, stop_reason::handed_back, 2},
        {"somebody else has it by now", false, stop_reason::lease_lost, 1},
    }));
    INFO(r.why);
    watched w;
    w.definition.checkpoint.interval = 1h;
    w.begin();
    w.offer("first");
    CHECK(w.offer("second").value() == 0);
    if (r.stopped != stop_reason::none) w.life->subject().request_stop(r.stopped);
    w.end(r.succeeded);
    CHECK(w.kept.size() == r.kept);
}

TEST_CASE("rule 14: a checkpoint of a new stage takes the place of the one that waits", "[unit][checkpoints]")
{
    watched w;
    w.definition.checkpoint.interval = 1h;
    w.definition.checkpoint.on_stage = true;
    w.begin();
    w.offer("first", "a");
    CHECK(w.offer("second", "a").value() == 0);
    CHECK(w.offer("third", "b").value() == 2);
    w.end(false);
    CHECK(w.kept == std::vector<std::string>{"first", "third"});
}

TEST_CASE("rule 14: a checkpoint that the database did not take is tried again", "[unit][checkpoints]")
{
    watched w;
    w.begin();
    w.refusal = error{errc::database_unavailable, "away"};
    CHECK(w.offer("only").value() == 0);
    w.end(false);
    CHECK(w.kept == std::vector<std::string>{"only"});
}

TEST_CASE("rule 14: what is too large is refused each time, and recorded once", "[unit][checkpoints]")
{
    watched w;
    w.definition.checkpoint.max_bytes = 4;
    w.begin();
    for (int i = 0; i < 2; ++i) CHECK(w.offer("large").error().code == errc::body_too_large);
    CHECK(w.offer("good").value() == 1);
    w.end(false);
    CHECK(w.kept == std::vector<std::string>{"good"});
    REQUIRE(w.errors.size() == 1);
    CHECK(w.errors[0].rfind("CHECKPOINT_TOO_LARGE ", 0) == 0);
    CHECK(object_of(w.errors[0]).at("size_bytes") == 5);
    CHECK(object_of(w.errors[0]).at("max_bytes") == 4);
}
