#pragma once

#include "runtime/execute/identity.hpp"
#include "runtime/execute/lane_floors.hpp"
#include "runtime/execute/submit.hpp"
#include "storage/queue_store.hpp"

#include <cstddef>
#include <vector>

namespace rowlock::runtime {

// How a group commit lays out what it was given: executions that are admitted alike lie side by side in extents, and their ids
// follow that order. Pure: ids come from the block.
struct submit_plan {
    struct place {
        std::size_t request;
        std::size_t item;
        execution_id id;
        int extent;                                  // number from 1
    };
    struct extent {
        execution_id lo;
        execution_id hi;
        int n;
        std::size_t first;                           // into `places`
        bool wants_start;                            // a free slot was there for each of its executions
    };
    struct key {
        std::size_t request;
        std::size_t item;                            // of a batch key: 0
        bool whole_request;
        bool fingerprint = false;                    // of the item: its job has `dedupe`
    };

    std::vector<place> places;                       // in the order of ids
    std::vector<extent> extents;
    std::vector<key> keys;
    std::vector<std::vector<execution_id>> ids;      // by request and item
};

// `slots`: executions that could start at once; the first extents are cut so that they just fit. `requests` hold at most
// execution_id::max_ordinal executions together.
submit_plan lay_out(const std::vector<const submit_request*>& requests, identity::block block, int slots);

// The columns of the statement. `floors`: from where on a lane has to be looked at.
void fill(storage::submit_batch& columns, const submit_plan& plan, const std::vector<const submit_request*>& requests, const lane_floors& floors);

}
