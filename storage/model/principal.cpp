#include "storage/model/principal.hpp"

#include <array>
#include <utility>

namespace rowlock {

namespace {

constexpr std::array<std::pair<role, std::string_view>, 6> role_names{{
    {role::viewer, "viewer"},
    {role::operator_, "operator"},
    {role::editor, "editor"},
    {role::approver, "approver"},
    {role::admin, "admin"},
    {role::worker, "worker"},
}};

}

std::string_view to_string(role r)
{
    return role_names[static_cast<std::size_t>(r)].second;
}

std::optional<role> parse_role(std::string_view text)
{
    for (const auto& [r, name] : role_names) {
        if (name == text) return r;
    }
    return std::nullopt;
}

bool permits(role r, permission p)
{
    switch (p) {
    case permission::none: return true;
    case permission::read: return r != role::worker;
    case permission::operate: return r == role::operator_ || r == role::editor || r == role::approver || r == role::admin;
    case permission::define: return r == role::editor || r == role::approver || r == role::admin;
    case permission::approve: return r == role::approver || r == role::admin;
    case permission::administer: return r == role::admin;
    }
    return false;
}

}
