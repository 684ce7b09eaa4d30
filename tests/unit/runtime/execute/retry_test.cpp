#include "runtime/execute/retry.hpp"
#include "tests/unit/runtime/execute/failed_outcome.hpp"

#include <catch2/catch.hpp>
#include <random>

using namespace rowlock;
using namespace rowlock::runtime;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

outcome with_status(execution_status s, std::string code = {})
{
    outcome o = failed(std::move(code));
    o.status = s;
    return o;
}

retry_policy backing_off(milliseconds initial, double multiplier, milliseconds cap, jitter_mode mode = jitter_mode::none)
{
    return {.max_attempts = 1000, .initial_delay = initial, .max_delay = cap, .backoff_multiplier = multiplier, .jitter = mode};
}

}

TEST_CASE("backoff grows by its multiplier until its cap", "[unit][retry]")
{
    struct row { const char* why; int failures; milliseconds expected; };
    const auto r = GENERATE(values<row>({
        {"the first failure waits the initial delay", 1, 2s},
        {"the second waits twice that", 2, 4s},
        {"the third has doubled twice", 3, 8s},
        {"a large number stops at the cap", 40, 300s},
        {"a huge one too, where the power overflows", 100'000, 300s},
    }));
    INFO(r.why);
    CHECK(backoff(backing_off(2s, 2, 300s), r.failures, middle) == r.expected);
}

TEST_CASE("no initial delay means no delay, however often it fails", "[unit][retry]")
{
    CHECK(backoff(backing_off(0s, 100, 300s), 100'000, 0.9) == 0s);
}

TEST_CASE("an initial delay above the cap waits the cap", "[unit][retry]")
{
    CHECK(backoff(backing_off(60s, 2, 10s), 1, middle) == 10s);
}

TEST_CASE("each jitter mode spreads the delay over its own interval", "[unit][retry]")
{
    struct row { jitter_mode mode; double random01; milliseconds expected; };
    const auto r = GENERATE(values<row>({
        {jitter_mode::none, 0.0, 1000ms},       {jitter_mode::none, 0.75, 1000ms},
        {jitter_mode::full, 0.0, 0ms},          {jitter_mode::full, 0.75, 750ms},
        {jitter_mode::equal, 0.0, 500ms},       {jitter_mode::equal, 0.75, 875ms},
        {jitter_mode::plus_minus, 0.0, 800ms},  {jitter_mode::plus_minus, 0.75, 1100ms},
    }));
    auto policy = backing_off(1s, 2, 100s, r.mode);
    policy.jitter_factor = 0.2;
    CHECK(backoff(policy, 1, r.random01) == r.expected);
}

TEST_CASE("the delay is capped again after jitter", "[unit][retry]")
{
    auto policy = backing_off(10s, 2, 10s, jitter_mode::plus_minus);
    policy.jitter_factor = 0.5;
    CHECK(backoff(policy, 1, 0.99) == 10s);
    CHECK(backoff(policy, 1, 0.0) == 5s);
    CHECK(backoff(policy, 20, 0.0) == 5s);
}

TEST_CASE("any policy's delay lies between nothing and its cap, and within its jitter", "[unit][retry]")
{
    std::mt19937 random(20260102);
    std::uniform_real_distribution<double> unit(0, 1);
    for (int i = 0; i < 20'000; ++i) {
        retry_policy p;
        p.initial_delay = milliseconds{static_cast<std::int64_t>(unit(random) * 1e6)};
        p.max_delay = milliseconds{static_cast<std::int64_t>(unit(random) * 1e7)};
        p.backoff_multiplier = 1 + unit(random) * 9;
        p.jitter_factor = unit(random);
        p.jitter = static_cast<jitter_mode>(random() % 4);
        const int failures = 1 + static_cast<int>(random() % 1000);
        const auto delay = backoff(p, failures, unit(random));
        REQUIRE(delay >= 0ms);
        REQUIRE(delay <= p.max_delay);
        auto still = p;
        still.jitter = jitter_mode::none;
        const auto plain = backoff(still, failures, middle);
        REQUIRE(plain <= backoff(still, failures + 1, middle));
        const auto base = static_cast<double>(plain.count());
        const auto actual = static_cast<double>(delay.count());
        if (p.jitter == jitter_mode::equal) REQUIRE(actual >= base / 2 - 1);
        if (p.jitter == jitter_mode::plus_minus) REQUIRE(actual >= base * (1 - p.jitter_factor) - 2);
        if (p.jitter == jitter_mode::full || p.jitter == jitter_mode::equal) REQUIRE(actual <= base + 1);
    }
}

TEST_CASE("without lists everything is retried but what cannot get better by itself", "[unit][retry]")
{
    struct row { std::string code; bool again; };
    const auto r = GENERATE(values<row>({
        {"", true}, {"FAILED", true}, {"EXIT_1", true}, {"SIGNAL_KILL", true}, {"CONNECTION_FAILED", true}, {"RATE_LIMITED", true}, {"HTTP_500", true}, {"HTTP_503", true},
        {"HTTP_408", true}, {"HTTP_425", true}, {"HTTP_429", true}, {"OUTPUT_LIMIT", true}, {"RESOURCE_EXHAUSTED", true}, {"HTTP_4", true}, {"HTTP_4000", true}, {"HTTP_4xx", true},
        {"HTTP_400", false}, {"HTTP_401", false}, {"HTTP_404", false}, {"HTTP_410", false}, {"HTTP_499", false}, {"INVALID_CONFIG", false}, {"PERMISSION_DENIED", false},
    }));
    INFO(r.code);
    CHECK(decide_retry(retry_policy{}, 1, 0, false, failed(r.code), middle).again == r.again);
}

TEST_CASE("with a retryable list only what one of the lists matches is retried", "[unit][retry]")
{
    retry_policy p;
    p.retryable_errors = {"TIMEOUT", "HTTP_404"};
    p.retryable_exit_codes = {2, 75};
    p.retryable_error_patterns = {"(?i)rate limit", "^Connection.*reset$"};
    const retry_matcher matcher(p);
    struct row { const char* why; outcome ended; bool retryable; };
    const std::vector<row> rows{
        {"a listed code", with_status(execution_status::timeout, "TIMEOUT"), true},
        {"a listed code, though it would not be retried by default", failed("HTTP_404"), true},
        {"a listed exit code", failed("EXIT_75", 75), true},
        {"a message that a pattern finds", failed("EXIT_9", 9, "API RATE LIMIT exceeded"), true},
        {"a message that an anchored pattern matches", failed("X", {}, "Connection was reset"), true},
        {"a message that it does not match", failed("X", {}, "a Connection was reset"), false},
        {"another code", failed("HTTP_500"), false},
        {"another exit code", failed("EXIT_1", 1), false},
        {"no code at all", failed(""), false},
    };
    for (const auto& r : rows) {
        INFO(r.why);
        CHECK(matcher.classify(r.ended).retryable == r.retryable);
    }
}

TEST_CASE("a non-retryable code always wins", "[unit][retry]")
{
    retry_policy p;
    p.non_retryable_errors = {"FATAL", "LEASE_LOST"};
    p.retryable_errors = {"FATAL"};
    p.retryable_exit_codes = {1};
    p.retryable_error_patterns = {".*"};
    CHECK_FALSE(decide_retry(p, 1, 0, true, failed("FATAL", 1, "x"), middle).again);
    CHECK_FALSE(decide_retry(p, 1, 0, true, failed("LEASE_LOST"), middle).again);
    CHECK(decide_retry(p, 1, 0, true, failed("OTHER", 1), middle).again);
}

TEST_CASE("a list of non-retryable codes alone leaves the defaults for the rest", "[unit][retry]")
{
    retry_policy p;
    p.non_retryable_errors = {"FATAL"};
    CHECK(decide_retry(p, 1, 0, false, failed("OTHER"), middle).again);
    CHECK_FALSE(decide_retry(p, 1, 0, false, failed("INVALID_CONFIG"), middle).again);
}

TEST_CASE("attempts stop at max_attempts, the first included", "[unit][retry]")
{
    retry_policy p;
    p.max_attempts = 3;
    CHECK(decide_retry(p, 1, 0, false, failed("E"), middle).again);
    CHECK(decide_retry(p, 2, 0, false, failed("E"), middle).again);
    const auto last = decide_retry(p, 3, 0, false, failed("E"), middle);
    CHECK_FALSE(last.again);
    CHECK(last.why == "no attempt is left");
    p.max_attempts = 1;
    CHECK_FALSE(decide_retry(p, 1, 0, false, failed("E"), middle).again);
}

TEST_CASE("only failures and timeouts are retried", "[unit][retry]")
{
    struct row { execution_status status; bool again; };
    const auto r = GENERATE(values<row>({
        {execution_status::completed, false}, {execution_status::cancelled, false}, {execution_status::skipped, false},
        {execution_status::failed, true}, {execution_status::timeout, true},
    }));
    retry_policy p;
    p.retryable_error_patterns = {""};      // matches everything
    CHECK(decide_retry(p, 1, 0, true, with_status(r.status, "X"), middle).again == r.again);
}

TEST_CASE("a lost attempt is repeated at once", "[unit][retry][lost]")
{
    const auto d = decide_retry(retry_policy{}, 1, 0, false, failed("LEASE_LOST"), middle);
    CHECK(d.again);
    CHECK(d.delay == 0ms);
    retry_policy only_timeouts;
    only_timeouts.retryable_errors = {"TIMEOUT"};
    CHECK(decide_retry(only_timeouts, 1, 0, false, failed("LEASE_LOST"), middle).again);
}

TEST_CASE("lost attempts count, unless the job is idempotent: then twenty do not", "[unit][retry][lost]")
{
    retry_policy p;
    p.max_attempts = 2;
    struct row { const char* why; int attempt; int lost_before; bool idempotent; bool again; };
    const auto r = GENERATE(values<row>({
        {"the first loss leaves one attempt", 1, 0, false, true},
        {"the second loss leaves none", 2, 1, false, false},
        {"an idempotent job's second loss is not counted", 2, 1, true, true},
        {"nor its twentieth", 20, 19, true, true},
        {"its 21st is, and leaves one attempt", 21, 20, true, true},
        {"its 22nd leaves none", 22, 21, true, false},
    }));
    INFO(r.why);
    CHECK(decide_retry(p, r.attempt, r.lost_before, r.idempotent, failed("LEASE_LOST"), middle).again == r.again);
}

TEST_CASE("a failure after lost attempts has its own attempts left, and backs off as if they had not been", "[unit][retry][lost]")
{
    retry_policy p = backing_off(10s, 2, 1000s);
    p.max_attempts = 2;
    const auto first = decide_retry(p, 6, 5, true, failed("E"), middle);
    CHECK(first.again);
    CHECK(first.delay == 10s);
    CHECK_FALSE(decide_retry(p, 7, 5, true, failed("E"), middle).again);
    CHECK_FALSE(decide_retry(p, 6, 5, false, failed("E"), middle).again);
}

TEST_CASE("a run ends however its attempts fail", "[unit][retry][lost]")
{
    std::mt19937 random(20260103);
    for (int i = 0; i < 500; ++i) {
        retry_policy p;
        p.max_attempts = 1 + static_cast<int>(random() % 10);
        const bool idempotent = random() % 2 == 0;
        int attempt = 1;
        int lost = 0;
        for (;; ++attempt) {
            const bool is_lost = random() % 2 == 0;
            const auto d = decide_retry(p, attempt, lost, idempotent, failed(is_lost ? "LEASE_LOST" : "E"), middle);
            lost += is_lost ? 1 : 0;
            if (!d.again) break;
            REQUIRE(attempt < p.max_attempts + uncounted_lost_attempts);
        }
        REQUIRE(attempt >= p.max_attempts);
        if (!idempotent) REQUIRE(attempt == p.max_attempts);
    }
}

TEST_CASE("what the other side asks for is honoured within the cap", "[unit][retry]")
{
    const auto p = backing_off(10s, 2, 60s);
    auto ended = failed("RATE_LIMITED");
    ended.retry_after = 30s;
    CHECK(decide_retry(p, 1, 0, false, ended, middle).delay == 30s);
    ended.retry_after = 5s;
    CHECK(decide_retry(p, 1, 0, false, ended, middle).delay == 10s);
    ended.retry_after = 1h;
    CHECK(decide_retry(p, 1, 0, false, ended, middle).delay == 60s);
}
