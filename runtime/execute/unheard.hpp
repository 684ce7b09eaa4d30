#pragma once

#include "runtime/execute/ledger.hpp"
#include "storage/queue_store.hpp"

namespace rowlock::runtime {

// What a statement took whose answer was lost: the instance owns it, and does not know. Hands back what the ledger has not known for
// `patience`, so that it is queued again. Returns how many executions that were. On a database thread; throws as sessions do.
int hand_back_unheard(storage::session& s, instance_id owner, ledger& owned, steady_clock::duration patience);

}
