#include "runtime/limits/slot_keeper.hpp"

#include <algorithm>

namespace rowlock::runtime {

storage::slot_offer& slot_keeper::offer(instance_id owner)
{
    if (owner != owner_) {
        owner_ = owner;
        epoch_ = 0;
        kept_.clear();
        idle_.clear();
    }
    offered_ = {least_, epoch_, idle(), {}};
    return offered_;
}

void slot_keeper::claimed(const std::vector<storage::claimed_extent>& extents)
{
    std::unordered_map<std::int32_t, std::int64_t> used;
    for (const auto& x : extents) {
        for (const auto limit : x.kept) used[limit.value] += x.remaining;
    }
    for (const auto& each : offered_.free) {
        const auto at = idle_.find(each.limit.value);
        const auto n = used.find(each.limit.value);
        if (at != idle_.end() && n != used.end()) at->second.least = std::min(at->second.least, std::max<std::int64_t>(each.n - n->second, 0));
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
    std::erase_if(idle_, [&free](const auto& each) { return std::none_of(free.begin(), free.end(), [&each](const auto& one) { return one.limit.value == each.first; }); });
    std::optional<deadline> first;
    for (const auto& each : free) {
        auto& one = idle_.try_emplace(each.limit.value, idling{now, each.n}).first->second;
        one.least = std::min(one.least, each.n);
        // All of it has been used meanwhile: a new while begins.
        if (one.least == 0 && now >= one.since + longest_kept) one = {now, each.n};
        first = std::min(first.value_or(deadline::max()), one.since + longest_kept);
    }
    return first;
}

std::vector<storage::kept_slots> slot_keeper::stale(deadline now) const
{
    auto free = idle();
    for (auto& each : free) {
        const auto at = idle_.find(each.limit.value);
        each.n = at == idle_.end() || now < at->second.since + longest_kept ? 0 : std::min(each.n, at->second.least);
    }
    std::erase_if(free, [](const auto& each) { return each.n == 0; });
    return free;
}

void slot_keeper::given_up(const std::vector<storage::kept_slots>& idle)
{
    for (const auto& each : idle) {
        idle_.erase(each.limit.value);
        const auto at = kept_.find(each.limit.value);
        if (at != kept_.end() && (at->second -= each.n) <= 0) kept_.erase(at);
    }
}

void slot_keeper::recount(instance_id owner, int epoch, const std::vector<storage::kept_slots>& kept)
{
    owner_ = owner;
    epoch_ = epoch;
    idle_.clear();
    kept_.clear();
    for (const auto& each : kept) kept_[each.limit.value] = each.n;
}

}
