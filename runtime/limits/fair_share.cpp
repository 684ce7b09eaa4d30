#include "runtime/limits/fair_share.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

namespace rowlock::runtime {

namespace {

// So many are served in one claim: with more, each extent would be cut into crumbs.
constexpr std::size_t served_at_once = 16;
// Who is served beside them, where these have little, gets so many extents of a lane: how many it has is not known, and where many have some there is no need to look.
constexpr int crumbs = 2;

}

struct fair_share::candidate {
    tenant_key key{};
    const tenant* who = nullptr;
    double running = 0;                              // for each unit of weight
};

void fair_share::begin_round()
{
    for (auto& [key, who] : tenants_) {
        who.lanes.clear();
        who.place.reset();
    }
    waiting_ = 0;
    seen_ = 0;
}

fair_share::tenant& fair_share::met(const storage::waiting_lane& lane)
{
    tenant& who = tenants_[lane.tenant];
    who.weight = std::max(lane.weight, 1);
    if (!who.place) who.place = seen_++;
    if (who.lanes.empty()) who.served = std::max(who.served, clock_);
    return who;
}

void fair_share::served(const storage::waiting_lane& lane, int n)
{
    tenant& who = met(lane);
    who.served += static_cast<double>(n) / who.weight;
}

void fair_share::seen(const std::vector<storage::waiting_lane>& page)
{
    std::vector<tenant*> more;
    for (const auto& each : page) {
        if (!each.open) continue;
        tenant& who = met(each);
        if (who.lanes.empty()) ++waiting_;
        who.lanes.push_back(each);
        if (who.lanes.size() > 1) more.push_back(&who);
    }
    std::sort(more.begin(), more.end());
    more.erase(std::unique(more.begin(), more.end()), more.end());
    for (auto* who : more) std::sort(who->lanes.begin(), who->lanes.end(), [](const auto& a, const auto& b) { return a.head < b.head; });
}

void fair_share::end_round()
{
    std::optional<double> least;
    for (const auto& [key, who] : tenants_) {
        if (who.had_work && who.place) least = std::min(least.value_or(who.served), who.served);
    }
    clock_ = std::max(clock_, least.value_or(clock_));
    for (auto& [key, who] : tenants_) {
        who.had_work = who.place.has_value();
        if (who.had_work) who.served = std::max(who.served, clock_);
    }
    // Who has no work, and would begin where the others are, need not be known.
    std::erase_if(tenants_, [this](const auto& each) { return each.second.lanes.empty() && !each.second.had_work && each.second.served <= clock_; });
}

std::vector<fair_share::candidate> fair_share::first_in_order(std::size_t most, const std::function<int(tenant_key)>& running) const
{
    std::vector<candidate> all;
    all.reserve(waiting_);
    for (const auto& [key, who] : tenants_) {
        if (!who.lanes.empty()) all.push_back({key, &who, static_cast<double>(running(key)) / who.weight});
    }
    most = std::min(most, all.size());
    std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(most), all.end(), [](const candidate& a, const candidate& b) {
        if (a.running != b.running) return a.running < b.running;
        if (a.who->served != b.who->served) return a.who->served < b.who->served;
        return *a.who->place < *b.who->place;        // another instance sees them in another order
    });
    all.resize(most);
    return all;
}

std::vector<tenant_share> fair_share::choose(int budget, std::size_t most_lanes, const std::function<int(tenant_key)>& running) const
{
    const auto all = first_in_order(most_lanes, running);
    const std::size_t first = std::min(all.size(), served_at_once);
    // Water filling: what runs for each unit of weight is brought to one level, by those who are below it.
    double weights = 0;
    double level = 0;
    std::size_t below = 0;
    double run = 0;
    while (below < first && (below == 0 || all[below].running < level)) {
        weights += all[below].who->weight;
        run += all[below].running * all[below].who->weight;
        ++below;
        level = (budget + run) / weights;
    }
    std::vector<int> shares;
    int left = budget;
    for (std::size_t i = 0; i < below; ++i) {
        const int share = std::clamp(static_cast<int>(std::floor((level - all[i].running) * all[i].who->weight)), 0, left);
        shares.push_back(share);
        left -= share;
    }
    for (std::size_t i = 0; i < below && left > 0; ++i, --left) ++shares[i];

    std::vector<tenant_share> chosen;
    std::size_t lanes = 0;
    std::int64_t expected = 0;
    const int usual = std::max(budget / static_cast<int>(std::max<std::size_t>(first, 1)), 1);
    for (std::size_t i = 0; i < all.size() && lanes < most_lanes && (i < below || expected < budget); ++i) {
        const int most = i < shares.size() ? shares[i] : usual * all[i].who->weight;
        if (most <= 0) continue;
        tenant_share one{all[i].key, std::min(most, budget), {}, i < below ? std::nullopt : std::optional(crumbs)};
        int waiting = 0;
        for (const auto& each : all[i].who->lanes) {
            if (waiting >= one.most || lanes == most_lanes) break;
            one.lanes.push_back({each.lane, each.head});
            waiting += each.waiting;
            ++lanes;
        }
        expected += std::min(waiting, one.most);
        chosen.push_back(std::move(one));
    }
    return chosen;
}

void fair_share::claimed(const std::vector<tenant_share>& asked, const std::vector<storage::claimed_extent>& got, int budget)
{
    struct taken {
        int executions = 0;
        int extents = 0;
    };
    std::unordered_map<lane_id, taken> by_lane;
    int total = 0;
    for (const auto& each : got) {
        auto& from = by_lane[each.lane];
        from.executions += each.remaining;
        ++from.extents;
        total += each.remaining;
    }
    for (const auto& one : asked) {
        tenant& who = tenants_[one.tenant];
        int n = 0;
        bool has_more = false;
        for (const auto& each : one.lanes) {
            const auto at = by_lane.find(each.lane);
            if (at == by_lane.end()) continue;
            n += at->second.executions;
            has_more = has_more || (one.extents && at->second.extents >= *one.extents);
        }
        who.served += static_cast<double>(n) / who.weight;
        if (n >= one.most || total >= budget || has_more) continue;
        // They are its best ones, so they stand first.
        who.lanes.erase(who.lanes.begin(), who.lanes.begin() + static_cast<std::ptrdiff_t>(std::min(one.lanes.size(), who.lanes.size())));
        if (who.lanes.empty()) --waiting_;
    }
}

}
