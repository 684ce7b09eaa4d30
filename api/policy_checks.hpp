#pragma once

#include "api/context.hpp"
#include "storage/job_store.hpp"

#include <string>
#include <vector>

namespace rowlock::api {

// Whether the policies allow definitions that are to be stored. `in_a_list`: fields are named as jobs[3].handler. What is refused is recorded, unless
// nothing would be stored anyhow (`dry_run`). Errors: policy_violation, with every definition that is refused and by which policies.
result<void> check_policies(const request_context& rq, const std::vector<storage::job_change>& changes, bool in_a_list, bool dry_run);

// What policies that only warn have against a definition.
std::vector<std::string> policy_warnings(const request_context& rq, const job_definition& definition);
// The same, recorded: of a definition that has been stored.
void note_policy_warnings(const request_context& rq, const job_definition& definition, const storage::put_job& stored);

}
