#pragma once

#include "runtime/execute/ledger.hpp"
#include "storage/kept_slot_store.hpp"

#include <optional>
#include <unordered_map>

namespace rowlock::runtime {

// The slots of limits that this instance keeps (kept_slots in the database): what ends within them leaves them to what is claimed next, and no row is written for
// it. The ledger counts those that are used. Belongs to the thread that claims, as nothing else changes how many are kept.
class slot_keeper {
public:
    // A smaller limit than least is counted exactly at every moment: what that costs does not matter.
    explicit slot_keeper(ledger& owned, int least = 100) : owned_(owned), least_(least) {}

    // What the next claim of this instance may use. Of another incarnation nothing is kept.
    storage::slot_offer& offer(instance_id owner);
    storage::slot_offer* offered() { return &offered_; }
    instance_id owner() const { return owner_; }
    int epoch() const { return epoch_; }
    // The answer to it.
    void claimed(const std::vector<storage::claimed_extent>& extents);

    // What is kept and not used.
    std::vector<storage::kept_slots> idle() const;
    // When there may be something to give up: what has been idle all the time for longest_kept. nullopt: none is idle. Looks what is, so it is asked often.
    static constexpr std::chrono::milliseconds longest_kept{50};
    std::optional<deadline> stale_at(deadline now);
    // That which is to be given up by then.
    std::vector<storage::kept_slots> stale(deadline now) const;
    void given_up(const std::vector<storage::kept_slots>& idle);

    // After statements whose answers were lost, in an epoch that has begun since: this is what the database says. Strays are known by then (ledger).
    void recount(instance_id owner, int epoch, const std::vector<storage::kept_slots>& kept);
    bool keeps_some() const { return !kept_.empty(); }

private:
    ledger& owned_;
    const int least_;
    instance_id owner_{};
    int epoch_ = 0;
    std::unordered_map<std::int32_t, std::int64_t> kept_;     // by limit; used or not; never zero
    storage::slot_offer offered_{least_, 0, {}, {}};
    struct idling {
        deadline since;
        std::int64_t least;              // that was idle at any moment since then
    };
    std::unordered_map<std::int32_t, idling> idle_;           // by limit
};

}
