#pragma once

#include "runtime/async/types.hpp"
#include "storage/model/ids.hpp"
#include "storage/queue_store.hpp"

#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace rowlock::runtime {

// The extents that this instance knows it owns, and how many executions of each have not been settled. What the database says
// beyond that came from a claim whose answer was lost. Any thread.
class ledger {
public:
    struct entry {
        execution_id lo;
        rowlock::fence fence;
    };

    // kept: each of them uses one of these slots that this instance keeps.
    void add(execution_id lo, rowlock::fence fence, int n, tenant_key tenant, std::vector<limit_id> kept = {});
    // n more of the extent have ended. Has that freed slots that this instance keeps?
    bool settled(execution_id lo, rowlock::fence fence, int n);
    // n more of the extent are of no concern to this instance any more, but may still be in its name: they are strays, and the slots that they use stay used.
    void forget(execution_id lo, rowlock::fence fence, int n);
    // These are all that are in its name: what strays of others used is free.
    void find_strays(const std::vector<storage::owned_extent>& owned);
    bool has_strays() const;
    // How many of the slots that this instance keeps are used, by limit.
    std::unordered_map<std::int32_t, std::int64_t> kept() const;
    void clear();

    // A statement is under way that may store the executions `first` to `last` as this instance's own. Until arrived() they are no
    // strangers. One at a time.
    void expect(execution_id first, execution_id last);
    void arrived();

    std::vector<entry> all() const;
    // How many executions of each tenant hold a slot.
    std::unordered_map<tenant_key, int> running() const;
    // One of the extent only waits, and has given its slot back; or it has a slot again.
    void rests(execution_id lo, rowlock::fence fence);
    void goes_on(execution_id lo, rowlock::fence fence);

    // Which of these does the ledger not know, and has not known for `patience`? A claim that is still under way may have made them:
    // only who knows that there is none asks without patience.
    std::vector<entry> strangers(const std::vector<storage::owned_extent>& owned, steady_clock::time_point now, steady_clock::duration patience);

private:
    struct key_hash {
        std::size_t operator()(const entry& e) const { return std::hash<execution_id>{}(e.lo) ^ static_cast<std::size_t>(e.fence.value); }
    };
    struct key_equal {
        bool operator()(const entry& a, const entry& b) const { return a.lo == b.lo && a.fence == b.fence; }
    };

    struct unsettled {
        int n = 0;
        int resting = 0;                             // of them
        tenant_key tenant{};
        std::vector<limit_id> kept{};
    };
    // Changes an entry by so much, and what runs of its tenant with it.
    void change(unsettled& one, int n, int resting);
    void use(const std::vector<limit_id>& kept, int n);
    bool remove(execution_id lo, rowlock::fence fence, int n, bool strays);

    mutable std::mutex mutex_;
    std::unordered_map<entry, unsettled, key_hash, key_equal> unsettled_;
    std::unordered_map<tenant_key, int> running_;
    std::unordered_map<std::int32_t, std::int64_t> kept_;            // slots that are used, by limit
    struct stray {
        int n = 0;
        std::vector<limit_id> kept{};
    };
    std::unordered_map<entry, stray, key_hash, key_equal> strays_;   // of those that use such slots
    std::unordered_map<entry, steady_clock::time_point, key_hash, key_equal> unknown_since_;
    std::optional<std::pair<execution_id, execution_id>> expected_;
};

}
