#include "storage/model/policy.hpp"

#include "storage/model/json_fields.hpp"

#include <algorithm>
#include <boost/json/string.hpp>
#include <fmt/format.h>

namespace rowlock {

namespace json = boost::json;

namespace {

constexpr std::int64_t most_attempts = 1'000'000;
constexpr milliseconds most_seconds = std::chrono::hours{24 * 3650};
constexpr text_bounds description_bounds{0, 10'000};

template <std::size_t N>
std::optional<std::size_t> choose(json_fields& fields, std::string_view name, const std::array<std::string_view, N>& names)
{
    if (!fields.has(name)) fields.require(name);
    const auto chosen = fields.choice(name, names);
    if (!chosen) return std::nullopt;
    return static_cast<std::size_t>(std::find(names.begin(), names.end(), *chosen) - names.begin());
}

void read_scope(json_fields& fields, policy& read)
{
    if (!fields.has("scope")) fields.require("scope");
    fields.object("scope", [&read](json_fields& members) {
        const auto kind = choose(members, "kind", policy_scope_names);
        if (!kind) {
            members.drop("key");
            return;
        }
        read.scope = static_cast<policy_scope>(*kind);
        if (read.scope == policy_scope::global) {
            const auto key = members.find("key");
            const auto* text = key ? key.value->if_string() : nullptr;
            if (key && (!text || *text != "all")) members.refuse(key, "is all for the kind global, or is left out");
            read.key = "all";
            members.accept("key", "all");
            return;
        }
        if (!members.has("key")) members.require("key");
        const auto key = read.scope == policy_scope::job_type ? members.text("key", {1, 128}) : members.slug("key");
        read.key = key.value_or("");
    });
}

void read_allow(json_fields& fields, policy& read, std::span<const std::string_view> names)
{
    if (!fields.has("allow")) fields.require("allow");
    read.allow = fields.choices("allow", names);
}

void read_budget(json_fields& fields, policy& read)
{
    if (const auto n = fields.integer("attempts", 1, most_attempts)) read.budget.attempts = static_cast<int>(*n);
    read.budget.seconds = fields.seconds("seconds", milliseconds{1}, most_seconds);
    read.budget.cost_units = fields.number("cost_units", 0, most_cost_units);
    if (!fields.has("attempts") && !fields.has("seconds") && !fields.has("cost_units")) fields.require("attempts");
    const auto per = choose(fields, "per", budget_period_names);
    if (!per) return;
    read.per = static_cast<budget_period>(*per);
    // What a tenant has used in a day, or a plan run, is not known by job.
    const bool of_one = read.scope == policy_scope::job || read.scope == policy_scope::job_type;
    if (read.per == budget_period::tenant_day && (of_one || read.scope == policy_scope::plan)) fields.refuse(fields.find("per"), "is for the scopes global and tenant; give those, or run");
    if (read.per == budget_period::plan && of_one) fields.refuse(fields.find("per"), "is for the scopes global, tenant and plan; give those, or run");
    if (read.per == budget_period::run && read.scope == policy_scope::plan) fields.refuse(fields.find("per"), "is for jobs; give plan for the scope plan");
}

}

result<policy> parse_policy(const json::object& body)
{
    field_errors errors;
    policy read;
    json_fields fields(body, "", errors, read.document);
    const auto type = choose(fields, "type", policy_type_names);
    read_scope(fields, read);
    const auto level = choose(fields, "enforcement_level", enforcement_names);
    read.blocks = level == 1U;
    read.enabled = fields.boolean("enabled").value_or(true);
    fields.accept("enabled", read.enabled);
    fields.accept("description", json::string(fields.text("description", description_bounds).value_or("")));
    read.reason = fields.text("reason", {0, 10'000}).value_or("");
    read.document.erase("reason");
    if (!fields.has("payload")) fields.require("payload");
    if (type) {
        read.type = static_cast<policy_type>(*type);
        fields.object("payload", [&read](json_fields& members) {
            switch (read.type) {
            case policy_type::budget: return read_budget(members, read);
            case policy_type::allowed_handlers: return read_allow(members, read, handler_type_names);
            case policy_type::allowed_lifecycles: return read_allow(members, read, lifecycle_names);
            }
        });
        if (read.scope == policy_scope::plan && read.type != policy_type::budget) fields.refuse(fields.find("type"), "is not for the scope plan, which is for budgets; give BUDGET, or another scope");
    } else {
        fields.drop("payload");
    }
    fields.refuse_rest();
    for (auto& path : find_every_nul(body, field_errors::most)) errors.add(std::move(path), nullptr, "must not contain U+0000: the database cannot keep it");
    if (errors.empty()) return read;
    return std::move(errors).take("The policy");
}

}
