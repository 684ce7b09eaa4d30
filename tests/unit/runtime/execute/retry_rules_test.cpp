// The rules of retries that the requirements number 8 to 11, by their own figures, and what must hold of any policy.

#include "runtime/execute/retry.hpp"
#include "runtime/execute/retry_matchers.hpp"
#include "tests/unit/runtime/execute/failed_outcome.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <random>

using namespace rowlock;
using namespace rowlock::runtime;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

outcome timed_out(std::string code = "TIMEOUT")
{
    auto o = failed(std::move(code));
    o.status = execution_status::timeout;
    return o;
}

retry_decision after(const retry_policy& policy, int attempt, const outcome& ended, double random01 = middle)
{
    return decide_retry(policy, attempt, 0, false, ended, random01);
}

// Policies of every kind, overrides included, over a few codes and messages, so that they meet.
class any_policy {
public:
    explicit any_policy(unsigned seed) : random_(seed) {}

    int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
    double unit() { return std::uniform_real_distribution<double>(0, 1)(random_); }
    bool chance(double p) { return unit() < p; }

    std::string code() { return std::string(codes[static_cast<std::size_t>(below(static_cast<int>(codes.size())))]); }
    std::vector<std::string> some_codes() { return chance(0.5) ? std::vector<std::string>{} : std::vector<std::string>{code(), code()}; }
    std::vector<int> some_exits() { return chance(0.7) ? std::vector<int>{} : std::vector<int>{below(4)}; }
    std::vector<std::string> some_patterns() { return chance(0.7) ? std::vector<std::string>{} : std::vector<std::string>{"m" + std::to_string(below(4))}; }

    outcome failure()
    {
        auto o = failed(code(), chance(0.5) ? std::optional<int>(below(4)) : std::nullopt, "m" + std::to_string(below(4)));
        if (chance(0.2)) o.status = execution_status::timeout;
        if (chance(0.2)) o.retry_after = std::chrono::seconds{below(10'000)};
        return o;
    }

    retry_policy::override_rule rule()
    {
        retry_policy::override_rule r;
        r.error_codes = some_codes();
        r.exit_codes = some_exits();
        r.patterns = some_patterns();
        if (chance(0.3)) r.categories = {static_cast<error_category>(1 + below(3))};
        if (chance(0.7)) r.max_attempts = 1 + below(5);
        if (chance(0.5)) r.initial_delay = milliseconds{below(100'000)};
        if (chance(0.5)) r.max_delay = r.initial_delay.value_or(0ms) + milliseconds{below(1'000'000)};
        if (chance(0.5)) r.backoff_multiplier = 1 + unit() * 9;
        if (chance(0.5)) r.jitter_factor = unit();
        if (chance(0.5)) r.jitter = static_cast<jitter_mode>(below(4));
        return r;
    }

    retry_policy policy()
    {
        retry_policy p;
        p.max_attempts = 1 + below(6);
        p.initial_delay = milliseconds{below(100'000)};
        p.max_delay = milliseconds{below(1'000'000)};
        p.backoff_multiplier = 1 + unit() * 9;
        p.jitter_factor = unit();
        p.jitter = static_cast<jitter_mode>(below(4));
        p.retryable_errors = some_codes();
        p.non_retryable_errors = some_codes();
        p.retryable_exit_codes = some_exits();
        p.retryable_error_patterns = some_patterns();
        for (int n = below(4); n > 0; --n) p.overrides.push_back(rule());
        if (chance(0.5)) p.classes.others = error_category::permanent;
        return p;
    }

private:
    static constexpr std::array<std::string_view, 7> codes{"A", "B", "TIMEOUT", "HEARTBEAT_LOST", "HTTP_404", "INVALID_CONFIG", "LEASE_LOST"};
    std::mt19937 random_;
};

bool contains(const std::vector<std::string>& all, const std::string& one)
{
    return std::find(all.begin(), all.end(), one) != all.end();
}

}

TEST_CASE("rule 8, exponential backoff retry: 60 s, doubled each time, at most an hour", "[unit][retry][rules]")
{
    retry_policy p{.max_attempts = 1000, .initial_delay = 60s, .max_delay = 3600s, .backoff_multiplier = 2.0, .jitter = jitter_mode::none};
    const std::array<milliseconds, 9> waits{60s, 120s, 240s, 480s, 960s, 1920s, 3600s, 3600s, 3600s};
    for (std::size_t i = 0; i < waits.size(); ++i) CHECK(after(p, static_cast<int>(i) + 1, failed("X")).delay == waits[i]);
}

TEST_CASE("rule 9, retry jitter: a quarter around the delay, or all of it", "[unit][retry][rules]")
{
    retry_policy p{.max_attempts = 10, .initial_delay = 100s, .max_delay = 1000s, .jitter_factor = 0.25};
    CHECK(after(p, 1, failed("X"), 0.0).delay == 75s);
    CHECK(after(p, 1, failed("X"), 0.5).delay == 100s);
    CHECK(after(p, 1, failed("X"), 0.9999999).delay >= 124'999ms);
    p.jitter = jitter_mode::full;
    CHECK(after(p, 1, failed("X"), 0.0).delay == 0s);
    CHECK(after(p, 1, failed("X"), 0.9999999).delay >= 99'999ms);
    p.jitter = jitter_mode::equal;
    CHECK(after(p, 1, failed("X"), 0.0).delay == 50s);
    p.jitter = jitter_mode::none;
    CHECK(after(p, 1, failed("X"), 0.3).delay == 100s);
}

TEST_CASE("rule 10, retryable error classification: only what is listed is retried, and never what is listed as not", "[unit][retry][rules]")
{
    retry_policy p;
    p.retryable_errors = {"TIMEOUT", "CONNECTION_FAILED", "RATE_LIMITED"};
    p.non_retryable_errors = {"INVALID_CONFIG", "PERMISSION_DENIED"};
    for (const auto* code : {"CONNECTION_FAILED", "RATE_LIMITED"}) {
        CHECK(after(p, 1, failed(code)).again);
        CHECK(after(p, 1, failed(code)).category == error_category::transient);
    }
    CHECK(after(p, 1, timed_out()).again);
    for (const auto* code : {"INVALID_CONFIG", "PERMISSION_DENIED", "SOMETHING_ELSE"}) {
        CHECK_FALSE(after(p, 1, failed(code)).again);
        CHECK(after(p, 1, failed(code)).category == error_category::permanent);
    }
}

TEST_CASE("rule 11, maximum retry attempts: five with the first included", "[unit][retry][rules]")
{
    retry_policy p;
    p.max_attempts = 5;
    for (int attempt = 1; attempt < 5; ++attempt) CHECK(after(p, attempt, failed("X")).again);
    const auto last = after(p, 5, failed("X"));
    CHECK_FALSE(last.again);
    CHECK(last.category == error_category::transient);      // of its kind it would have been repeated
    CHECK_FALSE(after(p, 6, failed("X")).again);            // an attempt that somebody asked for
}

TEST_CASE("where a job has no lists, the settings say which codes are retried", "[unit][retry]")
{
    struct row { const char* why; std::string code; error_category others; bool again; };
    const auto r = GENERATE(values<row>({
        {"a permanent code", "BROKEN", error_category::transient, false},
        {"a transient code", "BUSY", error_category::permanent, true},
        {"a code in both lists is permanent", "BOTH", error_category::transient, false},
        {"another code, by the default", "X", error_category::transient, true},
        {"another code, by the other default", "X", error_category::permanent, false},
        {"no code at all, by the default", "", error_category::permanent, false},
        {"what an http target refuses", "HTTP_404", error_category::transient, false},
        {"unless the operator says that it passes", "HTTP_409", error_category::transient, true},
        {"what is permanent by default stays so only while it is listed", "INVALID_CONFIG", error_category::transient, true},
    }));
    INFO(r.why);
    retry_policy p;
    p.classes = {.transient = {"BUSY", "BOTH", "HTTP_409"}, .permanent = {"BROKEN", "BOTH"}, .others = r.others};
    CHECK(after(p, 1, failed(r.code)).again == r.again);
    CHECK(after(p, 1, failed(r.code)).category == (r.again ? error_category::transient : error_category::permanent));
    p.retryable_errors = {r.code};
    CHECK(after(p, 1, failed(r.code)).again);      // a list of the job's own comes first
    p.non_retryable_errors = {r.code};
    CHECK_FALSE(after(p, 1, failed(r.code)).again);
}

TEST_CASE("what took too long is of its own category, repeated or not", "[unit][retry]")
{
    retry_policy never;
    never.non_retryable_errors = {"TIMEOUT", "HEARTBEAT_LOST", "EXPIRED"};
    for (const auto& ended : {timed_out(), timed_out("EXPIRED"), failed("HEARTBEAT_LOST")}) {
        INFO(ended.error_code);
        CHECK(after(retry_policy{}, 1, ended).category == error_category::timeout);
        CHECK(after(retry_policy{}, 1, ended).again);
        CHECK(after(never, 1, ended).category == error_category::timeout);
        CHECK_FALSE(after(never, 1, ended).again);
    }
}

TEST_CASE("an override rules the failures that it matches, and no others", "[unit][retry][overrides]")
{
    retry_policy p{.max_attempts = 3, .initial_delay = 10s, .max_delay = 100s, .backoff_multiplier = 2, .jitter = jitter_mode::none};
    p.overrides = {{.error_codes = {"RATE_LIMITED"}, .max_attempts = 10, .initial_delay = 60s, .max_delay = 600s, .backoff_multiplier = 1},
                   {.exit_codes = {2}, .max_attempts = 1},
                   {.patterns = {"(?i)deadlock"}, .initial_delay = 0s},
                   {.categories = {error_category::timeout}, .max_attempts = 2, .initial_delay = 500s}};
    struct row { const char* why; int attempt; outcome ended; bool again; milliseconds delay; };
    const std::vector<row> rows{
        {"the policy's own numbers", 2, failed("X"), true, 20s},
        {"the override's numbers", 2, failed("RATE_LIMITED"), true, 60s},
        {"the override's attempts", 9, failed("RATE_LIMITED"), true, 60s},
        {"and no more", 10, failed("RATE_LIMITED"), false, 0s},
        {"the first that fits", 1, failed("RATE_LIMITED", 2), true, 60s},
        {"one attempt is never repeated", 1, failed("X", 2), false, 0s},
        {"what it does not name is the policy's", 2, failed("X", 1, "Deadlock detected"), true, 0s},
        {"the policy's attempts too", 3, failed("X", 1, "Deadlock detected"), false, 0s},
        {"a category", 1, timed_out(), true, 500s},
        {"a category's attempts", 2, timed_out(), false, 0s},
    };
    for (const auto& r : rows) {
        INFO(r.why);
        const auto d = after(p, r.attempt, r.ended);
        CHECK(d.again == r.again);
        CHECK(d.delay == r.delay);
    }
}

TEST_CASE("an override fits where each of its lists does", "[unit][retry][overrides]")
{
    retry_policy p;
    p.overrides = {{.error_codes = {"A", "B"}, .exit_codes = {1}, .patterns = {"x"}, .max_attempts = 1}};
    CHECK_FALSE(after(p, 1, failed("A", 1, "x")).again);
    CHECK_FALSE(after(p, 1, failed("B", 1, "axb")).again);
    CHECK(after(p, 1, failed("C", 1, "x")).again);
    CHECK(after(p, 1, failed("A", 2, "x")).again);
    CHECK(after(p, 1, failed("A", {}, "x")).again);
    CHECK(after(p, 1, failed("A", 1, "y")).again);
}

TEST_CASE("an override that allows more attempts retries what no list names, but never what must not be", "[unit][retry][overrides]")
{
    retry_policy p;
    p.retryable_errors = {"LISTED"};
    p.non_retryable_errors = {"FATAL"};
    p.overrides = {{.error_codes = {"SPECIAL", "FATAL"}, .max_attempts = 2}, {.error_codes = {"SLOWER"}, .initial_delay = 1s}};
    CHECK(after(p, 1, failed("SPECIAL")).again);
    CHECK(after(p, 1, failed("SPECIAL")).category == error_category::transient);
    CHECK_FALSE(after(p, 2, failed("SPECIAL")).again);
    CHECK_FALSE(after(p, 1, failed("FATAL")).again);
    CHECK_FALSE(after(p, 1, failed("SLOWER")).again);       // it says how long, not whether
    CHECK_FALSE(after(p, 1, failed("OTHER")).again);
    retry_policy plain;
    plain.overrides = {{.error_codes = {"INVALID_CONFIG"}, .max_attempts = 4}};
    CHECK(after(plain, 3, failed("INVALID_CONFIG")).again);
    plain.overrides = {{.categories = {error_category::permanent}, .max_attempts = 2}};
    CHECK(after(plain, 1, failed("PERMISSION_DENIED")).again);
    CHECK(after(plain, 2, failed("X")).again);              // transient: the policy's three
}

TEST_CASE("an override's longer first delay is not cut by the policy's cap, but by its own", "[unit][retry][overrides]")
{
    retry_policy p{.max_attempts = 9, .initial_delay = 1s, .max_delay = 10s, .backoff_multiplier = 2, .jitter = jitter_mode::none};
    p.overrides = {{.error_codes = {"LONG"}, .initial_delay = 60s}, {.error_codes = {"SHORT"}, .max_delay = 500ms}};
    CHECK(after(p, 1, failed("LONG")).delay == 60s);
    CHECK(after(p, 5, failed("LONG")).delay == 60s);
    CHECK(after(p, 1, failed("SHORT")).delay == 500ms);
    auto asked = failed("SHORT");
    asked.retry_after = 1h;
    CHECK(after(p, 1, asked).delay == 500ms);
}

TEST_CASE("no override speaks of lost attempts", "[unit][retry][overrides][lost]")
{
    retry_policy p;
    p.overrides = {{.patterns = {""}, .max_attempts = 1}, {.categories = {error_category::transient}, .max_attempts = 1}};
    CHECK_FALSE(after(p, 1, failed("X")).again);
    CHECK(after(p, 1, failed("LEASE_LOST")).again);
    CHECK(after(p, 1, failed("LEASE_LOST")).delay == 0s);
}

TEST_CASE("of any policy: delays lie within the cap in force, attempts end, and what must not be repeated is not", "[unit][retry][overrides]")
{
    any_policy any(20260211);
    for (int i = 0; i < 4'000; ++i) {
        const auto p = any.policy();
        const retry_matcher matcher(p);
        int most = p.max_attempts;
        for (const auto& rule : p.overrides) most = std::max(most, rule.max_attempts.value_or(1));
        for (int k = 0; k < 5; ++k) {
            const auto ended = any.failure();
            const int attempt = 1 + any.below(8);
            const auto kind = matcher.classify(ended);
            const auto d = decide_retry(matcher, attempt, 0, any.chance(0.5), ended, any.unit());
            REQUIRE(d.delay >= 0ms);
            REQUIRE(d.delay <= kind.numbers->max_delay);
            REQUIRE_FALSE(d.why.empty());
            if (d.again) REQUIRE(attempt < most + (ended.error_code == "LEASE_LOST" ? uncounted_lost_attempts : 0));
            else REQUIRE(d.delay == 0ms);
            if (contains(p.non_retryable_errors, ended.error_code)) REQUIRE_FALSE(d.again);
            REQUIRE(d.category == kind.category);
            const bool late = ended.status == execution_status::timeout || ended.error_code == "HEARTBEAT_LOST";
            REQUIRE((d.category == error_category::timeout) == late);
            if (d.again && !late) REQUIRE(d.category == error_category::transient);
        }
    }
}

TEST_CASE("of any policy without jitter: each wait is at least the one before", "[unit][retry][overrides]")
{
    any_policy any(20260212);
    for (int i = 0; i < 2'000; ++i) {
        auto p = any.policy();
        p.max_attempts = 1000;
        p.jitter = jitter_mode::none;
        for (auto& rule : p.overrides) {
            rule.jitter = jitter_mode::none;
            rule.max_attempts = 1000;
        }
        const retry_matcher matcher(p);
        auto ended = any.failure();
        ended.retry_after.reset();
        milliseconds before{0};
        for (int attempt = 1; attempt < 12; ++attempt) {
            const auto d = decide_retry(matcher, attempt, 0, false, ended, any.unit());
            if (!d.again) break;
            REQUIRE(d.delay >= before);
            before = d.delay;
        }
    }
}

TEST_CASE("of any policy: overrides change nothing of what they do not match", "[unit][retry][overrides]")
{
    any_policy any(20260213);
    for (int i = 0; i < 2'000; ++i) {
        auto p = any.policy();
        auto bare = p;
        bare.overrides.clear();
        for (auto& rule : p.overrides) rule.error_codes = {"NEVER_SEEN"};
        const auto ended = any.failure();
        const int attempt = 1 + any.below(8);
        const double random01 = any.unit();
        const auto with = decide_retry(p, attempt, 0, false, ended, random01);
        const auto without = decide_retry(bare, attempt, 0, false, ended, random01);
        REQUIRE(with.again == without.again);
        REQUIRE(with.delay == without.delay);
        REQUIRE(with.category == without.category);
    }
}

TEST_CASE("patterns that ruin other engines are matched in linear time", "[unit][retry]")
{
    retry_policy p;
    p.retryable_error_patterns = {"(a+)+$", "(a|aa)+$", "(.*a){12}$", "^(([a-z])+.)+[A-Z]([a-z])+$"};
    p.overrides = {{.patterns = {"(x+x+)+y"}, .max_attempts = 2}};
    const retry_matcher matcher(p);
    // A backtracking engine would need 2^100000 steps: this test would not end.
    const std::string message = std::string(100'000, 'a') + "!" + std::string(100'000, 'x');
    CHECK_FALSE(matcher.classify(failed("X", {}, message)).retryable);
    CHECK(matcher.classify(failed("X", {}, std::string(100'000, 'a'))).retryable);
    CHECK(matcher.classify(failed("X", {}, std::string(100'000, 'x') + "y")).retryable);
}

TEST_CASE("the matcher of a version is made once", "[unit][retry]")
{
    retry_matchers all;
    job_version version;
    version.job = job_key{7};
    version.version = 1;
    version.definition.retry.retryable_error_patterns = {"a", "b"};
    version.definition.retry.overrides = {{.patterns = {"c"}, .max_attempts = 2}};
    const auto first = all.of(version);
    CHECK(first->pattern_count() == 3);
    CHECK(all.of(version) == first);
    version.version = 2;
    version.definition.retry.retryable_error_patterns.clear();
    const auto second = all.of(version);
    CHECK(second != first);
    CHECK(second->pattern_count() == 1);
    CHECK(second->policy().overrides.size() == 1);
}

TEST_CASE("matchers are kept within bounds, and what is in use stays good", "[unit][retry]")
{
    retry_matchers all;
    job_version version;
    version.version = 1;
    version.definition.retry.retryable_error_patterns = std::vector<std::string>(100, "needle");
    const auto first = all.of(version);
    for (int i = 1; i <= 40; ++i) {
        version.job = job_key{i};
        all.of(version);
    }
    CHECK(first->classify(failed("X", {}, "a needle")).retryable);
    version.job = job_key{};
    CHECK(all.of(version) != first);      // forgotten in between, and made again
}
