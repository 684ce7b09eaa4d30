#include "runtime/catalog/catalog.hpp"

#include <fmt/format.h>

namespace rowlock::runtime {

namespace {

// So much is kept in memory; past it all is forgotten, and what is used comes back.
constexpr std::size_t max_kept = 100'000;

error unknown_job(const std::string& job_id)
{
    return {errc::job_not_found, fmt::format("There is no job {}. Define it first.", job_id)};
}

}

job_version_ptr catalog::cached(tenant_key tenant, std::string_view job_id) const
{
    const std::shared_lock lock(mutex_);
    const auto of_tenant = current_.find(tenant);
    if (of_tenant == current_.end()) return nullptr;
    const auto at = of_tenant->second.find(job_id);
    return at == of_tenant->second.end() ? nullptr : at->second;
}

job_version_ptr catalog::cached(job_key job, int version) const
{
    const std::shared_lock lock(mutex_);
    const auto at = versions_.find({job, version});
    return at == versions_.end() ? nullptr : at->second;
}

std::uint64_t catalog::epoch() const
{
    const std::shared_lock lock(mutex_);
    return epoch_;
}

void catalog::remember(const job_version_ptr& version, std::uint64_t read_at)
{
    const std::unique_lock lock(mutex_);
    if (versions_.size() >= max_kept) {
        versions_.clear();
        current_.clear();
    }
    versions_[{version->job, version->version}] = version;
    if (read_at == epoch_ && version->version == version->current_version) current_[version->tenant][version->definition.job_id] = version;
}

awaitable<result<job_version_ptr>> catalog::find(tenant_key tenant, std::string job_id, int version)
{
    if (auto known = cached(tenant, job_id)) {
        if (version == 0 || known->version == version) co_return known;
        if (auto older = cached(known->job, version)) co_return older;
    }
    const auto read_at = epoch();
    const auto loaded = co_await db_.read([this, tenant, job_id, version](storage::session& s) -> result<job_version_ptr> {
        if (auto found = storage::load_version(s, tenant, job_id, version, defaults_)) return found;
        if (version == 0 || !storage::find_job_json(s, tenant, job_id)) return unknown_job(job_id);
        return error{errc::job_version_not_found, fmt::format("The job {} has no version {}.", job_id, version)};
    });
    if (loaded) remember(*loaded, read_at);
    co_return loaded;
}

awaitable<result<job_version_ptr>> catalog::load(job_key job, int version)
{
    if (auto known = cached(job, version)) co_return known;
    co_return co_await db_.read([this, job, version](storage::session& s) -> result<job_version_ptr> { return load_now(s, job, version); });
}

job_version_ptr catalog::load_now(storage::session& s, job_key job, int version)
{
    auto loaded = load_now(s, std::vector{std::pair{job, version}});
    if (loaded.empty()) throw std::logic_error(fmt::format("job {} has no version {}", job.value, version));
    return std::move(loaded.front());
}

std::vector<job_version_ptr> catalog::load_now(storage::session& s, const std::vector<std::pair<job_key, int>>& wanted)
{
    const auto read_at = epoch();
    auto loaded = storage::load_versions(s, wanted, defaults_);
    for (const auto& each : loaded) remember(each, read_at);
    return loaded;
}

awaitable<result<storage::put_job>> catalog::put(principal who, storage::job_change change, bool dry_run)
{
    const auto tenant = who.tenant;
    const auto job_id = change.definition.job_id;
    auto stored = co_await db_.write([who = std::move(who), change = std::move(change), dry_run](storage::session& s) { return storage::put(s, who, change, dry_run); });
    if (!dry_run) forget_name(tenant, job_id);
    if (!stored) count(stored.error());
    else if (!dry_run) count(*stored);
    co_return stored;
}

awaitable<result<std::vector<storage::put_job>>> catalog::put_all(principal who, std::vector<storage::job_change> changes, bool dry_run)
{
    const auto tenant = who.tenant;
    std::vector<std::string> names;
    for (const auto& change : changes) names.push_back(change.definition.job_id);
    auto stored = co_await db_.write([who = std::move(who), changes = std::move(changes), dry_run](storage::session& s) { return storage::put_all(s, who, changes, dry_run); });
    if (!stored) count(stored.error());
    if (dry_run) co_return stored;
    for (const auto& name : names) forget_name(tenant, name);
    if (stored) {
        for (const auto& each : *stored) count(each);
    }
    co_return stored;
}

awaitable<result<storage::job_document>> catalog::set_enabled(principal who, std::string job_id, bool enabled, std::string reason, std::string if_match)
{
    const auto tenant = who.tenant;
    auto changed = co_await db_.write([who = std::move(who), job_id, enabled, reason = std::move(reason), if_match = std::move(if_match)](storage::session& s) {
        return storage::set_enabled(s, who, job_id, enabled, reason, if_match);
    });
    forget_name(tenant, job_id);
    co_return changed;
}

awaitable<result<void>> catalog::remove(principal who, std::string job_id, std::string reason, std::string if_match)
{
    const auto tenant = who.tenant;
    auto removed = co_await db_.write([who = std::move(who), job_id, reason = std::move(reason), if_match = std::move(if_match)](storage::session& s) {
        return storage::remove_job(s, who, job_id, reason, if_match);
    });
    forget_name(tenant, job_id);
    co_return removed;
}

void catalog::count(const storage::put_job& stored)
{
    // What has not changed has been told before.
    if (stored.changed) figures_.missing.fetch_add(stored.missing.size(), std::memory_order_relaxed);
}

void catalog::count(const error& why)
{
    if (why.code == errc::dependency_cycle) figures_.cycles.fetch_add(1, std::memory_order_relaxed);
}

void catalog::forget_name(tenant_key tenant, const std::string& job_id)
{
    const std::unique_lock lock(mutex_);
    ++epoch_;
    const auto of_tenant = current_.find(tenant);
    if (of_tenant != current_.end()) of_tenant->second.erase(job_id);
}

void catalog::forget(const std::vector<job_key>& jobs)
{
    const std::unique_lock lock(mutex_);
    ++epoch_;
    for (const auto job : jobs) {
        // What a version says never changes; whether it is the current one, and enabled, does.
        for (auto at = versions_.lower_bound({job, 0}); at != versions_.end() && at->first.first == job; ++at) {
            const auto of_tenant = current_.find(at->second->tenant);
            if (of_tenant != current_.end()) of_tenant->second.erase(at->second->definition.job_id);
        }
    }
}

void catalog::forget_all()
{
    const std::unique_lock lock(mutex_);
    ++epoch_;
    current_.clear();
}

}
