#include "runtime/limits/tenant_limit.hpp"

#include "storage/tenant_store.hpp"

#include <spdlog/spdlog.h>

namespace rowlock::runtime {

awaitable<result<void>> limit_tenants(database& db, int most, std::string set_by)
{
    const auto before = co_await db.write([most, set_by](storage::session& s) -> result<std::optional<storage::tenant_default>> {
        return storage::set_concurrency_per_tenant(s, most, set_by);
    });
    if (!before) co_return before.error();
    if (*before && (*before)->max_running > 0) spdlog::warn("CONCURRENCY_PER_TENANT is {} from now on, for all instances: it was {}, set by the {}", most, (*before)->max_running, (*before)->set_by);
    co_return result<void>{};
}

}
