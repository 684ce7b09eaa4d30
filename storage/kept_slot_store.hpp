#pragma once

#include "storage/model/ids.hpp"
#include "storage/session.hpp"

#include <vector>

namespace rowlock {

using limit_id = key<struct limit_tag>;

}

namespace rowlock::storage {

// Slots of limits that an instance keeps (0025): they count as in use, whether it uses them or not.
struct kept_slots {
    limit_id limit;
    std::int64_t n;
};
// What a claim may use of them.
struct slot_offer {
    int least;                           // it keeps slots of limits of at least so many
    int epoch = 0;                       // what it keeps has been counted anew so often
    std::vector<kept_slots> free{};      // what it keeps and does not use
    std::vector<kept_slots> kept{};      // set by the claim: how many it keeps now, used or not, of limits where that may have changed
};

// After a statement of its own whose answer was lost: waits until none is under way that claims or gives up; what still comes through later, with an offer of before,
// does nothing. The epoch of all offers from now on.
int begin_epoch(session& s, instance_id owner);
// All that it keeps, used or not.
std::vector<kept_slots> read_kept_slots(session& s, instance_id owner);
// Those it does not use, nor will.
void give_up_kept_slots(session& s, instance_id owner, int epoch, const std::vector<kept_slots>& idle);
// Something waits for it: should others keep slots of limits that are reached, they are to give them up.
void want_slots(session& s, instance_id owner);

}
