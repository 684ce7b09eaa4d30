#pragma once

#include "storage/model/ids.hpp"
#include "storage/session.hpp"

#include <optional>
#include <string>

namespace rowlock::storage {

// Why an execution is where it is: {"execution_id", "status", "blocked_by": [{"rule", "detail", ...figures}], "next_evaluation", "why"}.
// blocked_by: the rules that hold back what waits, the one of `waiting_on` first. next_evaluation: until then nothing changes; null: nobody can say.
// why: of one that has ended, how, and what follows; else null. nullopt: no such execution.
std::optional<std::string> explain_json(session& s, tenant_key tenant, execution_id id);

}
