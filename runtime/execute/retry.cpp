#include "runtime/execute/retry.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <re2/re2.h>

namespace rowlock::runtime {

namespace {

constexpr std::string_view lease_lost_code = "LEASE_LOST";

bool contains(const std::vector<std::string>& codes, std::string_view code)
{
    return std::find(codes.begin(), codes.end(), code) != codes.end();
}

// An answer that says the request itself is wrong. 408, 425 and 429 only say "later".
bool is_request_error(std::string_view code)
{
    constexpr std::string_view prefix = "HTTP_4";
    if (!code.starts_with(prefix) || code.size() != prefix.size() + 2) return false;
    const std::string_view rest = code.substr(prefix.size());
    const bool digits = std::all_of(rest.begin(), rest.end(), [](char c) { return c >= '0' && c <= '9'; });
    return digits && rest != "08" && rest != "25" && rest != "29";
}

double jittered(const retry_policy& policy, double delay, double random01)
{
    switch (policy.jitter) {
    case jitter_mode::none: return delay;
    case jitter_mode::full: return delay * random01;
    case jitter_mode::equal: return delay / 2 + delay / 2 * random01;
    case jitter_mode::plus_minus: return delay * (1 + policy.jitter_factor * (2 * random01 - 1));
    }
    return delay;
}

}

retry_matcher::retry_matcher(const retry_policy& policy) : policy_(policy)
{
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_never_capture(true);
    patterns_.reserve(policy_.retryable_error_patterns.size());
    for (const auto& pattern : policy_.retryable_error_patterns) {
        auto compiled = std::make_unique<re2::RE2>(pattern, options);
        if (compiled->ok()) patterns_.push_back(std::move(compiled));
    }
}

retry_matcher::~retry_matcher() = default;
retry_matcher::retry_matcher(retry_matcher&&) noexcept = default;
retry_matcher& retry_matcher::operator=(retry_matcher&&) noexcept = default;

bool retry_matcher::matches_a_list(const outcome& ended) const
{
    if (contains(policy_.retryable_errors, ended.error_code)) return true;
    const auto& exits = policy_.retryable_exit_codes;
    if (ended.exit_code && std::find(exits.begin(), exits.end(), *ended.exit_code) != exits.end()) return true;
    return std::any_of(patterns_.begin(), patterns_.end(), [&](const auto& pattern) { return re2::RE2::PartialMatch(ended.error_message, *pattern); });
}

failure_class retry_matcher::classify(const outcome& ended) const
{
    if (contains(policy_.non_retryable_errors, ended.error_code)) return {false, "the error code is one of non_retryable_errors"};
    // A lost attempt says nothing about the work, so what the lists say about failures of the work does not hold for it.
    if (ended.error_code == lease_lost_code) return {true, "the attempt was lost with its instance"};
    const bool any_list = !policy_.retryable_errors.empty() || !policy_.retryable_exit_codes.empty() || !policy_.retryable_error_patterns.empty();
    if (any_list) {
        if (matches_a_list(ended)) return {true, "the failure is one that the policy retries"};
        return {false, "the failure matches none of the policy's retryable errors, exit codes and patterns"};
    }
    if (ended.error_code == "INVALID_CONFIG" || ended.error_code == "PERMISSION_DENIED" || is_request_error(ended.error_code)) {
        return {false, "an error of this kind does not pass by itself"};
    }
    return {true, "the failure may pass by itself"};
}

milliseconds backoff(const retry_policy& policy, int failures, double random01)
{
    const auto cap = static_cast<double>(policy.max_delay.count());
    const auto initial = static_cast<double>(policy.initial_delay.count());
    // Zero times an overflowing power would not be a number.
    const double grown = initial <= 0 ? 0 : initial * std::pow(policy.backoff_multiplier, std::max(failures, 1) - 1);
    const double delay = jittered(policy, std::min(grown, cap), random01);
    return milliseconds{static_cast<std::int64_t>(std::floor(std::clamp(delay, 0.0, cap)))};
}

retry_decision decide_retry(const retry_matcher& matcher, int attempt_number, int lost_count, bool idempotent, const outcome& ended, double random01)
{
    if (ended.status == execution_status::cancelled) return {false, milliseconds{0}, "it was cancelled"};
    if (ended.status != execution_status::failed && ended.status != execution_status::timeout) return {false, milliseconds{0}, "it has not failed"};

    const auto failure = matcher.classify(ended);
    if (!failure.retryable) return {false, milliseconds{0}, failure.why};

    const retry_policy& policy = matcher.policy();
    const bool lost = ended.error_code == lease_lost_code;
    const int lost_in_all = lost_count + (lost ? 1 : 0);
    const int counted = attempt_number - (idempotent ? std::min(lost_in_all, uncounted_lost_attempts) : 0);
    if (counted >= policy.max_attempts) return {false, milliseconds{0}, "no attempt is left"};
    if (lost) return {true, milliseconds{0}, failure.why};

    milliseconds delay = backoff(policy, counted, random01);
    // The other side knows best when it is ready again, but never keeps a job waiting beyond the policy's cap.
    if (ended.retry_after) delay = std::max(delay, std::min<milliseconds>(*ended.retry_after, policy.max_delay));
    return {true, delay, failure.why};
}

retry_decision decide_retry(const retry_policy& policy, int attempt_number, int lost_count, bool idempotent, const outcome& ended, double random01)
{
    return decide_retry(retry_matcher(policy), attempt_number, lost_count, idempotent, ended, random01);
}

}
