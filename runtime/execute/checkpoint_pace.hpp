#pragma once

#include "runtime/async/types.hpp"
#include "storage/model/job.hpp"

#include <cstdint>
#include <string>
#include <unordered_set>

namespace rowlock::runtime {

// Which of the checkpoints that an attempt makes are kept (spec rule 14). Where the policy has no interval, every one; else at most one in
// an interval, the latest, and the first of each stage beside. Points in time come in as arguments. Does no I/O.
class checkpoint_pace {
public:
    explicit checkpoint_pace(checkpoint_policy policy) : policy_(policy) {}

    enum class verdict : std::uint8_t {
        keep,                // at once
        wait,                // until due(), unless a later one takes its place
        refuse,              // it is too large
    };
    verdict offered(std::size_t size, const std::string& stage, deadline now);
    // One has become durable.
    void kept(deadline now) { last_kept_ = now; }

    // When one that waits is kept.
    deadline due() const;
    std::int64_t max_bytes() const { return policy_.max_bytes; }

private:
    // A job that makes up stages without end keeps to its interval in the end.
    static constexpr std::size_t most_stages = 1000;

    bool is_new(const std::string& stage);

    checkpoint_policy policy_;
    std::optional<deadline> last_kept_{};
    std::unordered_set<std::string> stages_{};
};

}
