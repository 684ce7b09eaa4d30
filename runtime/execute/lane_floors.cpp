#include "runtime/execute/lane_floors.hpp"

#include <algorithm>

namespace rowlock::runtime {

namespace {

// A look that costs the database less is not worth avoiding.
constexpr std::chrono::microseconds cheap{100};
// A commit that was under way during the look may still bring in a rank that is so much older.
constexpr std::chrono::seconds slack{1};
constexpr std::size_t most_lanes = 1024;
constexpr std::chrono::minutes forgotten_after{1};

}

void lane_floors::seen(const std::vector<storage::seen_lane>& lanes, timestamp now, std::chrono::microseconds took)
{
    const std::lock_guard lock(mutex_);
    dear_ = took >= cheap;
    if (!dear_) {
        floors_.clear();
        return;
    }
    // What had nothing in it then has nothing below that moment.
    for (auto& [lane, floor] : floors_) floor.rank = now - slack;
    for (const auto& each : lanes) floors_[each.lane] = {std::min(each.head, now - slack), now};
    std::erase_if(floors_, [&](const auto& each) { return each.second.seen < now - forgotten_after; });
}

bool lane_floors::any() const
{
    const std::lock_guard lock(mutex_);
    return dear_;
}

std::optional<timestamp> lane_floors::of(lane_id lane) const
{
    const std::lock_guard lock(mutex_);
    const auto at = floors_.find(lane);
    return at == floors_.end() ? std::nullopt : std::optional(at->second.rank);
}

std::vector<storage::seen_lane> lane_floors::all() const
{
    const std::lock_guard lock(mutex_);
    std::vector<storage::seen_lane> lanes;
    if (floors_.size() > most_lanes) return lanes;
    lanes.reserve(floors_.size());
    for (const auto& [lane, floor] : floors_) lanes.push_back({lane, floor.rank});
    return lanes;
}

}
