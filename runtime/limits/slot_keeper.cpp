#include "runtime/limits/slot_keeper.hpp"

#include <algorithm>

namespace rowlock::runtime {

storage::slot_offer& slot_keeper::offer(instance_id owner)
{
    if (owner != owner_) {
        owner_ = owner;
        kept_.clear();
        idle_since_.clear();
    }
    offered_ = {least_, idle(), {}};
    return offered_;
}

void slot_keeper::claimed(const std::vector<storage::claimed_extent>& extents)
{
    for (const auto& x : extents) {
        for (const auto limit : x.kept) idle_since_.erase(limit.value);
    }
    for (const auto& each : offered_.kept) {
        if (each.n > 0) kept_[each.limit.value] = each.n;
        else kept_.erase(each.limit.value);
    }
}

std::vector<storage::kept_slots> slot_keeper::idle() const
{
    std::vector<storage::kept_slots> free;
    if (kept_.empty()) return free;
    const auto used = owned_.kept();
    for (const auto& [limit, n] : kept_) {
        const auto at = used.find(limit);
        const auto left = n - (at == used.end() ? 0 : at->second);
        if (left > 0) free.push_back({{limit}, left});
    }
    return free;
}

std::optional<deadline> slot_keeper::stale_at(deadline now)
{
    const auto free = idle();
    std::erase_if(idle_since_, [&free](const auto& each) { return std::none_of(free.begin(), free.end(), [&each](const auto& one) { return one.limit.value == each.first; }); });
    std::optional<deadline> first;
    for (const auto& each : free) {
        const auto since = idle_since_.try_emplace(each.limit.value, now).first->second;
        first = std::min(first.value_or(deadline::max()), since + longest_kept);
    }
    return first;
}

std::vector<storage::kept_slots> slot_keeper::stale(deadline now) const
{
    auto free = idle();
    std::erase_if(free, [&](const auto& each) {
        const auto at = idle_since_.find(each.limit.value);
        return at == idle_since_.end() || now < at->second + longest_kept;
    });
    return free;
}

void slot_keeper::given_up(const std::vector<storage::kept_slots>& idle)
{
    for (const auto& each : idle) {
        idle_since_.erase(each.limit.value);
        const auto at = kept_.find(each.limit.value);
        if (at != kept_.end() && (at->second -= each.n) <= 0) kept_.erase(at);
    }
}

void slot_keeper::recount(instance_id owner, const std::vector<storage::kept_slots>& kept)
{
    owner_ = owner;
    kept_.clear();
    for (const auto& each : kept) kept_[each.limit.value] = each.n;
}

}
