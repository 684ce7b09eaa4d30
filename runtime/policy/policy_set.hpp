#pragma once

#include "storage/model/policy.hpp"

#include <string>
#include <unordered_map>
#include <vector>

namespace rowlock::runtime {

struct policy_in_force {
    std::string policy_id;
    int version = 1;
    tenant_key owner{};                              // storage::no_tenant: of all tenants
    tenant_key subject{};                            // whose jobs it holds for; no_tenant: of all tenants
    policy what;
};

// What is against a policy. The policy belongs to its set.
struct policy_finding {
    const policy_in_force* policy = nullptr;
    std::string detail;                              // "the handler process is not allowed (noop, sleep are)"
};

// All policies that are in force at a time. Immutable; shared by all cores. Pure.
class policy_set {
public:
    policy_set() = default;
    explicit policy_set(std::vector<policy_in_force> all);
    policy_set(const policy_set&) = delete;
    policy_set& operator=(const policy_set&) = delete;

    bool empty() const { return all_.empty(); }
    // What of a definition its policies do not allow: those that block come first.
    std::vector<policy_finding> judge(tenant_key tenant, const job_definition& definition) const;
    // The budgets that hold for each run of a job.
    std::vector<const policy_in_force*> budgets(tenant_key tenant, const job_definition& definition) const;

private:
    template <class F>
    void for_each_of(tenant_key tenant, const job_definition& definition, F f) const;

    std::vector<policy_in_force> all_;
    std::unordered_map<tenant_key, std::vector<std::size_t>> by_subject_;
};

}
