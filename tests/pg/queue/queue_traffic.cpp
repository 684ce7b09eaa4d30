#include "tests/pg/queue/queue_traffic.hpp"

#include <atomic>
#include <stdexcept>

namespace rowlock::test {

execution_id first_of_new_block()
{
    static std::atomic<std::uint64_t> counter{0};
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(wall_clock().time_since_epoch());
    constexpr std::uint64_t slot = 0xfffe;           // no instance of a test has this number
    return execution_id::make(static_cast<std::uint64_t>(now.count()), (slot << 38) | ++counter, 0);
}

submission& submission::extent(const queue_job& job, int n, like as)
{
    columns_.lo.add(next_);
    for (int i = 0; i < n; ++i) {
        columns_.id.add(next_);
        columns_.extent.add(columns_.lo.size());
        columns_.unit.add(static_cast<std::int32_t>(as.unit));
        columns_.parameters.add(as.parameters);
        columns_.correlation.add_text_or_null(as.correlation);
        ids_.push_back(next_);
        next_ = next_.with_ordinal(next_.ordinal() + 1);
    }
    columns_.hi.add(ids_.back());
    columns_.n.add(static_cast<std::int32_t>(n));
    columns_.tenant.add(job.tenant.value);
    columns_.lane.add(job.lane.value);
    columns_.job.add(job.key.value);
    columns_.version.add(static_cast<std::int32_t>(job.version));
    columns_.priority.add(static_cast<std::int16_t>(as.priority));
    columns_.trigger.add(static_cast<std::int16_t>(trigger_type::manual));
    columns_.eligible.add(as.eligible);
    columns_.submitter.add_text_or_null(as.submitter);
    return *this;
}

submission& submission::key(tenant_key tenant, std::string_view key, std::string_view request, int unit)
{
    columns_.key_tenant.add(tenant.value);
    columns_.key.add(key);
    columns_.key_request.add(request);
    columns_.key_unit.add(static_cast<std::int32_t>(unit));
    columns_.key_execution.add(ids_.back());
    columns_.key_executions.add_null();
    return *this;
}

submission& submission::batch_key(tenant_key tenant, std::string_view key, std::string_view request, int unit)
{
    columns_.key_tenant.add(tenant.value);
    columns_.key.add(key);
    columns_.key_request.add(request);
    columns_.key_unit.add(static_cast<std::int32_t>(unit));
    columns_.key_execution.add(ids_.front());
    std::string all = "{";
    for (const auto& id : ids_) all += (all.size() > 1 ? "," : "") + id.str();
    columns_.key_executions.add(std::string_view(all + "}"));
    return *this;
}

submission& submission::fingerprint(const queue_job& job, std::string_view parameters, int unit)
{
    // Each key has a job and a version, once one is a fingerprint.
    while (columns_.key_job.size() < columns_.key.size()) {
        columns_.key_job.add_null();
        columns_.key_version.add_null();
    }
    key(job.tenant, " ", parameters, unit);
    columns_.key_job.add(job.key.value);
    columns_.key_version.add(static_cast<std::int32_t>(job.version));
    return *this;
}

submission& submission::hold(int what)
{
    while (columns_.hold.size() + 1 < columns_.lo.size()) columns_.hold.add(std::int16_t{0});
    columns_.hold.add(static_cast<std::int16_t>(what));
    return *this;
}

submission& submission::wait(std::chrono::milliseconds longest)
{
    while (columns_.wait_ms.size() + 1 < columns_.lo.size()) columns_.wait_ms.add_null();
    columns_.wait_ms.add(static_cast<std::int64_t>(longest.count()));
    return *this;
}

storage::submit_reply submission::commit(storage::session& s, instance_id owner, int slots, std::chrono::milliseconds key_ttl)
{
    return storage::submit(s, owner, slots, priority_age, key_ttl, columns_);
}

namespace {

std::optional<std::int64_t> count_of(std::optional<std::chrono::milliseconds> span)
{
    return span ? std::optional<std::int64_t>(span->count()) : std::nullopt;
}

}

ends& ends::from(const execution_id& lo, fence f)
{
    columns_.lo.add(lo);
    columns_.fence.add(f.value);
    ++extents_;
    return *this;
}

void ends::add(const execution_id& id, execution_status status)
{
    columns_.id.add(id);
    columns_.extent.add(static_cast<std::int32_t>(extents_));
    add_status(id, status);
}

void ends::add_status(const execution_id& id, execution_status status)
{
    last_ = id;
    ++count_;
    columns_.status.add(static_cast<std::int16_t>(status));
    columns_.age_us.add(static_cast<std::int32_t>(0));
}

ends& ends::end(const execution_id& id, execution_status status)
{
    add(id, status);
    return *this;
}

ends& ends::fail(const execution_id& id, const execution_id& next, std::chrono::milliseconds delay, std::optional<std::chrono::milliseconds> kept,
                 std::optional<std::chrono::milliseconds> next_wait)
{
    return end(id, execution_status::failed).retried(next, delay, kept, next_wait);
}

ends& ends::retried(const execution_id& next, std::chrono::milliseconds delay, std::optional<std::chrono::milliseconds> kept, std::optional<std::chrono::milliseconds> next_wait)
{
    add_failure(error_category::transient, kept);
    columns_.next.add(next);
    columns_.next_ms.add(static_cast<std::int32_t>(delay.count()));
    columns_.next_wait_ms.add(count_of(next_wait));
    return *this;
}

ends& ends::all(const std::vector<execution_id>& ids)
{
    for (const auto& id : ids) end(id);
    return *this;
}

ends& ends::alone(const execution_id& id, fence f, execution_status status)
{
    columns_.lo.add(id);
    columns_.fence.add(f.value);
    add_status(id, status);
    return *this;
}

ends& ends::clean()
{
    columns_.clean.add(last_);
    return *this;
}

ends& ends::followed()
{
    columns_.planned.add(count_);
    return *this;
}

ends& ends::watched()
{
    columns_.watched.add(count_);
    return *this;
}

ends& ends::recorded(error_category category, std::optional<std::chrono::milliseconds> kept)
{
    add_failure(category, kept);
    columns_.next.add_null();
    columns_.next_ms.add_null();
    columns_.next_wait_ms.add_null();
    return *this;
}

void ends::add_failure(error_category category, std::optional<std::chrono::milliseconds> kept)
{
    columns_.failed_at.add(count_);
    columns_.category.add(static_cast<std::int16_t>(category));
    columns_.details.add_null();
    columns_.kept.add(count_of(kept));
}

std::vector<execution_id> ends::commit(storage::session& s, instance_id owner, bool again)
{
    return storage::settle(s, owner, priority_age, again, columns_).lost;
}

std::vector<storage::claimed_extent> claim(storage::session& s, instance_id owner, int budget)
{
    std::vector<storage::claimed_extent> all;
    lane_id cursor{};
    for (bool more = true; more && budget > 0;) {
        const auto answer = storage::claim_next(s, owner, cursor, 16, budget);
        for (const auto& x : answer.extents) {
            budget -= x.remaining;
            all.push_back(x);
        }
        cursor = answer.next_after;
        more = cursor.value > 0 || !answer.extents.empty();
    }
    return all;
}

storage::claimed_extent claim_one(storage::session& s, instance_id owner, int budget)
{
    const auto all = claim(s, owner, budget);
    if (all.size() != 1) throw std::logic_error(std::to_string(all.size()) + " extents were claimed instead of one");
    return all.front();
}

std::vector<execution_id> ids_in(const execution_id& lo, const execution_id& hi)
{
    std::vector<execution_id> ids;
    for (auto o = lo.ordinal(); o <= hi.ordinal(); ++o) ids.push_back(lo.with_ordinal(o));
    return ids;
}

int hand_back(storage::session& s, instance_id owner, const storage::claimed_extent& x)
{
    storage::array lo(storage::array::element::uuid);
    storage::array fences(storage::array::element::int4);
    lo.add(x.lo);
    fences.add(x.fence.value);
    return storage::hand_back(s, owner, lo, fences, "stopping");
}

}
