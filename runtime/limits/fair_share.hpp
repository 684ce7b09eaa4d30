#pragma once

#include "storage/queue_store.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

namespace rowlock::runtime {

// What a tenant may start of its lanes, in one claim.
struct tenant_share {
    tenant_key tenant;
    int most;                                        // executions, at least 1
    std::vector<storage::seen_lane> lanes;           // where the best of its ranks are
    std::optional<int> extents{};                    // of each lane at most so many, the best; nullopt: as many as make up the best of the share
};

// From which tenants an instance claims, so that they share by their weights what it can run. Of two that have work waiting the one is served first of
// which less runs here for each unit of its weight; where that is equal, the one that was served less since both have had work (start-time fair queueing:
// Goyal, Vin, Cheng, SIGCOMM 1996), and then the one that was seen first, as each instance begins to look elsewhere. What a tenant does not use is the
// others'. Nothing is kept for who has no work, nor made up for: who comes back begins where the others are. Pure: the claimer performs what it chooses.
class fair_share {
public:
    // A round of looks goes through all lanes with work, page by page, and there may be claims between. It begins with none, instead of those known before.
    void begin_round();
    // What may not start now is passed over.
    void seen(const std::vector<storage::waiting_lane>& page);
    // It was claimed on sight, so many executions of it: nothing of it waits.
    void served(const storage::waiting_lane& lane, int n);
    void end_round();

    bool empty() const { return waiting_ == 0; }
    // Those that have work: of the lanes seen so far in this round, and not used up.
    std::size_t tenants() const { return waiting_; }
    // Those that had work when it was their lanes' turn in this round.
    std::size_t tenants_seen() const { return seen_; }

    // Whom to serve next, in this order, of `budget` executions; the shares may come to more, as not everybody has as much as his share. At most so many lanes. `running`: how
    // many executions of a tenant run here.
    std::vector<tenant_share> choose(int budget, std::size_t most_lanes, const std::function<int(tenant_key)>& running) const;

    // What came of it. A tenant that got less than its share although the budget was not used up has no more in these lanes, until they are seen again;
    // unless it got all the extents of one that it might have.
    void claimed(const std::vector<tenant_share>& asked, const std::vector<storage::claimed_extent>& got, int budget);

private:
    struct tenant {
        int weight = 1;
        double served = 0;                           // executions for each unit of weight
        std::optional<std::size_t> place{};          // in the order in which they were seen in this round
        bool had_work = false;                       // in the round before
        std::vector<storage::waiting_lane> lanes{};  // the best first
    };
    struct candidate;
    // Has work in this round.
    tenant& met(const storage::waiting_lane& lane);
    // At most so many.
    std::vector<candidate> first_in_order(std::size_t most, const std::function<int(tenant_key)>& running) const;

    std::unordered_map<tenant_key, tenant> tenants_;
    std::size_t waiting_ = 0;
    std::size_t seen_ = 0;
    double clock_ = 0;                               // where who comes begins: at who was served least of those that have had work since; never goes back
};

}
