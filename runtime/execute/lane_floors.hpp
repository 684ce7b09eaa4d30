#pragma once

#include "storage/queue_store.hpp"

#include <chrono>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

namespace rowlock::runtime {

// From which rank on each lane is worth looking at. What was claimed leaves dead entries at the front of a lane's index, and while anybody holds a
// snapshot (an auditor's query, a dump) nothing clears them away: each look from the front would pass over all of them. So while looks are dear an
// instance looks from the front now and then, and otherwise from here. What comes in below, because of its priority, waits for the next look
// from the front. Any thread.
class lane_floors {
public:
    // A look from the front that went round all lanes saw these, at database time `now`, but for what was claimed at once; all of it took the database so long.
    void seen(const std::vector<storage::seen_lane>& lanes, timestamp now, std::chrono::microseconds took);

    // Are looks from the front dear now?
    bool any() const;
    // nullopt: from the front.
    std::optional<timestamp> of(lane_id lane) const;
    // The lanes that had work lately, with their floors; none where looks are cheap, or the lanes are too many to ask for by name.
    std::vector<storage::seen_lane> all() const;

private:
    struct floor {
        timestamp rank;
        timestamp seen;                              // when there was last something in it
    };

    mutable std::mutex mutex_;
    std::unordered_map<lane_id, floor> floors_;
    bool dear_ = false;
};

}
