#include "runtime/execute/unheard.hpp"

namespace rowlock::runtime {

int hand_back_unheard(storage::session& s, instance_id owner, ledger& owned, steady_clock::duration patience, const std::string& reason)
{
    const auto strangers = owned.strangers(storage::owned_extents(s, owner), steady_clock::now(), patience);
    if (strangers.empty()) return 0;
    storage::array lo(storage::array::element::uuid);
    storage::array fences(storage::array::element::int4);
    for (const auto& x : strangers) {
        lo.add(x.lo);
        fences.add(x.fence.value);
    }
    return storage::hand_back(s, owner, lo, fences, reason);
}

}
