#include "api/policy_checks.hpp"

#include "runtime/policy/policy_book.hpp"
#include "storage/model/json_fields.hpp"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace rowlock::api {

namespace {

using runtime::policy_finding;

std::string field_of(const policy_finding& found)
{
    return found.policy->what.type == policy_type::allowed_handlers ? "handler.type" : "lifecycle";
}

std::string value_of(const policy_finding& found, const job_definition& definition)
{
    if (found.policy->what.type == policy_type::allowed_handlers) return fmt::format("\"{}\"", type_of(definition.handler));
    const auto* lifecycle = definition.document.if_contains("lifecycle");
    return lifecycle ? to_text(*lifecycle) : std::string();
}

storage::policy_violation violation_of(const request_context& rq, const job_definition& definition, const policy_finding& found, int version, bool blocked)
{
    const auto& p = *found.policy;
    return {p.owner, p.policy_id, p.version, rq.caller.tenant, definition.job_id, version, {}, {}, storage::policy_stage::definition, blocked, found.detail};
}

}

result<void> check_policies(const request_context& rq, const std::vector<storage::job_change>& changes, bool in_a_list, bool dry_run)
{
    auto& book = rq.app.instance.policies();
    if (!book.any()) return {};
    const auto set = book.in_force();
    error why{errc::policy_violation, {}, {}, {}};
    for (std::size_t i = 0; i < changes.size(); ++i) {
        const auto& definition = changes[i].definition;
        const auto place = in_a_list ? path_of("jobs", i) : std::string();
        for (const auto& found : set->judge(rq.caller.tenant, definition)) {
            if (!found.policy->what.blocks) continue;
            if (!dry_run) book.note(violation_of(rq, definition, found, 0, true));
            if (why.detail.empty()) why.detail = fmt::format("The policy {} does not allow the job {}: {}.", found.policy->policy_id, definition.job_id, found.detail);
            if (why.fields.size() == field_errors::most) continue;
            why.fields.push_back({path_of(place, field_of(found)), value_of(found, definition), fmt::format("is not allowed by the policy {}: {}", found.policy->policy_id, found.detail)});
        }
    }
    if (why.detail.empty()) return {};
    return why;
}

std::vector<std::string> policy_warnings(const request_context& rq, const job_definition& definition)
{
    std::vector<std::string> warnings;
    const auto& book = rq.app.instance.policies();
    if (!book.any()) return warnings;
    const auto set = book.in_force();
    for (const auto& found : set->judge(rq.caller.tenant, definition)) {
        if (!found.policy->what.blocks) warnings.push_back(fmt::format("The policy {} is against it: {}. It only warns.", found.policy->policy_id, found.detail));
    }
    return warnings;
}

void note_policy_warnings(const request_context& rq, const job_definition& definition, const storage::put_job& stored)
{
    auto& book = rq.app.instance.policies();
    if (!book.any() || !stored.changed) return;
    const auto set = book.in_force();
    for (const auto& found : set->judge(rq.caller.tenant, definition)) {
        if (!found.policy->what.blocks) book.note(violation_of(rq, definition, found, stored.version, false));
    }
}

}
