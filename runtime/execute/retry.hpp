#pragma once

#include "storage/model/execution.hpp"
#include "storage/model/job.hpp"

#include <memory>
#include <string_view>
#include <vector>

namespace re2 {
class RE2;
}

namespace rowlock::runtime {

// An idempotent job may lose this many attempts of a run to dead instances before lost attempts count like any other.
inline constexpr int uncounted_lost_attempts = 20;

// What kind of failure it is, whether it may be repeated, and with which numbers; `why` is a literal.
struct failure_class {
    bool retryable = false;
    error_category category = error_category::transient;
    // The policy, or the policy with the numbers of the override that fits. Belongs to the matcher.
    const retry_policy* numbers = nullptr;
    std::string_view why;
};

// A retry policy with its patterns compiled: made once for a version of a job, read by all cores.
class retry_matcher {
public:
    // A pattern that does not compile, which no accepted definition has, matches nothing.
    explicit retry_matcher(const retry_policy& policy);
    ~retry_matcher();
    retry_matcher(retry_matcher&&) noexcept;
    retry_matcher& operator=(retry_matcher&&) noexcept;

    const retry_policy& policy() const { return policy_; }
    // How many patterns it keeps compiled, which is what its memory goes by.
    std::size_t pattern_count() const;

    // By the code, the exit code and the message (rule 10). A non-retryable code always wins. Then the first override that fits rules,
    // where it says how many attempts there may be. Where there is any retryable list only what one of them matches is repeated; where
    // there is none everything is, but what the settings, or its nature, say does not get better by itself.
    failure_class classify(const outcome& ended) const;

private:
    using patterns = std::vector<std::unique_ptr<re2::RE2>>;

    // An override: what it matches, and the policy's numbers with its own in their place.
    struct special_case {
        retry_policy numbers;
        patterns messages;
    };
    // Of the lists and the settings alone.
    struct verdict {
        bool retryable;
        std::string_view why;
    };

    static patterns compiled(const std::vector<std::string>& texts);
    static bool any_matches(const patterns& all, const std::string& message);
    verdict by_lists(const outcome& ended) const;
    bool is_listed(const outcome& ended) const;
    bool fits(std::size_t rule, const outcome& ended, error_category category) const;

    retry_policy policy_;
    patterns messages_;
    std::vector<special_case> cases_;                // one for each override, in their order
};

struct retry_decision {
    bool again = false;
    milliseconds delay{0};           // from the end of this attempt to the next one; 0: at once
    error_category category = error_category::transient;    // of an attempt that failed or timed out
    std::string_view why;            // a literal, for logs and `explain`
};

// Whether attempt `attempt_number` of a run (from 1) is followed by another, and when (rules 8 to 11). `lost_count` counts the earlier attempts of
// the run that ended LEASE_LOST, without this one; `random01` is uniform in [0, 1). Pure.
retry_decision decide_retry(const retry_matcher& matcher, int attempt_number, int lost_count, bool idempotent, const outcome& ended, double random01);

// The same where no matcher is at hand: compiles the policy's patterns, if it has any.
retry_decision decide_retry(const retry_policy& policy, int attempt_number, int lost_count, bool idempotent, const outcome& ended, double random01);

// The wait after the `failures`-th failure that counts (from 1): initial x multiplier^(failures-1), capped, jittered, capped again.
milliseconds backoff(const retry_policy& policy, int failures, double random01);

}
