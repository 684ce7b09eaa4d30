#include "tests/unit/storage/model/definition_text.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;
using namespace std::chrono_literals;

namespace {

std::string with_overrides(std::string_view list)
{
    return noop_with(R"("retry_policy":{"overrides":)" + std::string(list) + "}");
}

}

TEST_CASE("a policy for some kinds of failure is read with what it says, and nothing else", "[unit][definition][retry]")
{
    const auto d = good(with_overrides(R"([{"match":{"error_codes":["RATE_LIMITED"],"exit_codes":[75],"patterns":["(?i)slow down"],"categories":["TRANSIENT","TIMEOUT"]},
        "max_attempts":10,"initial_delay":1,"max_delay":30,"multiplier":1.5,"jitter_factor":0.5,"jitter_mode":"FULL"},{"match":{"exit_codes":[2]},"max_attempts":1}])"));
    REQUIRE(d.retry.overrides.size() == 2);
    const auto& first = d.retry.overrides[0];
    CHECK(first.error_codes == names{"RATE_LIMITED"});
    CHECK(first.exit_codes == std::vector<int>{75});
    CHECK(first.patterns == names{"(?i)slow down"});
    CHECK(first.categories == std::vector<error_category>{error_category::transient, error_category::timeout});
    CHECK(first.max_attempts == 10);
    CHECK(first.initial_delay == 1s);
    CHECK(first.max_delay == 30s);
    CHECK(first.backoff_multiplier == 1.5);
    CHECK(first.jitter_factor == 0.5);
    CHECK(first.jitter == jitter_mode::full);
    const auto& second = d.retry.overrides[1];
    CHECK(second.max_attempts == 1);
    CHECK_FALSE(second.initial_delay);
    CHECK_FALSE(second.max_delay);
    CHECK_FALSE(second.jitter);
    CHECK(kept(d, "retry_policy") == R"({"overrides":[{"match":{"error_codes":["RATE_LIMITED"],"exit_codes":[75],"patterns":["(?i)slow down"],"categories":["TRANSIENT","TIMEOUT"]},)"
                                     R"("max_attempts":10,"initial_delay_seconds":1,"max_delay_seconds":30,"backoff_multiplier":1.5,"jitter_factor":0.5,"jitter_mode":"FULL"},)"
                                     R"({"match":{"exit_codes":[2]},"max_attempts":1}]})");
    CHECK(good(with_overrides("[]")).retry.overrides.empty());
}

TEST_CASE("overrides that could not be meant are refused, each where it is wrong", "[unit][definition][retry]")
{
    struct row { std::string list; names fields; };
    const auto r = GENERATE(values<row>({
        {R"({})", {"retry_policy.overrides"}},
        {R"([1])", {"retry_policy.overrides[0]"}},
        {R"([{"max_attempts":2}])", {"retry_policy.overrides[0].match"}},
        {R"([{"match":{},"max_attempts":2}])", {"retry_policy.overrides[0].match"}},
        {R"([{"match":{"error_codes":[]},"max_attempts":2}])", {"retry_policy.overrides[0].match"}},
        {R"([{"match":[],"max_attempts":2}])", {"retry_policy.overrides[0].match"}},
        {R"([{"match":{"error_codes":["A"]}}])", {"retry_policy.overrides[0]"}},
        {R"([{"match":{"error_codes":["A"]},"max_attempts":0}])", {"retry_policy.overrides[0].max_attempts"}},
        {R"([{"match":{"error_codes":["LEASE_LOST"]},"max_attempts":9}])", {"retry_policy.overrides[0].match.error_codes"}},
        {R"([{"match":{"error_codes":["A"]},"initial_delay_seconds":-1,"backoff_multiplier":0.5,"jitter_factor":2,"jitter_mode":"SOME"}])",
         {"retry_policy.overrides[0].backoff_multiplier", "retry_policy.overrides[0].initial_delay_seconds", "retry_policy.overrides[0].jitter_factor",
          "retry_policy.overrides[0].jitter_mode"}},
        {R"([{"match":{"error_codes":["A"]},"initial_delay_seconds":20,"max_delay_seconds":10}])", {"retry_policy.overrides[0].max_delay_seconds"}},
        {R"x([{"match":{"patterns":["a","("]},"max_attempts":2}])x", {"retry_policy.overrides[0].match.patterns[1]"}},
        {R"([{"match":{"exit_codes":[256]},"max_attempts":2}])", {"retry_policy.overrides[0].match.exit_codes[0]"}},
        {R"([{"match":{"categories":["LATER"]},"max_attempts":2}])", {"retry_policy.overrides[0].match.categories[0]"}},
        {R"([{"match":{"codes":["A"],"error_codes":["A"]},"attempts":2,"max_attempts":2}])", {"retry_policy.overrides[0].attempts", "retry_policy.overrides[0].match.codes"}},
        {R"([{"match":{"error_codes":["A"]},"max_attempts":2},{"match":{"error_codes":["A"]},"max_attempts":-2}])", {"retry_policy.overrides[1].max_attempts"}},
    }));
    INFO(r.list);
    CHECK(fields_of(with_overrides(r.list)) == r.fields);
}

TEST_CASE("a pattern too large to be matched in bounded memory is refused when it is defined", "[unit][definition][retry]")
{
    CHECK(fields_of(noop_with(R"("retry_policy":{"retryable_error_patterns":["((\\pL{100}){100}){10}"]})")) == names{"retry_policy.retryable_error_patterns[0]"});
    CHECK(good(noop_with(R"("retry_policy":{"retryable_error_patterns":["(a+)+$","(?i)rate.?limit(ed)?"]})")).retry.retryable_error_patterns.size() == 2);
}
