#include "runtime/limits/tenant_limit.hpp"

#include "runtime/async/task_group.hpp"
#include "storage/limit_store.hpp"
#include "storage/tenant_store.hpp"

#include <chrono>
#include <spdlog/spdlog.h>

namespace rowlock::runtime {

namespace {

constexpr std::chrono::seconds between_tries{5};

}

awaitable<bool> limit_tenants(database& db, int most, std::string set_by)
{
    const auto before = co_await db.write([most, set_by](storage::session& s) -> result<std::optional<storage::tenant_default>> {
        auto was = storage::set_concurrency_per_tenant(s, most, set_by);
        if (was) storage::enforce_due_limits(s);          // of a few tenants all, before anything starts
        return was;
    });
    if (!before) {
        spdlog::warn("CONCURRENCY_PER_TENANT could not be set to {}, and is tried again every {} seconds: {}", most, between_tries.count(), before.error().detail);
        co_return false;
    }
    if (*before && (*before)->max_running > 0) spdlog::warn("CONCURRENCY_PER_TENANT is {} from now on, for all instances: it was {}, set by the {}", most, (*before)->max_running, (*before)->set_by);
    co_return true;
}

awaitable<void> limit_tenants_later(database& db, int most, std::string set_by)
{
    while (co_await sleep_until(steady_clock::now() + between_tries)) {
        if (co_await limit_tenants(db, most, set_by)) co_return;
    }
}

}
