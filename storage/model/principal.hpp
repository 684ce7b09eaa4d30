#pragma once

#include "storage/model/ids.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rowlock {

// Spec C3. What each may do is a set of permissions, below.
enum class role : std::uint8_t { viewer, operator_, editor, approver, admin, worker };

// What a route asks for; the route table names one for each route.
enum class permission : std::uint8_t {
    none,      // open to everybody, without a token
    read,      // look at jobs, executions, history
    operate,   // submit, cancel, events, dead letters
    define,    // jobs, plans, schedules, triggers, limits
    approve,
    administer // tokens, tenants, configuration
};

std::string_view to_string(role r);
std::optional<role> parse_role(std::string_view text);
bool permits(role r, permission p);

// Who asks. `tenant` is the one the request acts for, whatever the token is bound to.
struct principal {
    std::string name;              // "token:NAME", or "local" where no token is asked for
    role granted = role::viewer;
    tenant_key tenant = default_tenant;
    std::string tenant_id = "default";
    bool all_tenants = false;
};

}
