#pragma once

#include "runtime/execute/retry.hpp"

#include <map>
#include <memory>
#include <shared_mutex>
#include <utility>

namespace rowlock::runtime {

// The matchers of the versions whose attempts fail: the patterns of a version are compiled once, not with each failure. A version never
// changes, so nothing is ever out of date. Any thread.
class retry_matchers {
public:
    std::shared_ptr<const retry_matcher> of(const job_version& version);

private:
    using key = std::pair<job_key, int>;

    std::shared_ptr<const retry_matcher> known(const key& version) const;

    mutable std::shared_mutex mutex_;
    std::map<key, std::shared_ptr<const retry_matcher>> known_;
    std::size_t patterns_ = 0;                       // of all of them
};

}
