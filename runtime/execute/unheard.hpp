#pragma once

#include "runtime/execute/ledger.hpp"
#include "storage/queue_store.hpp"

namespace rowlock::runtime {

// What a statement took whose answer was lost: the instance owns it, and does not know. Hands back what the ledger has not known for
// `patience`, so that it is queued again. Returns how many executions that were. On a database thread; throws as sessions do.
// `reason`: what the history says of it.
int hand_back_unheard(storage::session& s, instance_id owner, ledger& owned, steady_clock::duration patience,
                      const std::string& reason = "the answer to its claim was lost");

}
