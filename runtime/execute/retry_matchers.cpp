#include "runtime/execute/retry_matchers.hpp"

#include <mutex>

namespace rowlock::runtime {

namespace {

// So much is kept in memory; past it all is forgotten, and what is used comes back. A compiled pattern takes kilobytes, at worst a megabyte.
constexpr std::size_t max_kept = 10'000;
constexpr std::size_t max_patterns = 2'000;

}

std::shared_ptr<const retry_matcher> retry_matchers::known(const key& version) const
{
    const std::shared_lock lock(mutex_);
    const auto at = known_.find(version);
    return at == known_.end() ? nullptr : at->second;
}

std::shared_ptr<const retry_matcher> retry_matchers::of(const job_version& version)
{
    const key k{version.job, version.version};
    if (auto there = known(k)) return there;
    const auto made = std::make_shared<const retry_matcher>(version.definition.retry);
    const std::unique_lock lock(mutex_);
    if (known_.size() >= max_kept || patterns_ + made->pattern_count() > max_patterns) {
        known_.clear();
        patterns_ = 0;
    }
    const auto [at, is_new] = known_.emplace(k, made);
    if (is_new) patterns_ += made->pattern_count();
    return at->second;
}

}
