#include "runtime/policy/policy_set.hpp"

#include "storage/limit_store.hpp"

#include <algorithm>
#include <boost/json/string.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace rowlock::runtime {

namespace {

bool holds_for(const policy& p, const job_definition& definition)
{
    switch (p.scope) {
    case policy_scope::global:
    case policy_scope::tenant: return true;
    case policy_scope::job: return p.key == definition.job_id;
    case policy_scope::job_type: return p.key == definition.limits.job_type;
    case policy_scope::plan: return false;           // its budgets are counted, and looked at, by the database
    }
    return false;
}

std::string_view lifecycle_of(const job_definition& definition)
{
    const auto* v = definition.document.if_contains("lifecycle");
    const auto* text = v ? v->if_string() : nullptr;
    return text ? std::string_view(text->data(), text->size()) : std::string_view();
}

std::string allowed_words(const std::vector<std::string>& allow)
{
    if (allow.empty()) return "none is";
    return fmt::format("{} {}", fmt::join(allow, ", "), allow.size() == 1 ? "is" : "are");
}

// Empty: it is allowed.
std::string objection(const policy& p, const job_definition& definition)
{
    const auto allows = [&p](std::string_view name) { return std::find(p.allow.begin(), p.allow.end(), name) != p.allow.end(); };
    switch (p.type) {
    case policy_type::budget: return {};
    case policy_type::allowed_handlers: {
        const auto type = type_of(definition.handler);
        return allows(type) ? std::string() : fmt::format("the handler {} is not allowed ({})", type, allowed_words(p.allow));
    }
    case policy_type::allowed_lifecycles: {
        const auto lifecycle = lifecycle_of(definition);
        if (lifecycle.empty()) return fmt::format("a definition without a lifecycle is not allowed ({})", allowed_words(p.allow));
        return allows(lifecycle) ? std::string() : fmt::format("the lifecycle {} is not allowed ({})", lifecycle, allowed_words(p.allow));
    }
    }
    return {};
}

}

policy_set::policy_set(std::vector<policy_in_force> all) : all_(std::move(all))
{
    for (std::size_t i = 0; i < all_.size(); ++i) by_subject_[all_[i].subject].push_back(i);
}

template <class F>
void policy_set::for_each_of(tenant_key tenant, const job_definition& definition, F f) const
{
    for (const auto subject : {storage::no_tenant, tenant}) {
        const auto at = by_subject_.find(subject);
        if (at == by_subject_.end()) continue;
        for (const auto i : at->second) {
            if (holds_for(all_[i].what, definition)) f(all_[i]);
        }
    }
}

std::vector<policy_finding> policy_set::judge(tenant_key tenant, const job_definition& definition) const
{
    std::vector<policy_finding> found;
    for_each_of(tenant, definition, [&](const policy_in_force& each) {
        if (auto why = objection(each.what, definition); !why.empty()) found.push_back({&each, std::move(why)});
    });
    std::stable_partition(found.begin(), found.end(), [](const policy_finding& f) { return f.policy->what.blocks; });
    return found;
}

std::vector<const policy_in_force*> policy_set::budgets(tenant_key tenant, const job_definition& definition) const
{
    std::vector<const policy_in_force*> found;
    for_each_of(tenant, definition, [&found](const policy_in_force& each) {
        if (each.what.type == policy_type::budget && each.what.per == budget_period::run) found.push_back(&each);
    });
    return found;
}

}
