#include "api/job_diff.hpp"

#include "storage/model/json_text.hpp"

#include <algorithm>
#include <array>

namespace rowlock::api {

namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 9> server_members{"version",   "created_time", "changed_time",   "author",     "reason",
                                                         "tenant_id", "warnings",     "rolled_back_to", "last_action"};

std::string text_of(const json::value* v)
{
    return v ? to_text(*v) : std::string();
}

void compare(const std::string& path, const json::value* before, const json::value* after, std::vector<change>& out)
{
    if (before && after && *before == *after) return;
    const auto* was = before ? before->if_object() : nullptr;
    const auto* will = after ? after->if_object() : nullptr;
    if (!was || !will) {
        out.push_back({path, text_of(before), text_of(after)});
        return;
    }
    const auto skip = [&](std::string_view name) { return path.empty() && std::find(server_members.begin(), server_members.end(), name) != server_members.end(); };
    for (const auto& member : *will) {
        const std::string_view name(member.key().data(), member.key().size());
        if (!skip(name)) compare(path_of(path, name), was->if_contains(member.key()), &member.value(), out);
    }
    for (const auto& member : *was) {
        const std::string_view name(member.key().data(), member.key().size());
        if (!skip(name) && !will->contains(member.key())) compare(path_of(path, name), &member.value(), nullptr, out);
    }
}

}

std::vector<change> differences(const json::value& before, const json::value& after)
{
    std::vector<change> out;
    const json::value nothing = json::object();
    compare("", before.is_object() ? &before : &nothing, &after, out);
    return out;
}

}
