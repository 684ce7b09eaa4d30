#include "runtime/execute/retry.hpp"

#include "storage/model/failure_pattern.hpp"

#include <algorithm>
#include <cmath>

namespace rowlock::runtime {

namespace {

constexpr std::string_view lease_lost_code = "LEASE_LOST";

template <class Item, class Value>
bool contains(const std::vector<Item>& all, const Value& one)
{
    return std::find(all.begin(), all.end(), one) != all.end();
}

// What took too long, in its work, its silence or the queue, is of a kind of its own, repeated or not.
error_category category_of(const outcome& ended, bool retryable)
{
    if (ended.status == execution_status::timeout || ended.error_code == "HEARTBEAT_LOST" || ended.error_code == "EXPIRED") return error_category::timeout;
    return retryable ? error_category::transient : error_category::permanent;
}

// The policy's numbers with those of an override in their place. Its lists stay behind.
retry_policy numbers_of(const retry_policy& policy, const retry_policy::override_rule& rule)
{
    retry_policy p;
    p.max_attempts = rule.max_attempts.value_or(policy.max_attempts);
    p.initial_delay = rule.initial_delay.value_or(policy.initial_delay);
    // As in the policy itself: a longer first delay than the cap, and no word of the cap, means the delay.
    p.max_delay = rule.max_delay.value_or(rule.initial_delay ? std::max(policy.max_delay, *rule.initial_delay) : policy.max_delay);
    p.backoff_multiplier = rule.backoff_multiplier.value_or(policy.backoff_multiplier);
    p.jitter_factor = rule.jitter_factor.value_or(policy.jitter_factor);
    p.jitter = rule.jitter.value_or(policy.jitter);
    return p;
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

retry_matcher::patterns retry_matcher::compiled(const std::vector<std::string>& texts)
{
    patterns all;
    all.reserve(texts.size());
    for (const auto& text : texts) {
        auto pattern = std::make_unique<re2::RE2>(text, failure_pattern_options());
        if (pattern->ok()) all.push_back(std::move(pattern));
    }
    return all;
}

bool retry_matcher::any_matches(const patterns& all, const std::string& message)
{
    return std::any_of(all.begin(), all.end(), [&message](const auto& pattern) { return re2::RE2::PartialMatch(message, *pattern); });
}

retry_matcher::retry_matcher(const retry_policy& policy) : policy_(policy), messages_(compiled(policy.retryable_error_patterns))
{
    cases_.reserve(policy_.overrides.size());
    for (const auto& rule : policy_.overrides) cases_.push_back({numbers_of(policy_, rule), compiled(rule.patterns)});
}

retry_matcher::~retry_matcher() = default;
retry_matcher::retry_matcher(retry_matcher&&) noexcept = default;
retry_matcher& retry_matcher::operator=(retry_matcher&&) noexcept = default;

std::size_t retry_matcher::pattern_count() const
{
    std::size_t n = messages_.size();
    for (const auto& each : cases_) n += each.messages.size();
    return n;
}

bool retry_matcher::is_listed(const outcome& ended) const
{
    return contains(policy_.retryable_errors, ended.error_code) || (ended.exit_code && contains(policy_.retryable_exit_codes, *ended.exit_code))
           || any_matches(messages_, ended.error_message);
}

retry_matcher::verdict retry_matcher::by_lists(const outcome& ended) const
{
    // A lost attempt says nothing about the work, so what the lists say about failures of the work does not hold for it.
    if (ended.error_code == lease_lost_code) return {true, "the attempt was lost with its instance"};
    const bool any_list = !policy_.retryable_errors.empty() || !policy_.retryable_exit_codes.empty() || !policy_.retryable_error_patterns.empty();
    if (any_list) {
        if (is_listed(ended)) return {true, "the failure is one that the policy retries"};
        return {false, "the failure matches none of the policy's retryable errors, exit codes and patterns"};
    }
    if (contains(policy_.classes.permanent, ended.error_code)) return {false, "an error with this code does not pass by itself"};
    if (contains(policy_.classes.transient, ended.error_code)) return {true, "an error with this code may pass by itself"};
    if (is_request_error(ended.error_code)) return {false, "the request itself is refused, and would be again"};
    if (policy_.classes.others == error_category::permanent) return {false, "the error code is not one of TRANSIENT_ERROR_CODES"};
    return {true, "the failure may pass by itself"};
}

bool retry_matcher::fits(std::size_t rule, const outcome& ended, error_category category) const
{
    if (ended.error_code == lease_lost_code) return false;      // no failure of the work
    const auto& match = policy_.overrides[rule];
    return (match.error_codes.empty() || contains(match.error_codes, ended.error_code))
           && (match.exit_codes.empty() || (ended.exit_code && contains(match.exit_codes, *ended.exit_code)))
           && (match.categories.empty() || contains(match.categories, category))
           && (match.patterns.empty() || any_matches(cases_[rule].messages, ended.error_message));
}

failure_class retry_matcher::classify(const outcome& ended) const
{
    if (contains(policy_.non_retryable_errors, ended.error_code)) {
        return {false, category_of(ended, false), &policy_, "the error code is one of non_retryable_errors"};
    }
    const auto listed = by_lists(ended);
    for (std::size_t i = 0; i < cases_.size(); ++i) {
        if (!fits(i, ended, category_of(ended, listed.retryable))) continue;
        const auto attempts = policy_.overrides[i].max_attempts;
        if (!attempts) return {listed.retryable, category_of(ended, listed.retryable), &cases_[i].numbers, listed.why};
        if (*attempts == 1) return {false, category_of(ended, false), &cases_[i].numbers, "the override for this failure allows one attempt"};
        return {true, category_of(ended, true), &cases_[i].numbers, "the failure is one that an override retries"};
    }
    return {listed.retryable, category_of(ended, listed.retryable), &policy_, listed.why};
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
    retry_decision decision;
    if (ended.status != execution_status::failed && ended.status != execution_status::timeout) {
        decision.why = ended.status == execution_status::cancelled ? "it was cancelled" : "it has not failed";
        return decision;
    }
    const auto failure = matcher.classify(ended);
    decision.category = failure.category;
    decision.why = failure.why;
    if (!failure.retryable) return decision;

    const bool lost = ended.error_code == lease_lost_code;
    const int lost_in_all = lost_count + (lost ? 1 : 0);
    const int counted = attempt_number - (idempotent ? std::min(lost_in_all, uncounted_lost_attempts) : 0);
    if (counted >= failure.numbers->max_attempts) {
        decision.why = "no attempt is left";
        return decision;
    }
    decision.again = true;
    if (lost) return decision;       // at once
    decision.delay = backoff(*failure.numbers, counted, random01);
    // The other side knows best when it is ready again, but never keeps a job waiting beyond the policy's cap.
    if (ended.retry_after) decision.delay = std::max(decision.delay, std::min<milliseconds>(*ended.retry_after, failure.numbers->max_delay));
    return decision;
}

retry_decision decide_retry(const retry_policy& policy, int attempt_number, int lost_count, bool idempotent, const outcome& ended, double random01)
{
    return decide_retry(retry_matcher(policy), attempt_number, lost_count, idempotent, ended, random01);
}

}
