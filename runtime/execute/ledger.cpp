#include "runtime/execute/ledger.hpp"

#include <algorithm>

namespace rowlock::runtime {

void ledger::add(execution_id lo, rowlock::fence fence, int n, tenant_key tenant, std::vector<limit_id> kept)
{
    const std::lock_guard lock(mutex_);
    auto& one = unsettled_[{lo, fence}];
    one.tenant = tenant;
    one.kept = std::move(kept);
    use(one.kept, n);
    change(one, n, 0);
}

void ledger::use(const std::vector<limit_id>& kept, int n)
{
    for (const auto limit : kept) {
        const auto at = kept_.try_emplace(limit.value).first;
        at->second += n;
        if (at->second == 0) kept_.erase(at);
    }
}

void ledger::change(unsettled& one, int n, int resting)
{
    const auto with_slots = [&one] { return std::max(one.n - one.resting, 0); };
    const int before = with_slots();
    one.n += n;
    one.resting += resting;
    int& running = running_[one.tenant];
    running += with_slots() - before;
    if (running == 0) running_.erase(one.tenant);
}

void ledger::rests(execution_id lo, rowlock::fence fence)
{
    const std::lock_guard lock(mutex_);
    const auto at = unsettled_.find({lo, fence});
    if (at != unsettled_.end()) change(at->second, 0, 1);
}

void ledger::goes_on(execution_id lo, rowlock::fence fence)
{
    const std::lock_guard lock(mutex_);
    const auto at = unsettled_.find({lo, fence});
    if (at != unsettled_.end() && at->second.resting > 0) change(at->second, 0, -1);
}

bool ledger::settled(execution_id lo, rowlock::fence fence, int n)
{
    return remove(lo, fence, n, false);
}

void ledger::forget(execution_id lo, rowlock::fence fence, int n)
{
    remove(lo, fence, n, true);
}

bool ledger::remove(execution_id lo, rowlock::fence fence, int n, bool strays)
{
    const std::lock_guard lock(mutex_);
    const auto at = unsettled_.find({lo, fence});
    if (at == unsettled_.end()) return false;
    n = std::min(n, at->second.n);
    const bool kept = !at->second.kept.empty();
    if (!strays) {
        use(at->second.kept, -n);
    } else if (kept) {
        auto& one = strays_[{lo, fence}];
        one.n += n;
        one.kept = at->second.kept;
    }
    change(at->second, -n, 0);
    if (at->second.n <= 0) unsettled_.erase(at);
    return kept && !strays;
}

void ledger::find_strays(const std::vector<storage::owned_extent>& owned)
{
    const std::lock_guard lock(mutex_);
    decltype(strays_) left;
    for (const auto& o : owned) {
        const auto at = strays_.find({o.lo, o.fence});
        if (at != strays_.end()) left.insert(strays_.extract(at));
    }
    for (const auto& [at, one] : strays_) use(one.kept, -one.n);
    strays_.swap(left);
}

bool ledger::has_strays() const
{
    const std::lock_guard lock(mutex_);
    return !strays_.empty();
}

std::unordered_map<std::int32_t, std::int64_t> ledger::kept() const
{
    const std::lock_guard lock(mutex_);
    return kept_;
}

std::unordered_map<tenant_key, int> ledger::running() const
{
    const std::lock_guard lock(mutex_);
    return running_;
}

void ledger::clear()
{
    const std::lock_guard lock(mutex_);
    unsettled_.clear();
    running_.clear();
    kept_.clear();
    strays_.clear();
    unknown_since_.clear();
}

void ledger::expect(execution_id first, execution_id last)
{
    const std::lock_guard lock(mutex_);
    expected_.emplace(first, last);
}

void ledger::arrived()
{
    const std::lock_guard lock(mutex_);
    expected_.reset();
}

std::vector<ledger::entry> ledger::all() const
{
    const std::lock_guard lock(mutex_);
    std::vector<entry> entries;
    entries.reserve(unsettled_.size());
    for (const auto& [e, n] : unsettled_) entries.push_back(e);
    return entries;
}

std::vector<ledger::entry> ledger::strangers(const std::vector<storage::owned_extent>& owned, steady_clock::time_point now, steady_clock::duration patience)
{
    const std::lock_guard lock(mutex_);
    std::vector<entry> found;
    decltype(unknown_since_) unknown;
    for (const auto& o : owned) {
        const entry e{o.lo, o.fence};
        if (unsettled_.contains(e)) continue;
        if (expected_ && o.lo >= expected_->first && o.lo <= expected_->second) continue;
        const auto before = unknown_since_.find(e);
        const auto since = before == unknown_since_.end() ? now : before->second;
        unknown.emplace(e, since);
        if (now - since >= patience) found.push_back(e);
    }
    unknown_since_.swap(unknown);
    return found;
}

}
