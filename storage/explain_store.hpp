#pragma once

#include "storage/model/ids.hpp"
#include "storage/session.hpp"

#include <optional>
#include <string>

namespace rowlock::storage {

// Why an execution is where it is: {"execution_id", "status", "blocked_by": [{"rule", "detail", ...figures}], "next_evaluation", "expected_start",
// "expected_start_reason", "why"}. blocked_by: the rules that hold back what waits, in the order of evaluation; the first is that of `waiting_on`. next_evaluation:
// until then nothing changes; null: nobody can say. why: of one that has ended, how, and what follows; else null. nullopt: no such execution.
std::optional<std::string> explain_json(session& s, tenant_key tenant, execution_id id);

// Why nothing of a job of the tenant runs; of the tenant, where job_id is empty; of all tenants, where there is none: {"scope", "headline", "running", "queued",
// "pending", "reasons": [...], ...}. nullopt: no such job or tenant.
std::optional<std::string> explain_scope_json(session& s, std::optional<tenant_key> tenant, const std::string& job_id);

}
