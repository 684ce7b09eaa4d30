#pragma once

#include "runtime/execute/submit.hpp"
#include "storage/limit_store.hpp"

#include <optional>
#include <vector>

namespace rowlock::runtime {

// Which of these requests, in their order, a limit that rejects keeps out: as if each had come by itself, and what was let in had started. A request comes
// in whole or not at all; one that finds any room comes in, but into a full queue only as far as it is not. Nullopt: it does. Pure. Errors: rate_limited, naming each execution that is refused, and why.
std::vector<std::optional<error>> refuse_at_limits(const std::vector<const submit_request*>& requests, std::vector<storage::reached_limit> reached, timestamp now);

}
