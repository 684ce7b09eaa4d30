#pragma once

#include "storage/model/job.hpp"

#include <array>
#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock {

// Policies (spec J13): what jobs may run with, and what their runs may use.

enum class policy_type : std::uint8_t { budget, allowed_handlers, allowed_lifecycles };
inline constexpr std::array<std::string_view, 3> policy_type_names{"BUDGET", "ALLOWED_HANDLERS", "ALLOWED_LIFECYCLES"};

enum class policy_scope : std::uint8_t { global, tenant, job, job_type, plan };
inline constexpr std::array<std::string_view, 5> policy_scope_names{"global", "tenant", "job", "job_type", "plan"};

inline constexpr std::array<std::string_view, 2> enforcement_names{"warn", "block"};

// Of what a budget is: of a run with all its attempts, of a plan run with all attempts of its nodes, or of a tenant in a day (UTC).
enum class budget_period : std::uint8_t { run, plan, tenant_day };
inline constexpr std::array<std::string_view, 3> budget_period_names{"run", "plan", "tenant_day"};

// No budget is larger, and what is reported beyond it counts as this.
inline constexpr double most_cost_units = 1e15;

// What may be used; what is not named may be used without end. At least one is.
struct budget_amounts {
    std::optional<int> attempts{};
    std::optional<milliseconds> seconds{};           // that attempts run for, together
    std::optional<double> cost_units{};              // as jobs report them, metric cost_units
};

struct policy {
    policy_type type = policy_type::budget;
    policy_scope scope = policy_scope::global;
    std::string key;                                 // a tenant_id, a job_id, a job_type, a plan_id; of global: all
    bool blocks = false;                             // enforcement_level; false: what is against it is recorded, and goes on
    bool enabled = true;
    std::vector<std::string> allow{};                // of ALLOWED_...; empty: nothing is
    budget_amounts budget{};                         // of BUDGET
    budget_period per = budget_period::run;
    std::string reason{};                            // of the change; not of the document
    boost::json::object document{};                  // the whole, normalised, as it is stored
};

// Reads the body of PUT /v1/policies/{policy_id}, or a stored document. Errors: invalid_request with every field that is refused. Pure.
result<policy> parse_policy(const boost::json::object& body);

}
